//! One request, one reply: a request over UDP that is sent again until somebody answers.
//!
//! ```text
//!   attempt   1       2               3                               4         …  5
//!   sent at   0       0.1 s           0.3 s                           0.7 s        1.5 s
//!   waits     0.1 s   0.2 s           0.4 s                           0.8 s        1.6 s   gives up at 3.1 s
//! ```
//!
//! A reply to any attempt is the reply: over a connected socket nobody else can answer, and a slow
//! answer to the first attempt is as good as a quick one to the third.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit};

/// How often a request is sent, and how long each time is waited for.
///
/// The wait doubles, as RFC 8085 section 3.1.1 wants it, and the request is given up where it would
/// pass `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The wait after the first attempt.
    pub first: Duration,
    /// The longest wait: no attempt is made that would wait longer.
    pub most: Duration,
    /// The most attempts, where `most` allows more.
    pub attempts: Option<u32>,
}

impl Default for RetryPolicy {
    /// Five attempts in 3.1 s: 0.1, 0.2, 0.4, 0.8 and 1.6 s.
    fn default() -> Self {
        RetryPolicy {
            first: Duration::from_millis(100),
            most: Duration::from_secs(2),
            attempts: None,
        }
    }
}

impl RetryPolicy {
    /// How long to wait after attempt `number`, from 1; `None` if there is no such attempt. There
    /// is always a first one.
    pub fn wait(&self, number: u32) -> Option<Duration> {
        if number == 0 || self.attempts.is_some_and(|most| number > most.max(1)) {
            return None;
        }
        let factor = 1_u32.checked_shl(number - 1)?;
        let wait = self.first.checked_mul(factor)?;
        (number == 1 || (wait <= self.most && !self.first.is_zero())).then_some(wait)
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What came, or why nothing did.
    pub result: Result<Box<[u8]>, NoReply>,
    /// How many times the request was sent.
    pub attempts: u32,
    /// From the first attempt to the end.
    pub elapsed: Duration,
}

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// Nobody listens there (ICMP port unreachable).
    Refused,
    /// Nothing came.
    TimedOut,
}

/// A request that is sent until it is answered, refused, or given up. It reports one [`Outcome`].
///
/// Drive it over a connected socket:
///
/// ```
/// # use pigeon_client::{Ask, RetryPolicy};
/// # use pigeon_net::{Clock, Socket, SocketOptions, first_event};
/// # let server = std::net::UdpSocket::bind("127.0.0.1:0")?;
/// # let address = server.local_addr()?;
/// # std::thread::spawn(move || {
/// #     let (length, from) = server.recv_from(&mut [0; 100]).unwrap();
/// #     server.send_to(format!("Your data was {length} bytes").as_bytes(), from).unwrap();
/// # });
/// let socket = Socket::connect(address, None, &SocketOptions::default())?;
/// let clock = Clock::start();
/// let ask = Ask::new(clock.now(), address, b"how long is this?", RetryPolicy::default());
/// let outcome = first_event(ask, socket, clock)?;
/// assert_eq!(outcome.result.as_deref(), Ok(&b"Your data was 17 bytes"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Ask {
    to: SocketAddr,
    request: Box<[u8]>,
    policy: RetryPolicy,
    began: Instant,
    attempts: u32,
    deadline: Option<Instant>,
    outbox: Outbox,
    events: VecDeque<Outcome>,
}

impl Ask {
    /// Creates a request. The first attempt is made at once.
    pub fn new(now: Instant, to: SocketAddr, request: &[u8], policy: RetryPolicy) -> Self {
        let mut ask = Ask {
            to,
            request: request.into(),
            policy,
            began: now,
            attempts: 0,
            deadline: None,
            outbox: Outbox::new(),
            events: VecDeque::new(),
        };
        ask.attempt(now);
        ask
    }

    /// Sends once more, or gives up.
    fn attempt(&mut self, now: Instant) {
        match self.policy.wait(self.attempts + 1) {
            Some(wait) => {
                self.attempts += 1;
                self.deadline = Some(now + wait);
                self.outbox.send(self.to, None, &self.request);
            }
            None => self.end(now, Err(NoReply::TimedOut)),
        }
    }

    fn end(&mut self, now: Instant, result: Result<Box<[u8]>, NoReply>) {
        self.deadline = None;
        let (attempts, elapsed) = (self.attempts, now - self.began);
        self.events.push_back(Outcome { result, attempts, elapsed });
    }

    fn is_over(&self) -> bool {
        self.deadline.is_none()
    }
}

