//! The load: bursts into a relay, counted behind it.

use std::fmt;
use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};

use pigeon_perf::bare::{Batch, JOINED, open};
use pigeon_perf::cpu::{Busy, Cpus};
use pigeon_perf::drops;
use pigeon_perf::process::pigeon;
use pigeon_perf::server::Server;

const RUN: Duration = Duration::from_millis(600);

/// Datagrams that have not arrived by then are lost.
const LOST_AFTER_MS: u8 = 50;

/// The shape of a burst.
pub(crate) struct Load {
    /// Bytes per datagram.
    pub(crate) size: usize,
    /// Datagrams per train; 1 means no trains.
    pub(crate) segments: usize,
    /// Trains in flight.
    pub(crate) messages: usize,
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Load { size, segments, messages } = self;
        match segments {
            1 => write!(f, "{messages} single datagrams of {size} bytes in flight"),
            _ => write!(f, "{messages} trains of {segments} datagrams of {size} bytes in flight"),
        }
    }
}

/// The results of one run.
pub(crate) struct Run {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    /// Datagrams dropped by the kernel at the relay and at the target.
    pub(crate) dropped: [u64; 2],
    busy: f64,
    own: f64,
}

impl Run {
    pub(crate) fn rate(&self) -> f64 {
        self.delivered as f64 / self.busy
    }

    /// The largest share of the CPU's time that others may have had: the busy time minus the
    /// relay's own and all interrupts, which cannot be attributed.
    pub(crate) fn others(&self) -> f64 {
        (1.0 - self.own / self.busy).max(0.0)
    }
}

/// A relay in its own process, with a sender and a target.
pub(crate) struct Contender {
    relay: Server,
    sender: UdpSocket,
    target: UdpSocket,
    batch: Batch,
}

impl Contender {
    /// Pigeon's relay. `follow`: whether it follows a target that answers from another port.
    pub(crate) fn pigeon(cpus: Cpus, follow: &str) -> Contender {
        Contender::start(|target| {
            let command =
                pigeon(&format!("relay 127.0.0.1:0 {target} --console off --follow {follow}"));
            Server::announced(&[cpus.hub], command, "listening on ")
        })
    }

    pub(crate) fn floor(cpus: Cpus) -> Contender {
        Contender::start(|target| Server::floor(&[cpus.hub], &format!("floor {target}")))
    }

    fn start(relay: impl FnOnce(SocketAddr) -> Server) -> Contender {
        let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let target = open(true);
        let relay = relay(target.local_addr().expect("it is bound"));
        sender.connect(relay.address).expect("the relay");
        Contender { relay, sender, target, batch: Batch::new(JOINED) }
    }

    fn kernel_drops(&self) -> [u64; 2] {
        let target = self.target.local_addr().expect("it is bound");
        [self.relay.process.kernel_drops(), drops::at(target)]
    }

    /// Sends bursts for a while, each after the previous one has arrived.
    pub(crate) fn run(&mut self, cpus: Cpus, load: &Load) -> Run {
        let train = vec![b'x'; load.size * load.segments];
        let segment = u16::try_from(load.size).expect("a datagram's size");
        let before = self.kernel_drops();
        let (busy, own) = (Busy::start(cpus.hub), self.relay.process.own_seconds());
        let start = Instant::now();
        let (mut sent, mut delivered) = (0, 0);
        while start.elapsed() < RUN {
            for _ in 0..load.messages {
                self.send(&train, (load.segments > 1).then_some(segment));
            }
            let burst = (load.messages * load.segments) as u64;
            sent += burst;
            delivered += self.take(burst, load.size);
        }
        let (busy, own) = (busy.seconds(), self.relay.process.own_seconds() - own);
        let after = self.kernel_drops();
        let dropped = [after[0] - before[0], after[1] - before[1]];
        Run { sent, delivered, dropped, busy, own }
    }

    fn send(&self, train: &[u8], segment: Option<u16>) {
        let control: Vec<_> = segment.iter().map(ControlMessage::UdpGsoSegments).collect();
        let (fd, slices) = (self.sender.as_raw_fd(), [IoSlice::new(train)]);
        sendmsg::<SockaddrIn>(fd, &slices, &control, MsgFlags::empty(), None).expect("it is sent");
    }

    /// Receives up to this many datagrams.
    fn take(&mut self, wanted: u64, size: usize) -> u64 {
        let mut taken = 0;
        while taken < wanted {
            let mut fds = [PollFd::new(self.target.as_fd(), PollFlags::POLLIN)];
            let ready = poll(&mut fds, PollTimeout::from(LOST_AFTER_MS)).expect("poll works");
            if ready == 0 {
                break;
            }
            self.batch.take(&self.target);
            taken += self.batch.messages().iter().map(|m| (m.length / size) as u64).sum::<u64>();
        }
        taken
    }
}
