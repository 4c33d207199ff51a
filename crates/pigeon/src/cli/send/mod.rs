//! `pigeon send`: datagrams from the command line or from stdin.

mod framing;
mod ipmsg;

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap_complete::ArgValueCandidates;
use pigeon_client::{Heard, SENDER_QUEUE, Sender};
use pigeon_datagram::{Instant, SocketId, max_payload};
use pigeon_net::{
    Clock, Driver, Host, Io, Receipt, SendCounters, SendFailure, Socket, SocketOptions, Waker,
    local_addresses,
};

use self::framing::{Frames, Framing};
use crate::base::bind::{explain, is_broadcast};
use crate::base::cause::Cause;
use crate::base::count::count;
use crate::base::endpoint::{Family, socket_address};
use crate::base::length::check_length;
use crate::base::multicast::no_interface;
use crate::base::payload::{PayloadArgs, PayloadFormat};
use crate::base::quantity::{self, PerSecond};
use crate::base::signals::{Stop, on_stop};
use crate::base::status::{Status, UsageError};
use crate::base::thread;
use crate::contacts::peer;

/// Send datagrams: TEXT is one; without it each line of stdin is one
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon send 127.0.0.1:9999 hello
  pigeon send 127.0.0.1 9999 hello there              HOST PORT works too
  seq 3 | pigeon send 127.0.0.1:9999                  three datagrams
  pigeon send 127.0.0.1:7000 ping --wait 2s           print what comes back
  pigeon send 192.168.1.103:8080 你好 --encoding gb2312
  pigeon send --ipmsg 192.168.1.7 'the build is done'  to an IP Messenger user
  pigeon send 239.1.2.3:5000 tick --every 1s --count 10 --ttl 4")]
pub(crate) struct Args {
    /// Where to: HOST:PORT, [V6]:PORT, HOST PORT as two words, or a contact's name
    #[arg(value_name = "ENDPOINT", add = ArgValueCandidates::new(peer::candidates))]
    endpoint: String,

    /// The text of one datagram; several words are joined by spaces
    #[arg(value_name = "TEXT")]
    text: Vec<String>,

    /// Send one empty datagram
    #[arg(long, conflicts_with_all = ["text", "framing"])]
    empty: bool,

    /// Where a datagram ends in stdin: line, whole, size:N, hex-lines
    #[arg(long, value_name = "FRAMING", default_value = "line")]
    framing: Framing,

    #[command(flatten)]
    family: Family,

    #[command(flatten)]
    payload: PayloadArgs,

    /// Send TEXT so often; of stdin, no more than so many datagrams
    #[arg(long, value_name = "N", value_parser = quantity::whole(1_u64..))]
    count: Option<u64>,

    /// The time between two datagrams
    #[arg(long, value_name = "DURATION", value_parser = quantity::interval)]
    every: Option<Duration>,

    /// Datagrams a second, e.g. 10k/s
    #[arg(long, value_name = "N/s", value_parser = quantity::per_second, conflicts_with = "every")]
    rate: Option<PerSecond>,

    /// The address and port to send from; port 0 lets the system choose
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address)]
    source: Option<SocketAddr>,

    /// How many routers a datagram may pass [default: the system's; multicast: none]
    #[arg(long, value_name = "HOPS", value_parser = quantity::whole(1_u32..=255))]
    ttl: Option<u32>,

    /// Allow a broadcast address
    #[arg(long)]
    broadcast: bool,

    /// The interface that multicast leaves by: its name or one of its addresses
    #[arg(long, value_name = "INTERFACE")]
    multicast_interface: Option<String>,

    /// Send TEXT, or all of stdin, to a user of IP Messenger, FeiQ or iptux, in the encoding that the
    /// program reads: exit 0 when it is acknowledged, 1 when it is not. The port is 2425
    #[arg(long, conflicts_with_all = ["empty", "framing", "count", "every", "rate", "ttl", "broadcast", "multicast_interface", "wait"])]
    ipmsg: bool,

    /// Print replies for so long after the last datagram; exit 1 if none came
    #[arg(long, value_name = "DURATION", value_parser = quantity::interval)]
    wait: Option<Duration>,
}

