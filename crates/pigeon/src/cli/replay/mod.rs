//! `pigeon replay`: sends a capture's datagrams again, with their timing.

mod packet;
mod player;
mod reader;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use ipnet::IpNet;
use pigeon_datagram::{Instant, Outbox, Transmit};
use pigeon_net::{Clock, Receipt, Socket, SocketOptions, Sockets};
use pigeon_text::escape;

use self::packet::Skip;
use self::player::{Cue, LeftOut, Packets, Player};
use self::reader::{ReadError, Reader};
use super::endpoint::Endpoint;
use super::exit::{Status, UsageError};
use super::signals::on_stop;
use crate::output::json;

/// The most sockets: sources beyond share the last one.
const MAX_SOURCES: usize = 500;

/// Datagrams gathered for one system call.
const GATHER: usize = 64;

/// How long one sending may wait for room in the send buffer: nothing else is to be done meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// A datagram sent so long after its time is late.
const LATE: Duration = Duration::from_millis(1);

/// How long to listen for a refusal after the last datagram.
const LAST_LOOK: Duration = Duration::from_millis(20);

/// Send a capture's datagrams again, with their timing
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon replay run.pcapng 127.0.0.1:9999                     as it was
  pigeon replay run.pcapng 127.0.0.1:9999 --speed 2x          twice as fast
  pigeon replay run.pcapng 127.0.0.1:9999 --speed max         as fast as it goes
  pigeon replay day.pcap 127.0.0.1:514 --port 514 --from 192.168.1.0/24
  pigeon relay 5000 127.0.0.1:9999 --record run.pcapng        records one

Reads pcapng and pcap, as Wireshark, tcpdump and `pigeon relay --record` write them. Payloads go to
TARGET, those of each sender from a socket of its own. What is no whole UDP datagram is left out and
counted; so is how late anything was sent.")]
pub(crate) struct Args {
    /// The capture
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Where to send: HOST:PORT
    #[arg(value_name = "TARGET")]
    target: Endpoint,

    /// How fast: 2x, 0.5x, or max
    #[arg(long, value_name = "SPEED", default_value = "1x")]
    speed: Speed,

    /// Send only what came from here: an address, a network, or ADDR:PORT
    #[arg(long, value_name = "WHERE")]
    from: Option<Place>,

    /// Send only what went there: an address, a network, or ADDR:PORT
    #[arg(long, value_name = "WHERE")]
    to: Option<Place>,

    /// Send only what went to this port
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    /// Print one JSON object at the end: what was sent, how late, and what was left out
    #[arg(long)]
    json: bool,
}

/// How fast time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Speed {
    Times(f64),
    Max,
}

impl std::str::FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Speed, String> {
        if text == "max" {
            return Ok(Speed::Max);
        }
        let number = text.strip_suffix('x').unwrap_or(text).parse::<f64>().ok();
        // Beyond these bounds it stands still, or is `max`.
        let number = number.filter(|number| (1e-6..=1e6).contains(number));
        number.map(Speed::Times).ok_or_else(|| "a speed is e.g. 2x, 0.5x, or max".to_string())
    }
}

/// An end of a datagram's way.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Place {
    net: IpNet,
    port: Option<u16>,
}

impl std::str::FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Place { net: address.ip().into(), port: Some(address.port()) });
        }
        let alone = || text.parse::<IpAddr>().ok().map(IpNet::from);
        let net = text.parse::<IpNet>().ok().or_else(alone);
        let net = net.ok_or_else(|| {
            let text = escape(text);
            format!("`{text}` is no address; e.g. 192.168.1.7, 192.168.1.0/24, 192.168.1.7:9999")
        })?;
        Ok(Place { net, port: None })
    }
}

impl Place {
    fn is(&self, address: SocketAddr) -> bool {
        self.net.contains(&address.ip()) && self.port.is_none_or(|port| port == address.port())
    }
}

/// Which datagrams are sent.
#[derive(Clone, Debug, Default)]
struct Filter {
    from: Option<Place>,
    to: Option<Place>,
    port: Option<u16>,
}

impl Filter {
    fn lets(&self, from: SocketAddr, to: SocketAddr) -> bool {
        self.from.is_none_or(|place| place.is(from))
            && self.to.is_none_or(|place| place.is(to))
            && self.port.is_none_or(|port| port == to.port())
    }
}

