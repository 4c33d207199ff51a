//! The driver's loop with an echo machine.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit};
use pigeon_net::{Clock, Driver, Host, Io, IoPath, Socket, SocketOptions, Stats, Waker};

use crate::{closed_port, loopback, on_every_path, options, plain_peer, receive_plain, until};

on_every_path!(
    an_echo_answers_and_stops_with_a_goodbye,
    a_deadline_ends_the_sleep,
    a_refusal_reaches_the_machine,
    a_flood_holds_up_neither_timers_nor_a_stop,
    a_machine_that_is_always_due_hears_its_peers,
    after_a_pause_what_arrived_comes_before_timers,
    after_a_pause_a_flood_does_not_hold_timers_up,
);

/// Echoes every datagram, says goodbye to the last peer, and has one timer.
#[derive(Debug, Default)]
struct Echo {
    outbox: Outbox,
    peer: Option<SocketAddr>,
    deadline: Option<Instant>,
    /// Whether a timer is always due, like in a sender without a rate.
    always_due: bool,
    events: Vec<EchoEvent>,
    refusals: usize,
    refused_by: Vec<SocketAddr>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum EchoEvent {
    Echoed(std::ops::Range<usize>),
    Timer,
    Refused,
}

impl Echo {
    fn stop(&mut self) {
        self.outbox.reset_if_drained();
        if let Some(peer) = self.peer {
            self.outbox.send(peer, None, b"Bye!");
        }
    }
}

impl Machine for Echo {
    type Event = EchoEvent;

    fn handle_datagram(&mut self, _: Instant, datagram: &Received<'_>) {
        self.outbox.reset_if_drained();
        let range = self.outbox.append(|bytes| bytes.extend_from_slice(datagram.payload));
        self.outbox.queue(datagram.from, datagram.local, range.clone());
        self.peer = Some(datagram.from);
        self.events.push(EchoEvent::Echoed(range));
    }

    fn handle_refused(&mut self, _: Instant, _: SocketId) {
        self.refusals += 1;
        self.events.push(EchoEvent::Refused);
    }

