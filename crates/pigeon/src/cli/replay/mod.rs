//! `pigeon replay`: sends a capture's datagrams again, with their timing.

mod playback;
mod player;

use std::fs::File;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap_complete::ArgValueCandidates;
use ipnet::IpNet;
use pigeon_capture::{ReadError, Reader};
use pigeon_datagram::SocketId;
use pigeon_net::{Clock, Driver, Host, Io, Socket, SocketOptions, Timing};
use pigeon_text::escape;

use self::playback::{Event, Playback};
use self::player::{Packets, Player};
use crate::base::bind::one_host;
use crate::base::endpoint::peer_port;
use crate::base::signals::{Stop, on_stop};
use crate::base::status::{Status, UsageError};
use crate::contacts::peer;

/// A datagram is sent when it is due, to some microseconds, and there is nothing else to do than to
/// wait for room in a send buffer.
const TIMING: Timing = Timing {
    patience: Duration::from_secs(1),
    precise: true,
    early: Duration::ZERO,
    kernel_drops: None,
};

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
TARGET, those of each sender from a socket of its own; what TARGET itself sent then is left out unless
--from asks for it. What is no whole UDP datagram is left out and counted; so is how late anything was
sent.")]
pub(crate) struct Args {
    /// The capture
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Where to send: HOST:PORT, or a contact's name
    #[arg(value_name = "TARGET", add = ArgValueCandidates::new(peer::candidates))]
    target: String,

    /// The target's port, where it is a word of its own
    #[arg(value_name = "PORT", value_parser = peer_port)]
    target_port: Option<u16>,

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
    #[arg(long, value_name = "PORT", value_parser = peer_port)]
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
    /// Datagrams from this address are left out: the target would get its own replies.
    not_from: Option<SocketAddr>,
}

impl Filter {
    fn lets(&self, from: SocketAddr, to: SocketAddr) -> bool {
        self.from.is_none_or(|place| place.is(from))
            && self.to.is_none_or(|place| place.is(to))
            && self.port.is_none_or(|port| port == to.port())
            && self.not_from != Some(from)
    }
}

/// Replays until the end of the file, or until it is stopped.
pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let shown = escape(&args.file.to_string_lossy().into_owned()).to_string();
    let target = peer::parse_words(&args.target, args.target_port)?.endpoint.resolve()?;
    one_host(target)?;
    let file = File::open(&args.file).map_err(ReadError::Io);
    let reader = file.and_then(Reader::new).map_err(|error| match error {
        ReadError::Io(error) => UsageError(format!("cannot read {shown}: {error}")),
        error => UsageError(format!("{shown} {error}")),
    })?;
    let not_from = args.from.is_none().then_some(target);
    let filter = Filter { from: args.from, to: args.to, port: args.port, not_from };
    let clock = Clock::start();
    let player = Player::new(reader, filter, args.speed);
    let playback = Playback::new(clock.now(), player, target, args.speed);
    let driver = Driver::over(playback, []).context("cannot watch sockets")?;
    let mut driver = driver.with_clock(clock).with_timing(TIMING);
    let waker = driver.waker();
    let stop = on_stop(move || waker.wake())?;
    let mut host = ReplayHost { target, stop, refused: false, error: None };
    let driven = driver.run(&mut host);
    let sent = driver.stats().sent;
    let counts = driver.machine().counts(clock.now(), &sent);
    let (left_out, unread) = driver.into_parts().0.into_rest();
    counts.print(&left_out, args.json);
    let packets = left_out.packets;
    if let Some(error) = host.error {
        return Err(error);
    }
    driven?;
    match unread {
        Some(ReadError::Io(error)) => bail!("cannot read {shown}: {error}"),
        Some(error) => bail!("{shown} {error}, after {packets} packets"),
        None if host.refused => bail!("refused: nobody listens at {target}"),
        None if host.stop.is_set() => {}
        None if counts.sent == 0 => bail!("{shown} holds no datagram to send"),
        None => {}
    }
    Ok(host.stop.status().unwrap_or(Status::Done))
}

/// Opens the sockets of a playback, and ends it.
struct ReplayHost {
    target: SocketAddr,
    stop: Stop,
    refused: bool,
    error: Option<anyhow::Error>,
}

impl ReplayHost {
    fn open(&self, io: &mut Io<'_>, id: SocketId) -> anyhow::Result<()> {
        let options = SocketOptions { timestamps: false, ..SocketOptions::default() };
        let socket = Socket::connect(self.target, None, &options)?;
        io.open(id, socket).context("cannot watch the socket")
    }
}

impl<P: Packets> Host<Playback<P>> for ReplayHost {
    fn woken(&mut self, _: &mut Playback<P>, _: &mut Io<'_>) -> ControlFlow<()> {
        match self.stop.is_set() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn event(
        &mut self,
        playback: &mut Playback<P>,
        io: &mut Io<'_>,
        event: Event,
    ) -> ControlFlow<()> {
        match event {
            Event::Open(id) => match self.open(io, id) {
                Ok(()) => {
                    playback.opened();
                    return ControlFlow::Continue(());
                }
                Err(error) => self.error = Some(error),
            },
            Event::Refused => self.refused = true,
            Event::Over => {}
        }
        ControlFlow::Break(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_target_itself_sent_is_left_out() {
        let [client, target] = ["10.0.0.1:4", "10.0.0.9:53"].map(|text| text.parse().unwrap());
        let filter = Filter { not_from: Some(target), ..Filter::default() };
        assert!(filter.lets(client, target) && !filter.lets(target, client));
        assert!(Filter::default().lets(target, client));
    }

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