/// Sends, and perhaps waits for replies.
pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let is_ipmsg = || peer::parse(&args.endpoint, None).is_ok_and(|peer| peer.is_ipmsg);
    if args.ipmsg || is_ipmsg() {
        let to = peer::resolve(&args.endpoint, pigeon_ipmsg::PORT, args.family)?;
        return ipmsg::run(to, &args.text, args.source, args.payload.charset());
    }
    let (peer, words) = peer::parse_with_text(&args.endpoint, &args.text)?;
    let to = peer.endpoint.resolve_in(args.family)?;
    let most = max_payload(to);
    let format = PayloadFormat::with(&args.payload, peer.charset);

    // What is on the command line is checked before anything is opened, let alone sent.
    let text = match (args.empty, words) {
        (true, _) => Some(Vec::new()),
        (false, []) => None,
        (false, words) => Some(format.read(words.join(" ").as_bytes())?),
    };
    if let Some(text) = &text {
        check_length(text.len(), most)?;
    }
    let socket = open(&args, to)?;
    let connected = socket.peer_addr().is_some();

    let clock = Clock::start();
    let every = match (args.every, args.rate) {
        (Some(every), _) => every,
        (None, Some(PerSecond(Some(rate)))) => Duration::from_secs(1) / rate,
        _ => Duration::ZERO,
    };
    let wait = args.wait.unwrap_or_default();
    let sender = Sender::new(clock.now(), to, every, wait);
    let mut driver =
        Driver::new(sender, socket).context("cannot watch the socket")?.with_clock(clock);

    let input = match text {
        Some(text) => Input::Text(text.into()),
        None => Input::Stdin(args.framing, format.clone(), most),
    };
    let payloads = read(input, args.count, driver.waker())?;
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;

    let mut task = Task {
        payloads,
        stop,
        format,
        to: (!connected).then_some(to),
        ended: false,
        error: None,
        replies: 0,
        refused: false,
    };
    driver.run(&mut task)?;
    let sent = driver.stats().sent;
    let (sender, mut sockets) = driver.into_parts();
    // On this host a refusal is there as soon as the datagram is.
    if let Some(mut socket) = sockets.take(SocketId::FIRST).filter(|_| args.wait.is_none()) {
        task.refused |= matches!(socket.receive(&mut |_| {}), Ok(Receipt::Refused));
    }
    task.outcome(&sender, &sent, to, args.wait)
}

/// What is to be sent.
enum Input {
    Text(Box<[u8]>),
    /// Stdin in datagrams of so many bytes at the most.
    Stdin(Framing, PayloadFormat, usize),
}

/// Starts the thread that reads the input, which may block, and wakes the loop for each payload. The
/// end of the channel is the end of the input.
fn read(
    input: Input,
    count: Option<u64>,
    waker: Waker,
) -> anyhow::Result<Receiver<anyhow::Result<Box<[u8]>>>> {
    let (giver, payloads) = sync_channel(SENDER_QUEUE);
    let read = move || {
        let give = |payload| {
            // Fails only when the loop has ended.
            let given = giver.send(payload).is_ok();
            waker.wake();
            given
        };
        match input {
            Input::Text(text) => {
                (0..count.unwrap_or(1)).all(|_| give(Ok(text.clone())));
            }
            Input::Stdin(framing, format, most) => {
                let mut frames = Frames::new(io::stdin().lock(), framing, format, most);
                let mut left = count.unwrap_or(u64::MAX);
                while left > 0
                    && let Some(payload) = frames.next()
                    && give(payload)
                {
                    left -= 1;
                }
            }
        }
        drop(giver);
        waker.wake();
    };
    thread::spawn("input", read)?;
    Ok(payloads)
}

