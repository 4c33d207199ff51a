//! `pigeon send`: datagrams from the command line or from stdin.

mod framing;
#[cfg(feature = "ipmsg")]
mod ipmsg;
#[cfg(not(feature = "ipmsg"))]
#[path = "ipmsg_absent.rs"]
mod ipmsg;
#[cfg(feature = "quic")]
mod stored;
#[cfg(not(feature = "quic"))]
#[path = "stored_absent.rs"]
mod stored;
mod task;

use std::io::{self, BufReader};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use anyhow::Context;
use clap_complete::ArgValueCandidates;
use pigeon_client::{SENDER_QUEUE, Sender};
use pigeon_datagram::{SocketId, max_payload};
use pigeon_net::{Clock, Driver, Receipt, Socket, SocketOptions, Waker};

use self::framing::{Frame, Frames, Framing, Unit};
use self::task::{Task, Way};
use crate::base::asking::{self, asks_anybody};
use crate::base::bind::{explain, is_broadcast};
use crate::base::endpoint::{Family, socket_address};
use crate::base::hub_target::{HubTarget, MemberArgs, WITH_HUB};
use crate::base::length::check_length;
use crate::base::multicast;
use crate::base::payload::{PayloadArgs, PayloadFormat};
use crate::base::quantity::{self, PerSecond};
use crate::base::signals::on_stop;
use crate::base::status::{Status, UsageError};
use crate::base::thread;
use crate::contacts::peer;
use crate::words::say;

/// Send datagrams: TEXT as one, or each line of stdin as one
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon send 127.0.0.1:9999 hello
  pigeon send 127.0.0.1 9999 hello there  # host and port as two words
  seq 3 | pigeon send 127.0.0.1:9999  # three datagrams
  pigeon send 127.0.0.1:7000 ping --wait 2s  # print what comes back
  pigeon send 192.168.1.103:8080 你好 --encoding gb2312
  pigeon send hub:192.168.1.20 'backup done' --nick cron  # exit 0 once the hub has stored it
  pigeon send --ipmsg 192.168.1.7 'the build is done'  # to an IP Messenger user
  pigeon send 239.1.2.3:5000 tick --every 1s --count 10 --ttl 4
  pigeon send 127.0.0.1:9999 beat --every 10s  # until Ctrl-C
  pigeon send 192.168.1.9:23 'AT\\r\\n' --escapes  # control characters
  pigeon send 192.168.1.9:9 --hex 'ff ff ff ff ff ff # Wake-on-LAN'

A line that cannot be sent is reported with its number, and the rest is still sent.

Exit status:
  0  everything was sent; with --wait, a reply came
  1  a datagram was not sent or was refused; with --wait, no reply came")]
pub(crate) struct Args {
    /// Where to send: HOST:PORT, [V6]:PORT, HOST PORT as two words, a contact's name, or
    /// hub:HOST[:PORT] for a message that the hub stores
    #[arg(value_name = "ENDPOINT", add = ArgValueCandidates::new(peer::candidates))]
    endpoint: String,

    /// Text of the datagram; words are joined by spaces, - reads stdin
    #[arg(value_name = "TEXT")]
    text: Vec<String>,

    /// Send one empty datagram
    #[arg(long, conflicts_with_all = ["text", "framing"])]
    empty: bool,

    /// How to split stdin into datagrams: line (without its line ending), keep (line with its ending),
    /// whole, size:N, hex-lines
    #[arg(long, value_name = "FRAMING", default_value = "line")]
    framing: Framing,

    #[command(flatten)]
    family: Family,

    #[command(flatten)]
    payload: PayloadArgs,

    /// Interpret escapes in TEXT: \n, \r, \t, \0, \\, \xNN for a byte, \u{N} for a character
    #[arg(long, conflicts_with_all = ["hex", "base64"])]
    escapes: bool,

    /// How many times to send TEXT [default: once; with --every or --rate, until stopped]; with stdin,
    /// the maximum number of datagrams
    #[arg(short, long, value_name = "N", value_parser = quantity::whole(1_u64..))]
    count: Option<u64>,

