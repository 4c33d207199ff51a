//! The load: bursts into a relay, counted where they come out.

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

/// How long one run lasts.
const RUN: Duration = Duration::from_millis(600);

/// What has not come out by then is lost.
const LOST_AFTER_MS: u8 = 50;

/// What a burst is.
pub(crate) struct Load {
    /// Bytes of a datagram.
    pub(crate) size: usize,
    /// Datagrams that the sender hands to the kernel as one train; 1 is each by itself.
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

/// What one run brought.
pub(crate) struct Run {
    pub(crate) sent: u64,
    pub(crate) delivered: u64,
    /// By the kernel, before the relay and before the target.
    pub(crate) dropped: [u64; 2],
    busy: f64,
    own: f64,
}

impl Run {
    pub(crate) fn rate(&self) -> f64 {
        self.delivered as f64 / self.busy
    }

    /// The share of the CPU's time that others may have had: neither the relay's process, nor the
    /// interrupts that work for it, which no figure separates from those of others.
    pub(crate) fn others(&self) -> f64 {
        (1.0 - self.own / self.busy).max(0.0)
    }
}

/// A relay in a process of its own, with a sender and a target.
pub(crate) struct Contender {
    relay: Server,
    sender: UdpSocket,
    target: UdpSocket,
    batch: Batch,
}

impl Contender {
    /// Our own; `follow`: whether it follows a target that answers from another port.
    pub(crate) fn pigeon(cpus: Cpus, follow: &str) -> Contender {
        Contender::start(|target| {
            let command =
                pigeon(&format!("relay 127.0.0.1:0 {target} --console off --follow {follow}"));
            Server::announced(&[cpus.hub], command, "listening on ")
        })
    }

    /// This program as `floor.rs`.
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

    /// Bursts for a while, each after the one before has come out.
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

    /// Takes so many datagrams out, or as many as come.
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
