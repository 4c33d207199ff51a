//! In steady state no datagram causes an allocation, from the socket through the hub to the socket.
//! `pigeon-hub`'s test of this name covers the hub alone, in many more cases.
#![cfg(test)]

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Received};
use pigeon_hub::{Config, Event, Hub};
use pigeon_net::{Driver, Host, Io, IoPath, Socket, SocketOptions, Waker};
use pigeon_perf::allocations::{Counting, allocations};
use pigeon_proto::Format;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How long a member waits for an expected datagram.
const SOON: Duration = Duration::from_secs(10);

const MEMBERS: usize = 20;

/// Records the loop's allocations at each wake-up, and stops it at the second.
#[derive(Default)]
struct TestHost<'a> {
    counts: [u64; 2],
    woken: Option<&'a AtomicUsize>,
}

impl Host<Hub> for TestHost<'_> {
    fn woken(&mut self, _: &mut Hub, _: &mut Io<'_>) -> ControlFlow<()> {
        let times = self.woken.map_or(0, |woken| woken.fetch_add(1, Ordering::AcqRel));
        self.counts[times] = allocations();
        if times == 0 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }

    fn event(&mut self, _: &mut Hub, _: &mut Io<'_>, _: Event) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// The largest batch here: a line and a heartbeat of each member.
const BATCH: usize = 2 * MEMBERS;

/// A hub after much traffic: its memory of the last two seconds and its batch buffers have reached
/// their maximum size.
fn experienced(format: Format) -> Hub {
    let mut hub = Hub::new(Config { notices_up_to: 0, ..Config::of(format) });
    let talker = SocketAddr::from(([127, 0, 0, 2], 7));
    // The hub clears its memory at the third minute; the loop starts at time zero.
    for (minute, lines) in [(1, 3_000), (2, 3_000), (3, 1)] {
        let now = Instant::ORIGIN + Duration::from_secs(60 * minute);
        for n in 0..lines {
            let line = format!("line {n:032}");
            hub.handle_datagram(now, &Received::new(talker, line.as_bytes()));
            hub.handle_datagram(now, &Received::new(talker, b"^hb^"));
            if n % BATCH == 0 {
                while hub.poll_transmit().is_some() {}
            }
        }
        while hub.poll_transmit().is_some() {}
        hub.handle_datagram(now, &Received::new(talker, b"quit"));
        while hub.poll_event().is_some() {}
    }
    hub
}

/// Members that all send and receive in each round.
fn converse(members: &[UdpSocket], rounds: std::ops::Range<usize>, echo: bool) {
    let mut buffer = [0; 2_048];
    for round in rounds {
        for (n, member) in members.iter().enumerate() {
            member.send(format!("member {n:02} in round {round:04}").as_bytes()).unwrap();
            member.send(b"^hb^").unwrap();
        }
        for member in members {
            let mut heard = 0;
            while heard < members.len() - usize::from(!echo) {
                let length = member.recv(&mut buffer).unwrap();
                // Notices are not counted.
                heard += usize::from(!buffer[..length].starts_with(b"* "));
            }
        }
    }
}

#[test]
fn a_datagram_through_the_whole_loop_allocates_nothing() {
    for path in [IoPath::Best, IoPath::NoOffload, IoPath::Portable] {
        for format in [Format::Chat, Format::Classic, Format::Raw] {
            let options = SocketOptions { path, ..SocketOptions::default() };
            let socket = Socket::bind((Ipv4Addr::LOCALHOST, 0).into(), &options).unwrap();
            let address = socket.local_addr();
            let mut driver = Driver::new(experienced(format), socket).unwrap();
            let waker = driver.waker();
            let woken = AtomicUsize::new(0);
            let mut around = TestHost { woken: Some(&woken), ..TestHost::default() };
            thread::scope(|scope| {
                scope.spawn(|| talk(address, format, &waker, &woken));
                driver.run(&mut around).unwrap();
            });
            let [before, after] = around.counts;
            assert!(before > 0, "nothing is counted");
            assert_eq!(after - before, 0, "{path:?} {format:?}");
        }
    }
}

/// Warms the loop up, makes it record its count, and lets it relay a thousand messages before the
/// next.
fn talk(hub: SocketAddr, format: Format, waker: &Waker, woken: &AtomicUsize) {
    let members: Vec<UdpSocket> = (0..MEMBERS)
        .map(|_| {
            let member = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            member.connect(hub).unwrap();
            member.set_read_timeout(Some(SOON)).unwrap();
            // Answered, so all are members before the first one sends.
            member.send(format!("{:64}", "^hb^").as_bytes()).unwrap();
            member.recv(&mut [0; 2_048]).unwrap();
            member
        })
        .collect();
    let echo = format != Format::Raw;
    converse(&members, 0..50, echo);
    waker.wake();
    while woken.load(Ordering::Acquire) == 0 {
        thread::yield_now();
    }
    converse(&members, 50..100, echo);
    waker.wake();
}