    /// Pause between two datagrams, e.g. 100ms
    #[arg(short = 'i', long, value_name = "DURATION", value_parser = quantity::interval)]
    every: Option<Duration>,

    /// Datagrams per second, e.g. 10k/s
    #[arg(long, value_name = "N/s", value_parser = quantity::per_second, conflicts_with = "every")]
    rate: Option<PerSecond>,

    /// Address and port to send from; port 0 lets the system choose
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address)]
    source: Option<SocketAddr>,

    /// How many routers a datagram may pass [default: the system's; for multicast, none]
    #[arg(long, value_name = "HOPS", value_parser = quantity::whole(1_u32..=255))]
    ttl: Option<u32>,

    /// Allow sending to a broadcast address
    #[arg(short, long)]
    broadcast: bool,

    /// Interface to send multicast from: its name or one of its addresses
    #[arg(long, value_name = "INTERFACE")]
    multicast_interface: Option<String>,

    /// Send TEXT, or all of stdin, as one message to a user of IP Messenger, FeiQ or iptux on port
    /// 2425, in the encoding that program reads; exit 0 if it is acknowledged, 1 if not
    #[arg(long, conflicts_with_all = ["empty", "framing", "count", "every", "rate", "ttl", "broadcast", "multicast_interface", "wait"])]
    ipmsg: bool,

    /// Exit 0 only once the hub has stored every message (always so with hub:HOST). What is not stored
    /// within --wait (default 30s) stays in the outbox for the next command
    #[arg(long, help_heading = WITH_HUB)]
    stored: bool,

    #[command(flatten)]
    member: MemberArgs,

    /// Print replies until this long after the last datagram, with the sender's address if it is
    /// not ENDPOINT; exit 1 if none came
    #[arg(short, long, value_name = "DURATION", value_parser = quantity::interval)]
    wait: Option<Duration>,
}

/// How long a rejection may take if no reply is awaited: about as long as in a local network. On
/// this host it is immediate.
const LINGER: Duration = Duration::from_millis(10);

/// Sends, and waits for replies if requested.
pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    if let Some(hub) = HubTarget::parse(&args.endpoint).map_err(UsageError)? {
        check_stored(&args)?;
        return stored::run(&hub, &args.text, &args.member, args.family, args.wait);
    }
    if args.stored || args.member.are_given() {
        return Err(UsageError(say!("tools-stored-needs-hub")).into());
    }
    let is_ipmsg = || peer::parse(&args.endpoint, None).is_ok_and(|peer| peer.is_ipmsg);
    if args.ipmsg || is_ipmsg() {
        let to = peer::resolve(&args.endpoint, crate::base::ipmsg::PORT, args.family)?;
        return ipmsg::run(to, &args.text, args.source, args.payload.charset());
    }
    let (peer, words) = peer::parse_with_text(&args.endpoint, &args.text)?;
    let to = peer.endpoint.resolve_in(args.family)?;
    let most = max_payload(to);
    let format = PayloadFormat::with(&args.payload, peer.charset);
    let escapes = args.escapes;
    let read = {
        let format = format.clone();
        move |written: &[u8]| match escapes {
            true => format.read_with_escapes(written),
            false => format.read(written),
        }
    };

    // The command line is checked before anything is opened or sent.
    let text = match (args.empty, words) {
        (true, _) => Some(Vec::new()),
        (false, []) => None,
        (false, [dash]) if dash == "-" => None,
        (false, words) => Some(read(words.join(" ").as_bytes())?),
    };
    if let Some(text) = &text {
        check_length(text.len(), most)?;
    }
    if let (None, Framing::Size(size)) = (&text, args.framing)
        && format.passes_bytes()
        && size > most
    {
        let error = say!("tools-framing-too-long", size = &size, most = &most);
        return Err(UsageError(error).into());
    }
    let socket = open(&args, to)?;

    let clock = Clock::start();
    let every = match (args.every, args.rate) {
        (Some(every), _) => every,
        (None, Some(PerSecond(Some(rate)))) => Duration::from_secs(1) / rate,
        _ => Duration::ZERO,
    };
    let linger = if to.ip().is_loopback() { Duration::ZERO } else { LINGER };
    let sender = Sender::new(clock.now(), to, every, args.wait.unwrap_or(linger));
    let mut driver =
        Driver::new(sender, socket).with_context(|| say!("errors-watch-socket"))?.with_clock(clock);

    let paced = args.every.is_some() || args.rate.is_some();
    let is_one = text.is_some() && !paced && args.count.is_none_or(|count| count == 1);
    let unit = if text.is_some() { Unit::Datagram } else { args.framing.unit() };
    let (input, count) = match text {
        // With a rate and no count, sends until it is stopped.
        Some(text) => (Input::Text(text.into()), args.count.or((!paced).then_some(1))),
        None => (
            Input::Stdin(Frames::new(BufReader::new(io::stdin()), args.framing, read, most)),
            args.count,
        ),
    };
    let items = start_reading(input, count.unwrap_or(u64::MAX), driver.waker())?;
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;

    let way = Way { to, is_one, unit, shows: args.wait.is_some() };
    let mut task = Task::new(way, items, driver.waker(), stop, format);
    driver.run(&mut task)?;
    let mut stats = driver.stats();
    let (_, mut sockets) = driver.into_parts();
    // On this host a rejection arrives as soon as the datagram does.
    if let Some(mut socket) = sockets.take(SocketId::FIRST).filter(|_| args.wait.is_none()) {
        if let Ok(Receipt::Refused) = socket.receive(&mut |_| {}) {
            task.count_refusal();
        }
        stats = sockets.stats();
        stats.received = socket.stats().received;
    }
    task.outcome(&stats, args.wait)
}

