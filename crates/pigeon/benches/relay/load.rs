//! The load: bursts into a relay, counted where they come out.

use std::fmt;
use std::io::{BufRead, BufReader, IoSlice};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn, sendmsg};

use crate::cpu::{Busy, Cpus, own_seconds};
use crate::floor::{MESSAGE, VECTOR, prepare, receive};

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
    busy: f64,
    own: f64,
}

impl Run {
    pub(crate) fn rate(&self) -> f64 {
        self.delivered as f64 / self.busy
    }

    /// The share of the CPU's time that others may have had: neither the relay's process, nor the
    /// interrupts that work for it, which no figure tells apart from those of others.
    pub(crate) fn others(&self) -> f64 {
        (1.0 - self.own / self.busy).max(0.0)
    }
}

/// A relay in a process of its own, with a sender and a target.
pub(crate) struct Contender {
    child: Child,
    sender: UdpSocket,
    target: UdpSocket,
    buffers: Vec<Vec<u8>>,
}

impl Contender {
    pub(crate) fn pigeon(cpus: Cpus) -> Contender {
        Contender::start(cpus, |target| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_pigeon"));
            command.args(["relay", "127.0.0.1:0", &target.to_string(), "--console", "off"]);
            command
        })
    }

    /// This program as `floor.rs`.
    pub(crate) fn floor(cpus: Cpus) -> Contender {
        Contender::start(cpus, |target| {
            let program = std::env::current_exe().expect("a program has a path");
            let mut command = Command::new(program);
            command.args(["floor", &target.to_string()]);
            command
        })
    }

    fn start(cpus: Cpus, command: impl FnOnce(SocketAddr) -> Command) -> Contender {
        let [sender, target] =
            [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket"));
        prepare(&target);
        let mut command = command(target.local_addr().expect("it is bound"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = cpus.on_hub(|| command.spawn()).expect("the relay starts");
        let stderr = child.stderr.take().expect("stderr is piped");
        let mut lines = BufReader::new(stderr).lines().map_while(Result::ok);
        let address: SocketAddr = lines
            .find_map(|line| {
                let rest = line.split_once("listening on ")?.1;
                rest.split_whitespace().next()?.trim_end_matches(',').parse().ok()
            })
            .expect("a relay says where it listens");
        std::thread::spawn(move || lines.for_each(drop));
        sender.connect(address).expect("the relay");
        let buffers = vec![vec![0; MESSAGE]; VECTOR];
        Contender { child, sender, target, buffers }
    }

    /// Bursts for a while, each after the one before has come out.
    pub(crate) fn run(&mut self, cpus: Cpus, load: &Load) -> Run {
        let train = vec![b'x'; load.size * load.segments];
        let segment = u16::try_from(load.size).expect("a datagram's size");
        let (busy, own) = (Busy::start(cpus.hub), own_seconds(self.child.id()));
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
        let own = own_seconds(self.child.id()) - own;
        Run { sent, delivered, busy: busy.seconds(), own }
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
            receive(&self.target, &mut self.buffers, |length, _| taken += (length / size) as u64);
        }
        taken
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        // It has ended already if this fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