    fn handle_refused_by(&mut self, _: Instant, _: SocketId, peer: SocketAddr) {
        self.refused_by.push(peer);
        self.events.push(EchoEvent::Refused);
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.deadline.take_if(|deadline| *deadline <= now).is_some() {
            self.events.push(EchoEvent::Timer);
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<EchoEvent> {
        (!self.events.is_empty()).then(|| self.events.remove(0))
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.always_due.then_some(Instant::ORIGIN).or(self.deadline)
    }
}

/// Stops on request, or at an expected event.
#[derive(Default)]
struct TestHost {
    stop: Arc<AtomicBool>,
    timer_rang: Arc<AtomicBool>,
    stop_at: Option<EchoEvent>,
    woken: usize,
    echoed: Vec<Vec<u8>>,
    stats: Stats,
}

impl Host<Echo> for TestHost {
    fn woken(&mut self, machine: &mut Echo, io: &mut Io<'_>) -> ControlFlow<()> {
        self.woken += 1;
        self.stats = io.stats();
        if self.stop.load(Ordering::Acquire) {
            machine.stop();
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, machine: &mut Echo, _: &mut Io<'_>, event: EchoEvent) -> ControlFlow<()> {
        let stop = self.stop_at.as_ref() == Some(&event);
        self.timer_rang.fetch_or(event == EchoEvent::Timer, Ordering::AcqRel);
        if let EchoEvent::Echoed(range) = event {
            self.echoed.push(machine.outbox()[range].to_vec());
        }
        if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn bind(path: IoPath) -> Socket {
    Socket::bind(loopback(), &options(path)).unwrap()
}

/// An echo in its own thread.
struct Running {
    address: SocketAddr,
    waker: Waker,
    stop: Arc<AtomicBool>,
    timer_rang: Arc<AtomicBool>,
    finished: mpsc::Receiver<(Echo, TestHost)>,
}

impl Running {
    fn start(path: IoPath, echo: Echo) -> Running {
        let socket = bind(path);
        let address = socket.local_addr();
        let mut driver = Driver::new(echo, socket).unwrap();
        let waker = driver.waker();
        let mut host = TestHost::default();
        let (stop, timer_rang) = (host.stop.clone(), host.timer_rang.clone());
        let (sender, finished) = mpsc::channel();
        thread::spawn(move || {
            driver.run(&mut host).unwrap();
            sender.send((driver.into_parts().0, host)).unwrap();
        });
        Running { address, waker, stop, timer_rang, finished }
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.waker.wake();
    }
}

fn an_echo_answers_and_stops_with_a_goodbye(path: IoPath) {
    let running = Running::start(path, Echo::default());
    let peer = plain_peer("127.0.0.1:0");
    peer.connect(running.address).unwrap();
    for text in [&b"one"[..], b"", b"three"] {
        peer.send(text).unwrap();
        assert_eq!(receive_plain(&peer), text);
    }
    running.stop();
    assert_eq!(receive_plain(&peer), b"Bye!");
    let (echo, host) = running.finished.recv_timeout(crate::SOON).unwrap();
    assert_eq!(echo.peer, Some(peer.local_addr().unwrap()));
    assert_eq!(host.echoed, [&b"one"[..], b"", b"three"]);
    let (received, sent) = (host.stats.received, host.stats.sent);
    assert_eq!((received.datagrams, received.bytes), (3, 8));
    assert_eq!((sent.datagrams, sent.bytes), (3, 8));
}

fn a_deadline_ends_the_sleep(path: IoPath) {
    let clock = Clock::start();
    let deadline = clock.now() + Duration::from_millis(20);
    let echo = Echo { deadline: Some(deadline), ..Echo::default() };
    let mut driver = Driver::new(echo, bind(path)).unwrap().with_clock(clock);
    let mut host = TestHost { stop_at: Some(EchoEvent::Timer), ..TestHost::default() };
    driver.run(&mut host).unwrap();
    assert!(driver.clock().now() >= deadline);
    assert_eq!(host.woken, 0);
}

fn a_refusal_reaches_the_machine(path: IoPath) {
    let to = closed_port();
    let socket = Socket::connect(to, None, &options(path)).unwrap();
    let mut echo = Echo::default();
    // Datagrams queued before the loop began are sent first.
    echo.outbox.send(to, None, b"?");
    let mut driver = Driver::new(echo, socket).unwrap();
    let mut host = TestHost { stop_at: Some(EchoEvent::Refused), ..TestHost::default() };
    driver.run(&mut host).unwrap();
    assert_eq!(driver.machine().refusals, 1);
    assert_eq!(driver.stats().sent.datagrams, 1);
}

/// With many peers the socket learns which one refused, in both families. The listening one is
/// reached although others' errors come in between.
#[cfg(target_os = "linux")]
#[test]
fn a_refusal_is_told_with_its_peer_where_there_are_many() {
    let options = SocketOptions { refusals: true, ..options(IoPath::Best) };
    let dual = Socket::bind_any(0, &options).unwrap().local_addr().is_ipv6();
    let mut dead = vec![closed_port()];
    // Bound, so that no other program gets the port, and connected to itself, so that it receives
    // nothing.
    let deaf = dual.then(|| plain_peer("[::1]:0"));
    if let Some(deaf) = &deaf {
        let own = deaf.local_addr().unwrap();
        deaf.connect(own).unwrap();
        dead.push(own);
    }
    let live = plain_peer("127.0.0.1:0");

    for round in 0..3_u8 {
        for &to in &dead {
            let mut echo = Echo::default();
            echo.outbox.send(to, None, b"?");
            echo.outbox.send(live.local_addr().unwrap(), None, &[round]);
            echo.outbox.send(to, None, b"?");
            echo.outbox.send(live.local_addr().unwrap(), None, &[round]);
            let socket = Socket::bind_any(0, &options).unwrap();
            let mut driver = Driver::new(echo, socket).unwrap();
            driver.run(&mut UntilRefused).unwrap();
            assert_eq!(driver.machine().refused_by[0], to);
            assert_eq!(driver.stats().sent.dropped.total(), 0);
            assert_eq!(receive_plain(&live), [round]);
            assert_eq!(receive_plain(&live), [round]);
        }
    }
}

#[cfg(target_os = "linux")]
struct UntilRefused;

#[cfg(target_os = "linux")]
impl Host<Echo> for UntilRefused {
    fn event(&mut self, _: &mut Echo, _: &mut Io<'_>, event: EchoEvent) -> ControlFlow<()> {
        match event {
            EchoEvent::Refused => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn a_flood_holds_up_neither_timers_nor_a_stop(path: IoPath) {
    let deadline = Some(Instant::ORIGIN + Duration::from_millis(50));
    let running = Running::start(path, Echo { deadline, ..Echo::default() });
    let address = running.address;
    let flooding = Arc::new(AtomicBool::new(true));
    let flood = thread::spawn({
        let flooding = flooding.clone();
        move || {
            let peer = plain_peer("127.0.0.1:0");
            while flooding.load(Ordering::Acquire) {
                let _ = peer.send_to(b"flood", address);
            }
        }
    });
    // The flood may push a request out of the receive buffer, so it is repeated.
    let peer = plain_peer("127.0.0.1:0");
    peer.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    until(|| {
        peer.send_to(b"in the flood", address).unwrap();
        peer.recv(&mut [0; 16]).ok()
    });
    until(|| running.timer_rang.load(Ordering::Acquire).then_some(()));
    running.stop();
    assert!(running.finished.recv_timeout(crate::SOON).is_ok());
    flooding.store(false, Ordering::Release);
    flood.join().unwrap();
}

fn a_machine_that_is_always_due_hears_its_peers(path: IoPath) {
    let running = Running::start(path, Echo { always_due: true, ..Echo::default() });
    let peer = plain_peer("127.0.0.1:0");
    // Between two requests the loop finds the socket empty.
    for _ in 0..50 {
        peer.send_to(b"?", running.address).unwrap();
        assert_eq!(receive_plain(&peer), b"?");
    }
    running.stop();
    assert!(running.finished.recv_timeout(crate::SOON).is_ok());
}

#[test]
fn calls_of_the_waker_before_the_loop_looks_are_one() {
    let echo =
        Echo { deadline: Some(Instant::ORIGIN + Duration::from_millis(1)), ..Echo::default() };
    let mut driver = Driver::new(echo, bind(IoPath::Best)).unwrap();
    let waker = driver.waker();
    (0..1000).for_each(|_| waker.wake());
    let mut host = TestHost { stop_at: Some(EchoEvent::Timer), ..TestHost::default() };
    driver.run(&mut host).unwrap();
    assert!(host.woken <= 1);
    // After one run another may follow, without leftovers.
    driver.machine_mut().deadline = Some(driver.clock().now() + Duration::from_millis(1));
    driver.run(&mut host).unwrap();
    assert!(host.woken <= 1);
}

/// A host that blocks for a while when woken, and calls a function meanwhile.
struct Pause<F> {
    meanwhile: Option<F>,
    told: Vec<EchoEvent>,
}

impl<F: FnOnce()> Host<Echo> for Pause<F> {
    fn woken(&mut self, echo: &mut Echo, io: &mut Io<'_>) -> ControlFlow<()> {
        // The deadline is within the pause, well before its end.
        echo.deadline = Some(io.now + Duration::from_millis(5));
        if let Some(meanwhile) = self.meanwhile.take() {
            meanwhile();
        }
        thread::sleep(Duration::from_millis(40));
        ControlFlow::Continue(())
    }

    fn event(&mut self, _: &mut Echo, _: &mut Io<'_>, event: EchoEvent) -> ControlFlow<()> {
        let is_last = event == EchoEvent::Timer;
        self.told.push(event);
        if is_last { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn pause(driver: &mut Driver<Echo>, meanwhile: impl FnOnce()) -> Vec<EchoEvent> {
    driver.waker().wake();
    let mut host = Pause { meanwhile: Some(meanwhile), told: Vec::new() };
    driver.run(&mut host).unwrap();
    host.told
}

/// More heartbeats are waiting than one turn of the loop takes, at several sockets.
fn after_a_pause_what_arrived_comes_before_timers(path: IoPath) {
    for count in [1, 2, 20] {
        let sockets: Vec<Socket> = (0..count).map(|_| bind(path)).collect();
        let addresses: Vec<SocketAddr> = sockets.iter().map(Socket::local_addr).collect();
        let mut driver = Driver::over(Echo::default(), sockets).unwrap();
        let peer = plain_peer("127.0.0.1:0");
        let told = pause(&mut driver, || {
            for n in 0..300_usize {
                peer.send_to(b"still here", addresses[n % addresses.len()]).unwrap();
            }
        });
        assert_eq!(told.len(), 301, "{count} sockets");
        assert_eq!(told.last(), Some(&EchoEvent::Timer));
    }
}

/// The echo answers itself, so its socket is never empty.
fn after_a_pause_a_flood_does_not_hold_timers_up(path: IoPath) {
    let socket = bind(path);
    let own = socket.local_addr();
    let mut echo = Echo::default();
    for _ in 0..200 {
        echo.outbox.send(own, None, b"round and round");
    }
    let mut driver = Driver::new(echo, socket).unwrap();
    let told = pause(&mut driver, || {});
    assert!(told.len() > 200);
    assert_eq!(told.last(), Some(&EchoEvent::Timer));
}