/// Rejects options without a meaning for a hub.
fn check_stored(args: &Args) -> Result<(), UsageError> {
    let given = [
        ("--empty", args.empty),
        ("--escapes", args.escapes),
        ("--count", args.count.is_some()),
        ("--every", args.every.is_some()),
        ("--rate", args.rate.is_some()),
        ("--source", args.source.is_some()),
        ("--ttl", args.ttl.is_some()),
        ("--broadcast", args.broadcast),
        ("--multicast-interface", args.multicast_interface.is_some()),
        ("--ipmsg", args.ipmsg),
    ];
    match given.into_iter().find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(UsageError(say!("tools-stored-option", option = &option))),
        None => Ok(()),
    }
}

enum Input {
    Text(Box<[u8]>),
    Stdin(Frames<BufReader<io::Stdin>>),
}

/// Starts a thread that reads the input, which may block, and wakes the loop for each item. The
/// channel closes at the end of the input.
fn start_reading(input: Input, count: u64, waker: Waker) -> anyhow::Result<Receiver<Frame>> {
    let (giver, items) = sync_channel(SENDER_QUEUE);
    let read = move || {
        let give = |item| {
            // Fails only after the loop has ended.
            let given = giver.send(item).is_ok();
            waker.wake();
            given
        };
        match input {
            Input::Text(text) => {
                (1..=count).all(|number| give(Frame::Datagram(number, text.clone())));
            }
            Input::Stdin(mut frames) => {
                let mut left = count;
                while left > 0
                    && let Some(item) = frames.next()
                    && give(item)
                {
                    left -= 1;
                }
            }
        }
        drop(giver);
        waker.wake();
    };
    thread::spawn("input", read)?;
    Ok(items)
}

/// Opens a socket that reports delivery errors. If replies are awaited, it receives from every port
/// of the peer, and from every host if many may answer; else it is connected, so that the system
/// drops other datagrams.
fn open(args: &Args, to: SocketAddr) -> anyhow::Result<Socket> {
    let group = to.ip().is_multicast();
    if !group && !args.broadcast && is_broadcast(to.ip()) {
        return Err(UsageError(say!("tools-send-broadcast", ip = &to.ip())).into());
    }
    let options = SocketOptions {
        broadcast: args.broadcast,
        ttl: args.ttl,
        multicast_interface: multicast::interface(args.multicast_interface.as_deref(), to)?,
        ..SocketOptions::default()
    };
    if args.wait.is_some() || asks_anybody(to) {
        return asking::open(to, args.source, options);
    }
    asking::check_source(args.source, to)?;
    Socket::connect(to, args.source, &options).map_err(explain)
}
