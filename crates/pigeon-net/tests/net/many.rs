//! Several sockets in one loop, opened and closed while it runs.

use std::cell::Cell;
use std::collections::VecDeque;
use std::net::{SocketAddr, UdpSocket};
use std::num::NonZeroU16;
use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant as StdInstant};

use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit};
use pigeon_net::{Driver, DropReason, Host, Io, IoPath, Socket, Timing};

use crate::{loopback, on_every_path, options, plain_peer, receive_plain};

on_every_path!(
    each_socket_has_its_own_datagrams_and_its_turn,
    so_it_is_with_more_sockets_than_a_few,
    a_socket_that_was_closed_is_gone_but_still_counted,
    a_socket_may_be_opened_while_the_loop_runs,
    a_train_may_arrive_joined,
    what_is_not_sent_is_told_with_its_transmit,
);

fn bind(path: IoPath) -> Socket {
    Socket::bind(loopback(), &options(path)).unwrap()
}

fn id(number: u16) -> SocketId {
    SocketId::new(number)
}

/// Records received batches and unsent datagrams; sends on request.
#[derive(Default)]
struct Log {
    outbox: Outbox,
    /// The socket and the datagrams of each batch.
    batches: Vec<(SocketId, Vec<Vec<u8>>)>,
    in_batch: Cell<bool>,
    unsent: Vec<(Transmit, u64)>,
    timer: Option<Instant>,
    events: VecDeque<Happened>,
}

#[derive(Debug, PartialEq, Eq)]
enum Happened {
    Arrived(SocketId),
    Timer,
}

impl Log {
    fn send(&mut self, socket: SocketId, to: SocketAddr, payload: &[u8], segment: u16) {
        self.outbox.reset_if_drained();
        let range = self.outbox.append(|bytes| bytes.extend_from_slice(payload));
        let segment = NonZeroU16::new(segment);
        self.outbox.push(Transmit { socket, to, from: None, range, segment });
    }

    /// The datagrams received at a socket.
    fn heard(&self, socket: SocketId) -> Vec<&[u8]> {
        let of_socket = self.batches.iter().filter(|(from, _)| *from == socket);
        of_socket.flat_map(|(_, datagrams)| datagrams.iter().map(Vec::as_slice)).collect()
    }
}

impl Machine for Log {
    type Event = Happened;

    fn handle_datagram(&mut self, _: Instant, datagram: &Received<'_>) {
        let socket = datagram.socket;
        if !self.in_batch.replace(true) {
            self.batches.push((socket, Vec::new()));
            self.events.push_back(Happened::Arrived(socket));
        }
        let (of, batch) = self.batches.last_mut().unwrap();
        assert_eq!(*of, socket, "a batch is of one socket");
        batch.push(datagram.payload.to_vec());
    }