/// Replays until the end of the file, or until it is stopped.
pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let shown = escape(&args.file.to_string_lossy().into_owned()).to_string();
    let target = args.target.resolve()?;
    let reader = Reader::open(&args.file).map_err(|error| match error {
        ReadError::Io(error) => UsageError(format!("cannot read {shown}: {error}")),
        error => UsageError(format!("{shown} {error}")),
    })?;
    let filter = Filter { from: args.from, to: args.to, port: args.port };
    let mut player = Player::new(reader, filter, args.speed);
    let mut stage = Stage::new(target, args.speed)?;
    let waker = stage.sockets.waker();
    let stop = on_stop(move || waker.wake())?;

    let mut outcome = Ok(());
    while !stop.is_set() && !stage.refused {
        match stage.play(&mut player) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => break,
            Err(error) => {
                outcome = Err(error);
                break;
            }
        }
    }
    if !stop.is_set() && !stage.refused && stage.counts.sent > 0 {
        stage.wait(LAST_LOOK)?;
    }
    stage.tell(&player.left_out, args.json);
    let packets = player.left_out.packets;
    match outcome {
        Err(PlayError::File(ReadError::Io(error))) => bail!("cannot read {shown}: {error}"),
        Err(PlayError::File(error)) => bail!("{shown} {error}, after {packets} packets"),
        Err(PlayError::Socket(error)) => return Err(error),
        Ok(()) if stage.refused => bail!("refused: nobody listens at {target}"),
        Ok(()) if stop.is_set() => return Ok(Status::Interrupted),
        Ok(()) if stage.counts.sent == 0 => bail!("{shown} holds no datagram to send"),
        Ok(()) => {}
    }
    Ok(Status::Done)
}

enum PlayError {
    File(ReadError),
    Socket(anyhow::Error),
}

impl From<ReadError> for PlayError {
    fn from(error: ReadError) -> Self {
        PlayError::File(error)
    }
}

impl From<anyhow::Error> for PlayError {
    fn from(error: anyhow::Error) -> Self {
        PlayError::Socket(error)
    }
}

/// What was sent, and how punctually.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    sent: u64,
    bytes: u64,
    not_sent: u64,
    replies: u64,
    late: u64,
    worst: Duration,
    elapsed: Duration,
}

/// The sockets, one a sender.
struct Stage {
    target: SocketAddr,
    speed: Speed,
    clock: Clock,
    sockets: Sockets,
    keys: BTreeMap<SocketAddr, usize>,
    outbox: Outbox,
    transmits: Vec<Transmit>,
    began: Option<Instant>,
    counts: Counts,
    refused: bool,
}

impl Stage {
    fn new(target: SocketAddr, speed: Speed) -> anyhow::Result<Stage> {
        Ok(Stage {
            target,
            speed,
            clock: Clock::start(),
            sockets: Sockets::new().context("cannot watch sockets")?,
            keys: BTreeMap::new(),
            outbox: Outbox::new(),
            transmits: Vec::with_capacity(GATHER),
            began: None,
            counts: Counts::default(),
            refused: false,
        })
    }

    /// Sends what is due, or waits until something is. `Break` at the end.
    fn play<P: Packets>(&mut self, player: &mut Player<P>) -> Result<ControlFlow<()>, PlayError> {
        let now = self.clock.now();
        let Some(due) = player.next_due(now)? else { return Ok(ControlFlow::Break(())) };
        if due > now {
            self.wait(due - now)?;
            return Ok(ControlFlow::Continue(()));
        }
        self.began.get_or_insert(now);
        let (mut sender, mut outcome) = (None, Ok(()));
        for _ in 0..GATHER {
            let Cue { from, due, payload } = match player.take(now) {
                Ok(Some(cue)) => cue,
                Ok(None) => break,
                // What stands before the damage is sent all the same.
                Err(error) => {
                    outcome = Err(error);
                    break;
                }
            };
            if let Speed::Times(_) = self.speed {
                let late = now - due;
                self.counts.late += u64::from(late > LATE);
                self.counts.worst = self.counts.worst.max(late);
            }
            if let Some(before) = sender.filter(|before| *before != from) {
                self.send(before)?;
            }
            sender = Some(from);
            self.outbox.send(self.target, None, &payload);
        }
        if let Some(sender) = sender {
            self.send(sender)?;
        }
        // What comes back, and whether the target refuses.
        self.wait(Duration::ZERO)?;
        outcome?;
        Ok(ControlFlow::Continue(()))
    }

    /// Sends what stands in the outbox, from this sender's socket.
    fn send(&mut self, sender: SocketAddr) -> anyhow::Result<()> {
        let key = self.key(sender)?;
        self.transmits.clear();
        self.transmits.extend(std::iter::from_fn(|| self.outbox.poll()));
        let bytes = self.outbox.bytes();
        if let Some(report) = self.sockets.send(key, bytes, &self.transmits, PATIENCE) {
            self.counts.sent += report.sent;
            self.counts.not_sent += report.dropped;
            self.refused |= report.refused;
        }
        self.outbox.reset_if_drained();
        Ok(())
    }

