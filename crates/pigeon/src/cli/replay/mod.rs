//! `pigeon replay`: sends a capture's datagrams again with their timing.

mod direction;
mod feed;
mod playback;
mod player;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap_complete::ArgValueCandidates;
use ipnet::IpNet;
use pigeon_capture::{Foreign, ReadError};
use pigeon_datagram::{Instant, SocketId, max_payload};
use pigeon_net::{Clock, Driver, Host, Io, Socket, SocketOptions, Timing};
use pigeon_text::escape;

use self::direction::Direction;
use self::feed::Feed;
use self::playback::{Counts, Event, Playback};
use self::player::{LeftOut, Player};
use crate::base::bind::{explain, one_host};
use crate::base::cause::{Cause, Watch};
use crate::base::endpoint::peer_port;
use crate::base::quantity;
use crate::base::signals::{Stop, on_stop};
use crate::base::status::{Status, UsageError};
use crate::base::system_error;
use crate::contacts::peer;
use crate::output::Spool;
use crate::words::{self, say};

/// Datagrams are sent within microseconds of their time, and the loop may block for room in a send
/// buffer.
const TIMING: Timing = Timing {
    patience: Duration::from_secs(1),
    precise: true,
    early: Duration::ZERO,
    kernel_drops: None,
};

/// Time limit for the last lines on stderr.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Send the datagrams of a capture again, with their original timing
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon replay run.pcapng 127.0.0.1:9999  # as recorded
  pigeon replay run.pcapng 127.0.0.1:9999 --speed 2x  # twice as fast
  pigeon replay run.pcapng 127.0.0.1:9999 --speed max  # without pauses
  pigeon replay run.pcapng 127.0.0.1:9999 --max-pause 5s  # shorten long pauses
  pigeon replay day.pcap 127.0.0.1:514 --port 514 --from 192.168.1.0/24
  tcpdump -i eth0 -U -w - udp port 514 | pigeon replay - 10.0.0.9:514
  pigeon relay 5000 127.0.0.1:9999 --record run.pcapng  # make a capture

Reads pcapng and pcap from Wireshark, tcpdump and `pigeon relay --record`, also from a pipe while
it is being written. Payloads go to TARGET, each sender's from a socket of its own. TARGET plays the
servers, so datagrams sent by servers are left out unless --both, --from or --to includes them; the
side that sends first is a client, its peer a server. Fragments are reassembled. What is not a
whole UDP datagram is left out and counted; datagrams sent late are counted too.

Finds IP in Ethernet (VLAN, QinQ, MPLS, PPPoE, 802.3), Linux cooked v1 and v2, raw IP, loopback,
NFLOG, PFLOG, PPP, Cisco HDLC, frame relay, MPLS, PKTAP and unencrypted 802.11; not in tunnels.

Exit status:
  0  everything was sent
  1  a datagram was not sent, or was refused")]
pub(crate) struct Args {
    /// Capture to read; - reads stdin
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Where to send: HOST:PORT, or a contact's name
    #[arg(value_name = "TARGET", add = ArgValueCandidates::new(peer::candidates))]
    target: String,

    /// Port of TARGET, if given as a word of its own
    #[arg(value_name = "PORT", value_parser = peer_port)]
    target_port: Option<u16>,

    /// How fast to send: 2x, 0.5x, or max
    #[arg(long, value_name = "SPEED", default_value = "1x")]
    speed: Speed,

    /// Longest pause between two datagrams
    #[arg(long, value_name = "DURATION", value_parser = quantity::duration)]
    max_pause: Option<Duration>,

    /// Also send what servers sent
    #[arg(long)]
    both: bool,

    /// Send only datagrams from here: an address, a network, or ADDR:PORT
    #[arg(long, value_name = "WHERE")]
    from: Option<Place>,

    /// Send only datagrams to here: an address, a network, or ADDR:PORT
    #[arg(long, value_name = "WHERE")]
    to: Option<Place>,