impl Machine for Ask {
    type Event = Outcome;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.outbox.reset_if_drained();
        if !self.is_over() && datagram.from == self.to {
            self.end(now, Ok(datagram.payload.into()));
        }
    }

    fn handle_refused(&mut self, now: Instant, _: SocketId) {
        self.outbox.reset_if_drained();
        if !self.is_over() {
            self.end(now, Err(NoReply::Refused));
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.outbox.reset_if_drained();
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.attempt(now);
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<Outcome> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.deadline
    }
}

#[cfg(test)]
mod tests {
    use pigeon_netsim::path::{Conditions, Loss, Probability};
    use pigeon_netsim::simulation::{Direction, Network, Node, Peer};

    use super::*;

    fn server() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 1], 7))
    }

    fn ask(network: &mut Network, policy: RetryPolicy) -> Node<Ask> {
        let ask = Ask::new(network.now(), server(), b"ping", policy);
        network.add(SocketAddr::from(([10, 0, 0, 2], 5000)), ask)
    }

    fn outcome(network: &Network, ask: Node<Ask>) -> (Result<Box<[u8]>, NoReply>, u32, u64) {
        let [(_, outcome)] = network.events(ask) else { panic!("one outcome") };
        let millis = u64::try_from(outcome.elapsed.as_millis()).unwrap();
        (outcome.result.clone(), outcome.attempts, millis)
    }

    fn echo(payload: &[u8]) -> Option<Vec<u8>> {
        Some(payload.to_vec())
    }

    fn delayed(millis: u64) -> Conditions {
        Conditions { delay: Duration::from_millis(millis), ..Conditions::default() }
    }

    #[test]
    fn the_schedule_is_as_documented() {
        let waits = |policy: RetryPolicy| -> Vec<u128> {
            (1..).map_while(|n| Some(policy.wait(n)?.as_millis())).collect()
        };
        let policy = RetryPolicy::default();
        assert_eq!(waits(policy), [100, 200, 400, 800, 1600]);
        assert_eq!(waits(RetryPolicy { attempts: Some(2), ..policy }), [100, 200]);
        assert_eq!(waits(RetryPolicy { attempts: Some(0), ..policy }), [100]);
        assert_eq!(waits(RetryPolicy { first: Duration::from_secs(9), ..policy }), [9000]);
        assert_eq!(waits(RetryPolicy { first: Duration::ZERO, ..policy }), [0]);
        assert_eq!(
            waits(RetryPolicy { first: Duration::MAX, most: Duration::MAX, ..policy }).len(),
            1
        );
    }

    #[test]
    fn silence_is_given_up_after_five_attempts_in_3_1_seconds() {
        let mut network = Network::new(1);
        let peer = network.add(server(), Peer::new());
        let ask = ask(&mut network, RetryPolicy::default());
        network.run_for(Duration::from_secs(10));
        assert_eq!(outcome(&network, ask), (Err(NoReply::TimedOut), 5, 3100));
        assert_eq!(network.machine(peer).texts().len(), 5);
    }

    #[test]
    fn a_late_reply_to_the_first_attempt_is_taken_while_the_third_waits() {
        let mut network = Network::new(2);
        let peer = network.add(server(), Peer::new().answering(echo));
        network.set_conditions(peer, Direction::Up, delayed(350)).unwrap();
        let ask = ask(&mut network, RetryPolicy::default());
        network.run_for(Duration::from_secs(10));
        assert_eq!(outcome(&network, ask), (Ok((*b"ping").into()), 3, 350));
    }

    #[test]
    fn refused_is_told_at_once() {
        let mut network = Network::new(3);
        network.refuses(true);
        let ask = ask(&mut network, RetryPolicy::default());
        network.run_for(Duration::from_secs(1));
        assert_eq!(outcome(&network, ask), (Err(NoReply::Refused), 1, 0));
    }

    #[test]
    fn a_reply_comes_through_a_network_that_loses_half() {
        for seed in 0..50 {
            let mut network = Network::new(seed);
            let peer = network.add(server(), Peer::new().answering(echo));
            let loss = Loss::Random(Probability::new(0.3).unwrap());
            let lossy = Conditions { loss, ..delayed(5) };
            network.set_conditions(peer, Direction::Up, lossy.clone()).unwrap();
            network.set_conditions(peer, Direction::Down, lossy).unwrap();
            let ask = ask(
                &mut network,
                RetryPolicy {
                    attempts: Some(10),
                    most: Duration::from_secs(60),
                    ..RetryPolicy::default()
                },
            );
            network.run_for(Duration::from_secs(120));
            assert!(outcome(&network, ask).0.is_ok(), "seed {seed}");
        }
    }
}