/// A socket for one peer, so that strangers are not heard and a refusal is; for a broadcast or
/// multicast address one that hears every answer.
fn open(args: &Args, to: SocketAddr) -> anyhow::Result<Socket> {
    if let Some(source) = args.source.filter(|source| source.is_ipv4() != to.is_ipv4()) {
        let error = format!("--source {source} and {to} are not of one IP version");
        return Err(UsageError(error).into());
    }
    let group = to.ip().is_multicast();
    let multicast_interface = match &args.multicast_interface {
        Some(_) if !group => {
            return Err(UsageError(format!(
                "--multicast-interface: {} is no multicast address",
                to.ip()
            ))
            .into());
        }
        Some(interface) => {
            let interfaces = local_addresses().context("cannot list this host's addresses")?;
            Some(interfaces.find(interface).ok_or_else(|| no_interface(interface, &interfaces))?)
        }
        None => None,
    };
    let options = SocketOptions {
        broadcast: args.broadcast,
        ttl: args.ttl,
        multicast_interface,
        ..SocketOptions::default()
    };
    if !group && !args.broadcast {
        if is_broadcast(to.ip()) {
            let error = "is a broadcast address: add --broadcast to send there";
            return Err(UsageError(format!("{} {error}", to.ip())).into());
        }
        return Socket::connect(to, args.source, &options).map_err(explain);
    }
    let any: IpAddr = match to {
        SocketAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
    };
    Socket::bind(args.source.unwrap_or((any, 0).into()), &options).map_err(explain)
}

fn unsent(datagrams: u64, failure: Option<SendFailure>) -> anyhow::Error {
    let datagrams = count(datagrams, "datagram");
    match failure {
        Some(failure) => {
            anyhow!("{datagrams} not sent to {}: {}", failure.to, Cause::from(failure))
        }
        None => anyhow!("{datagrams} not sent"),
    }
}

/// Gives the sender what is to be sent, prints replies, and works out the exit status.
struct Task {
    payloads: Receiver<anyhow::Result<Box<[u8]>>>,
    stop: Stop,
    format: PayloadFormat,
    /// The group that was sent to, where several may answer: then each line says who does.
    to: Option<SocketAddr>,
    ended: bool,
    error: Option<anyhow::Error>,
    replies: u64,
    refused: bool,
}

impl Task {
    /// What came of it all.
    fn outcome(
        self,
        sender: &Sender,
        sent: &SendCounters,
        to: SocketAddr,
        wait: Option<Duration>,
    ) -> anyhow::Result<Status> {
        if let Some(error) = self.error {
            return Err(error);
        }
        if let Some(status) = self.stop.status() {
            return Ok(status);
        }
        if self.refused {
            bail!("{to} refused: nobody listens there");
        }
        if sent.dropped.total() > 0 {
            return Err(unsent(sent.dropped.total(), sent.last_failure));
        }
        if sender.sent() == 0 {
            bail!("nothing was sent: no TEXT, and stdin is empty");
        }
        match wait {
            Some(wait) if self.replies == 0 => {
                bail!("no reply from {to} in {}", quantity::roughly(wait))
            }
            _ => Ok(Status::Done),
        }
    }

    /// Moves payloads from the input to the sender, as far as it has room.
    fn feed(&mut self, sender: &mut Sender, now: Instant) -> ControlFlow<()> {
        while !self.ended && sender.has_room() {
            match self.payloads.try_recv() {
                // There is room: checked above.
                Ok(Ok(payload)) => drop(sender.push(now, payload)),
                Ok(Err(error)) => {
                    self.error = Some(error);
                    return ControlFlow::Break(());
                }
                Err(TryRecvError::Empty) => return ControlFlow::Continue(()),
                Err(TryRecvError::Disconnected) => {
                    self.ended = true;
                    sender.finish(now);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

impl Host<Sender> for Task {
    fn woken(&mut self, sender: &mut Sender, io: &mut Io<'_>) -> ControlFlow<()> {
        if self.stop.is_set() {
            return ControlFlow::Break(());
        }
        self.feed(sender, io.now)
    }

    fn event(&mut self, sender: &mut Sender, io: &mut Io<'_>, event: Heard) -> ControlFlow<()> {
        match event {
            Heard::Arrivals(arrivals) => arrivals.iter().try_for_each(|arrival| {
                self.replies += 1;
                let text = self.format.show(arrival.payload);
                let line = match self.to {
                    Some(_) => format!("{}: {text}", arrival.from),
                    None => text,
                };
                // One reader of a one-shot tool: if it has gone, there is nobody to print for.
                match writeln!(io::stdout(), "{line}") {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                        ControlFlow::Break(())
                    }
                    Err(error) => {
                        self.error = Some(anyhow!(error).context("cannot write to stdout"));
                        ControlFlow::Break(())
                    }
                }
            }),
            Heard::Room => self.feed(sender, io.now),
            Heard::Refused => {
                self.refused = true;
                ControlFlow::Break(())
            }
            Heard::Over => ControlFlow::Break(()),
        }
    }
}