    /// Send only datagrams to this port
    #[arg(long, value_name = "PORT", value_parser = peer_port)]
    port: Option<u16>,

    /// Print one JSON object at the end: what was sent, how late, and what was left out
    #[arg(long)]
    json: bool,
}

/// The speed of the replay.
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
        // A slower replay would never end; a faster one is `max`.
        let number = number.filter(|number| (1e-6..=1e6).contains(number));
        number.map(Speed::Times).ok_or_else(|| say!("tools-replay-speed"))
    }
}

/// The speed, and the longest pause.
#[derive(Clone, Copy, Debug)]
struct Pace {
    speed: Speed,
    max_pause: Option<Duration>,
}

/// A filter for the source or destination of a datagram.
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
        let net = net.ok_or_else(|| say!("tools-replay-place", text = &escape(text)))?;
        Ok(Place { net, port: None })
    }
}

impl Place {
    fn is(&self, address: SocketAddr) -> bool {
        self.net.contains(&address.ip()) && self.port.is_none_or(|port| port == address.port())
    }
}

/// The filters of datagrams to send.
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

/// Replays until the end of the capture, or until it is stopped.
pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let shown = match args.file.to_str() {
        Some("-") => "stdin".to_string(),
        _ => escape(&args.file.to_string_lossy().into_owned()).to_string(),
    };
    let target = peer::parse_words(&args.target, args.target_port)?.endpoint.resolve()?;
    one_host(target)?;
    let reader = feed::open(&args.file).map_err(|error| UsageError(describe(&shown, &error)))?;
    let chosen = args.both || args.from.is_some() || args.to.is_some();
    let direction = (!chosen).then(|| Direction::to(target));
    let filter = Filter { from: args.from, to: args.to, port: args.port };
    let pace = Pace { speed: args.speed, max_pause: args.max_pause };
    let clock = Clock::start();
    let (feed, source) = feed::pair();
    let player = Player::new(feed, filter, direction, pace);
    let is_live = !std::fs::metadata(&args.file).is_ok_and(|file| file.is_file());
    let playback = Playback::new(clock.now(), player, target, pace.speed).live(is_live);
    let driver = Driver::over(playback, []).with_context(|| say!("errors-watch-socket"))?;
    let mut driver = driver.with_clock(clock).with_timing(TIMING);
    source.start(reader, driver.waker())?;
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;
    let notes = Spool::log(io::stderr())?;
    let watch = Watch::new(clock.now());
    let mut host = ReplayHost { target, stop, notes, watch, error: None };
    let driven = driver.run(&mut host);
    let stats = driver.stats();
    let counts = driver.machine().counts(&stats);
    let (left_out, unread) = driver.into_parts().0.into_rest();
    host.notes.finish(std::time::Instant::now() + LAST_WORDS);
    counts.print(&left_out, args.json);
    if let Some(error) = host.error {
        return Err(error);
    }
    driven?;
    if let Some(error) = unread {
        let what = describe(&shown, &error);
        bail!(say!("tools-replay-after", what = what, count = left_out.packets));
    }
    if let Some(status) = host.stop.status() {
        return Ok(status);
    }
    failure(&counts, target, Cause::of(&stats)).map_or(Ok(()), Err)?;
    if counts.sent == 0 {
        bail!("{}", nothing_to_send(&shown, &left_out));
    }
    Ok(Status::Done)
}

/// Why datagrams did not reach the target, if known.
fn failure(counts: &Counts, target: SocketAddr, cause: Option<Cause>) -> Option<anyhow::Error> {
    let because = |what: String| match cause {
        Some(cause) => words::because(what, cause.said()),
        None => what,
    };
    let Counts { not_sent, refused, undelivered, .. } = *counts;
    let to = &target;
    Some(anyhow!(match (not_sent, refused, undelivered) {
        (0, 0, 0) => return None,
        (0, 0, errors) => because(say!("tools-replay-errors", count = errors, to = to)),
        (0, times, _) => say!("tools-replay-refused", count = times, to = to),
        (unsent, ..) => because(say!("tools-replay-unsent", count = unsent, to = to)),
    }))
}