    fn handle_unsent(&mut self, _: Instant, transmit: &Transmit, datagrams: u64) {
        self.unsent.push((transmit.clone(), datagrams));
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.timer.take_if(|timer| *timer <= now).is_some() {
            self.events.push_back(Happened::Timer);
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.in_batch.set(false);
        self.outbox.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<Happened> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timer
    }
}

/// Calls the next step at each event, until one is done.
struct Steps<F>(F);

impl<F: FnMut(&mut Log, &mut Io<'_>, &Happened) -> bool> Host<Log> for Steps<F> {
    fn event(&mut self, log: &mut Log, io: &mut Io<'_>, event: Happened) -> ControlFlow<()> {
        match (self.0)(log, io, &event) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

fn run(driver: &mut Driver<Log>, step: impl FnMut(&mut Log, &mut Io<'_>, &Happened) -> bool) {
    // A time limit for the test.
    driver.machine_mut().timer = Some(driver.clock().now() + crate::SOON);
    let mut step = step;
    let mut steps = Steps(|log: &mut Log, io: &mut Io<'_>, event: &Happened| {
        assert_ne!(*event, Happened::Timer, "waited in vain");
        step(log, io, event)
    });
    driver.run(&mut steps).unwrap();
}

fn of_many(path: IoPath, count: usize) -> (Driver<Log>, Vec<SocketAddr>) {
    let sockets: Vec<Socket> = (0..count).map(|_| bind(path)).collect();
    let addresses = sockets.iter().map(Socket::local_addr).collect();
    (Driver::over(Log::default(), sockets).unwrap(), addresses)
}

fn each_socket_has_its_own_datagrams_and_its_turn(path: IoPath) {
    each_has_its_turn(path, 3);
}

fn so_it_is_with_more_sockets_than_a_few(path: IoPath) {
    each_has_its_turn(path, 20);
}

fn each_has_its_turn(path: IoPath, count: usize) {
    let (mut driver, addresses) = of_many(path, count);
    let peer = plain_peer("127.0.0.1:0");
    // More than one batch each.
    for n in 0..100_u8 {
        for to in &addresses {
            peer.send_to(&[n], to).unwrap();
        }
    }
    let ids: Vec<SocketId> = driver.sockets().ids().collect();
    assert_eq!(ids.len(), count);
    run(&mut driver, |log, _, _| ids.iter().all(|&id| log.heard(id).len() == 100));
    let log = driver.machine();
    for &id in &ids {
        assert!(log.heard(id).iter().copied().eq((0..100_u8).map(|n| [n]).collect::<Vec<_>>()));
    }
    // No socket got a second batch before every socket had a first.
    let mut first: Vec<SocketId> = log.batches[..count].iter().map(|(id, _)| *id).collect();
    first.sort_unstable();
    assert_eq!(first, ids);
}

fn a_socket_that_was_closed_is_gone_but_still_counted(path: IoPath) {
    let (mut driver, addresses) = of_many(path, 2);
    let peer = plain_peer("127.0.0.1:0");
    let to = peer.local_addr().unwrap();
    peer.send_to(b"close", addresses[0]).unwrap();
    driver.machine_mut().send(id(1), to, b"hello", 0);
    run(&mut driver, |log, io, _| {
        io.close(id(1));
        assert!(io.sockets.get(id(1)).is_none() && io.sockets.get(id(0)).is_some());
        log.send(id(1), to, b"aabb", 2);
        true
    });
    assert_eq!(receive_plain(&peer), b"hello");
    let [(transmit, 2)] = &driver.machine().unsent[..] else { panic!("what it sends is told") };
    assert_eq!(transmit.socket, id(1));
    let sent = driver.stats().sent;
    assert_eq!((sent.datagrams, sent.dropped.get(DropReason::Closed)), (1, 2));
    // The port is free again.
    UdpSocket::bind(addresses[1]).unwrap();
}

/// At an event the host opens a socket; the machine's next datagram leaves from it in the same
/// drain.
fn a_socket_may_be_opened_while_the_loop_runs(path: IoPath) {
    let (mut driver, addresses) = of_many(path, 1);
    let peer = plain_peer("127.0.0.1:0");
    peer.send_to(b"open", addresses[0]).unwrap();
    let to = peer.local_addr().unwrap();
    let mut opened = None;
    run(&mut driver, |log, io, event| match event {
        Happened::Arrived(socket) if *socket == id(0) => {
            let socket = bind(path);
            opened = Some(socket.local_addr());
            io.open(id(300), socket).unwrap();
            log.send(id(300), to, b"?", 0);
            // The thread below answers.
            let answering = peer.try_clone().unwrap();
            thread::spawn(move || {
                let (_, from) = answering.recv_from(&mut [0; 9]).unwrap();
                answering.send_to(b"!", from).unwrap();
            });
            false
        }
        Happened::Arrived(socket) => *socket == id(300),
        Happened::Timer => false,
    });
    assert_eq!(driver.machine().heard(id(300)), [b"!"]);
    assert_eq!(driver.sockets().get(id(300)).map(Socket::local_addr), opened);
}

/// However many the kernel joins, the bytes are the same, and splitting them at the reported size
/// yields the sent datagrams.
fn a_train_may_arrive_joined(path: IoPath) {
    /// A machine that splits joined datagrams itself.
    #[derive(Default)]
    struct Cutter(Log);

    impl Machine for Cutter {
        type Event = Happened;

        fn handle_datagram(&mut self, _: Instant, _: &Received<'_>) {
            panic!("it takes them joined");
        }

        fn handle_joined(&mut self, now: Instant, joined: &Received<'_>, segment: usize) {
            for payload in joined.payload.chunks(segment) {
                self.0.handle_datagram(now, &Received { payload, ..*joined });
            }
        }

        fn handle_timeout(&mut self, _: Instant) {}

        fn poll_transmit(&mut self) -> Option<Transmit> {
            self.0.poll_transmit()
        }

        fn outbox(&self) -> &[u8] {
            self.0.outbox()
        }

        fn poll_event(&mut self) -> Option<Happened> {
            self.0.poll_event()
        }

        fn poll_timeout(&self) -> Option<Instant> {
            None
        }
    }

    /// Stops after ten datagrams, and counts those of each arriving batch.
    struct Ten(usize);

    impl Host<Cutter> for Ten {
        fn event(&mut self, cutter: &mut Cutter, _: &mut Io<'_>, _: Happened) -> ControlFlow<()> {
            match cutter.0.heard(id(0)).len() {
                10 => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }

        fn arrived(&mut self, _: &mut Cutter, _: Instant, joined: &Received<'_>, segment: usize) {
            self.0 += joined.datagrams(segment).count();
        }
    }

    let sockets = [bind(path), bind(path)];
    let to = sockets[0].local_addr();
    let mut driver = Driver::over(Cutter::default(), sockets).unwrap();
    let bytes: Vec<u8> = (0..95).collect();
    driver.machine_mut().0.send(id(1), to, &bytes, 10);
    let mut ten = Ten(0);
    driver.run(&mut ten).unwrap();
    assert_eq!(driver.machine().0.heard(id(0)), bytes.chunks(10).collect::<Vec<_>>());
    assert_eq!((driver.stats().received.datagrams, ten.0), (10, 10));
}

/// A list of good and bad destinations, in trains and single datagrams.
fn what_is_not_sent_is_told_with_its_transmit(path: IoPath) {
    let (mut driver, addresses) = of_many(path, 1);
    let nowhere: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let log = driver.machine_mut();
    log.send(id(0), addresses[0], b"one", 0);
    log.send(id(0), nowhere, b"two", 0);
    log.send(id(0), addresses[0], b"abc", 1);
    log.send(id(0), nowhere, b"xxyyz", 2);
    run(&mut driver, |log, _, _| log.heard(id(0)).len() == 4);
    let unsent: Vec<_> =
        driver.machine().unsent.iter().map(|(transmit, n)| (transmit.range.len(), *n)).collect();
    assert_eq!(unsent, [(3, 1), (5, 3)]);
    assert_eq!(driver.stats().sent.dropped.get(DropReason::Invalid), 4);
}

/// A host that counts its ticks, and an idle machine.
struct Ticks {
    next: Option<Instant>,
    ticks: u32,
    woken: bool,
}

impl Host<Log> for Ticks {
    fn woken(&mut self, _: &mut Log, _: &mut Io<'_>) -> ControlFlow<()> {
        self.woken = true;
        ControlFlow::Break(())
    }

    fn event(&mut self, _: &mut Log, _: &mut Io<'_>, _: Happened) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn deadline(&self) -> Option<Instant> {
        self.next
    }

    fn tick(&mut self, _: &mut Log, io: &mut Io<'_>) -> ControlFlow<()> {
        assert!(self.next.is_some_and(|next| next <= io.now));
        self.ticks += 1;
        ControlFlow::Break(())
    }
}

#[test]
fn a_wait_is_neither_shorter_nor_forgotten() {
    for precise in [false, true] {
        for count in [1, 20] {
            let (driver, _) = of_many(IoPath::Best, count);
            let mut driver = driver.with_timing(Timing { precise, ..Timing::default() });
            for micros in [1, 300, 5_000] {
                let start = StdInstant::now();
                let next = driver.clock().now() + Duration::from_micros(micros);
                let mut host = Ticks { next: Some(next), ticks: 0, woken: false };
                driver.run(&mut host).unwrap();
                assert_eq!(host.ticks, 1);
                assert!(driver.clock().now() >= next);
                assert!(start.elapsed() < Duration::from_secs(5));
            }
        }
    }
}

#[test]
fn another_thread_ends_a_wait() {
    for count in [0, 1, 20] {
        let (mut driver, _) = of_many(IoPath::Best, count);
        let waker = driver.waker();
        let thread = thread::spawn(move || waker.wake());
        let mut host = Ticks { next: None, ticks: 0, woken: false };
        driver.run(&mut host).unwrap();
        assert!(host.woken);
        thread.join().unwrap();
    }
}