    fn key(&mut self, sender: SocketAddr) -> anyhow::Result<usize> {
        if let Some(key) = self.keys.get(&sender) {
            return Ok(*key);
        }
        let key = self.keys.len().min(MAX_SOURCES - 1);
        if self.sockets.get(key).is_none() {
            let options = SocketOptions { timestamps: false, ..SocketOptions::default() };
            let mut socket = Socket::connect(self.target, None, &options)?;
            if let Some(first) = self.sockets.get(0) {
                socket.share_buffers(first);
            }
            self.sockets.insert(key, socket).context("cannot watch the socket")?;
        }
        // Whoever is not remembered shares the last socket all the same.
        if self.keys.len() < MAX_SOURCES {
            self.keys.insert(sender, key);
        }
        Ok(key)
    }

    /// Waits, and takes what comes back.
    fn wait(&mut self, limit: Duration) -> anyhow::Result<()> {
        self.sockets.wait(Some(limit)).context("cannot wait")?;
        self.sockets.woken();
        for _ in 0..GATHER {
            let Some(key) = self.sockets.next_ready() else { break };
            let replies = &mut self.counts.replies;
            match self.sockets.receive(key, &mut |_| *replies += 1) {
                Ok(Receipt::Refused) => self.refused = true,
                Ok(_) => {}
                Err(error) => return Err(error).context("cannot receive from the target"),
            }
        }
        Ok(())
    }

    /// Says what was done: words to stderr, or an object to stdout.
    fn tell(&mut self, left_out: &LeftOut, as_json: bool) {
        let began = self.began.unwrap_or(Instant::ORIGIN);
        self.counts.elapsed = self.began.map_or(Duration::ZERO, |_| self.clock.now() - began);
        self.counts.bytes = self.sockets.stats().sent.bytes;
        // Whoever reads may have gone; what was sent was sent.
        let _ = match as_json {
            true => writeln!(io::stdout(), "{}", self.counts.json(left_out)),
            false => writeln!(io::stderr(), "{}", self.counts.words(left_out)),
        };
    }
}

impl Counts {
    fn words(&self, left_out: &LeftOut) -> String {
        let Counts { sent, bytes, not_sent, replies, late, worst, elapsed } = *self;
        let s = if sent == 1 { "" } else { "s" };
        let mut line =
            format!("{sent} datagram{s} ({bytes} bytes) in {:.3} s", elapsed.as_secs_f64());
        if late > 0 {
            let worst = worst.as_secs_f64() * 1e3;
            line += &format!("; {late} more than 1 ms late, the worst by {worst:.1} ms");
        }
        if not_sent > 0 {
            line += &format!("; {not_sent} could not be sent");
        }
        if replies > 0 {
            line += &format!("; {replies} came back");
        }
        let reasons: Vec<String> =
            left_out.reasons().map(|(reason, count)| format!("{count} {reason}")).collect();
        if !reasons.is_empty() {
            line += &format!("; left out: {}", reasons.join(", "));
        }
        line
    }

    /// One object: `sent`, `bytes`, `not_sent`, `replies`, `late`, and in seconds `worst_late` and
    /// `elapsed`; then of the file `packets` and what was left out: `not_udp`, `fragments`, `cut`,
    /// `malformed`, `unknown_link`, `filtered`.
    fn json(&self, left_out: &LeftOut) -> String {
        json::counts(&[
            ("sent", self.sent.into()),
            ("bytes", self.bytes.into()),
            ("not_sent", self.not_sent.into()),
            ("replies", self.replies.into()),
            ("late", self.late.into()),
            ("worst_late", self.worst.as_secs_f64().into()),
            ("elapsed", self.elapsed.as_secs_f64().into()),
            ("packets", left_out.packets.into()),
            ("not_udp", left_out.skipped(Skip::NotUdp).into()),
            ("fragments", left_out.skipped(Skip::Fragment).into()),
            ("cut", left_out.skipped(Skip::Cut).into()),
            ("malformed", left_out.skipped(Skip::Malformed).into()),
            ("unknown_link", left_out.skipped(Skip::UnknownLink).into()),
            ("filtered", left_out.filtered.into()),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_speeds_are_read() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let place = |text: &str| text.parse::<Place>().unwrap();
        assert!(place("10.0.0.0/8").is(at("10.1.2.3:4")));
        assert!(!place("10.0.0.1").is(at("10.0.0.2:4")));
        assert!(
            place("10.0.0.1:4").is(at("10.0.0.1:4")) && !place("10.0.0.1:4").is(at("10.0.0.1:5"))
        );
        assert!(place("[::1]:4").is(at("[::1]:4")));
        assert!("host:99".parse::<Place>().is_err());
        assert_eq!("2x".parse(), Ok(Speed::Times(2.0)));
        assert_eq!("0.5".parse(), Ok(Speed::Times(0.5)));
        assert_eq!("max".parse(), Ok(Speed::Max));
        for bad in ["0x", "-1x", "fast", "nan", "inf", "1e300"] {
            assert!(bad.parse::<Speed>().is_err(), "{bad}");
        }
    }
}