fn nothing_to_send(shown: &str, left_out: &LeftOut) -> String {
    let LeftOut { filtered, replies, .. } = *left_out;
    match (filtered, replies) {
        (0, 0) => say!("tools-replay-empty", file = shown),
        (0, _) => say!("tools-replay-replies", file = shown),
        _ => say!("tools-replay-filtered", file = shown),
    }
}

fn describe(shown: &str, error: &ReadError) -> String {
    match error {
        ReadError::Io(error) => {
            words::because(say!("errors-cannot-read", file = shown), system_error::said(error))
        }
        ReadError::NoCapture => say!("tools-replay-no-capture", file = shown),
        ReadError::CutShort => say!("tools-replay-cut-short", file = shown),
        ReadError::Damaged(what) => {
            say!("tools-replay-damaged", file = shown, what = &escape(what))
        }
        ReadError::Foreign(Foreign::Empty) => say!("tools-replay-no-bytes", file = shown),
        ReadError::Foreign(Foreign::Compressed { with, command }) => {
            say!("tools-replay-compressed", file = shown, with = *with, command = *command)
        }
        ReadError::Foreign(Foreign::Zip) => say!("tools-replay-zip", file = shown),
        ReadError::Foreign(Foreign::ModifiedPcap) => {
            say!("tools-replay-modified", file = shown)
        }
        ReadError::Foreign(Foreign::Of(program)) => {
            say!("tools-replay-foreign", file = shown, program = *program)
        }
    }
}

/// Opens the sockets of a playback, ends it, and reports its problems.
struct ReplayHost {
    target: SocketAddr,
    stop: Stop,
    notes: Spool<Vec<u8>>,
    watch: Watch,
    error: Option<anyhow::Error>,
}

impl ReplayHost {
    fn open(&self, io: &mut Io<'_>, id: SocketId) -> anyhow::Result<SocketAddr> {
        let options =
            SocketOptions { timestamps: false, refusals: true, ..SocketOptions::default() };
        let socket = Socket::connect(self.target, None, &options).map_err(explain)?;
        let local = socket.local_addr();
        io.open(id, socket).with_context(|| say!("errors-watch-socket"))?;
        Ok(local)
    }

    fn tell(&self, what: impl std::fmt::Display) {
        self.notes.line(format!("pigeon: {what}"));
    }
}

impl<F: Feed> Host<Playback<F>> for ReplayHost {
    fn woken(&mut self, playback: &mut Playback<F>, io: &mut Io<'_>) -> ControlFlow<()> {
        playback.fed(io.now);
        match self.stop.is_set() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn event(
        &mut self,
        playback: &mut Playback<F>,
        io: &mut Io<'_>,
        event: Event,
    ) -> ControlFlow<()> {
        let target = self.target;
        match event {
            Event::Open(id) => match self.open(io, id) {
                Ok(local) => playback.opened(local),
                Err(error) => {
                    self.error = Some(error);
                    return ControlFlow::Break(());
                }
            },
            Event::Refused => {
                self.tell(say!("tools-replay-sending-on", to = &target));
            }
            Event::TooLong(length) => {
                let most = max_payload(target);
                self.tell(say!(
                    "tools-replay-too-long",
                    length = &length,
                    to = &target,
                    most = &most
                ));
            }
            Event::Pause(pause) => {
                let pause = quantity::roughly(pause);
                self.notes.remark(say!("tools-replay-pause", pause = pause));
            }
            Event::Over => return ControlFlow::Break(()),
        }
        ControlFlow::Continue(())
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.watch.look_at())
    }

    fn tick(&mut self, _: &mut Playback<F>, io: &mut Io<'_>) -> ControlFlow<()> {
        if let Some(cause) = self.watch.look(io.now, &io.stats()) {
            self.tell(say!("tools-replay-trying-on", to = &self.target, cause = cause.said()));
        }
        ControlFlow::Continue(())
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
