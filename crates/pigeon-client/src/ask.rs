//! A request over UDP, repeated until a reply arrives.
//!
//! ```text
//!   attempt   1       2               3                               4         …  5
//!   sent at   0       0.1 s           0.3 s                           0.7 s        1.5 s
//!   waits     0.1 s   0.2 s           0.4 s                           0.8 s        1.6 s   gives up at 3.1 s
//! ```
//!
//! A reply to any attempt counts: a slow answer to the first is as good as a quick one to the
//! third. A [`Request`] judges replies, so attempts may differ and be distinguished.
//!
//! Only the requested host can answer. An unconnected socket also receives a reply from another of
//! its ports (as with TFTP). Such a reply is reported at once, but counts only if the requested
//! port does not answer one more attempt. A request to a group or broadcast address accepts a reply
//! from any host.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, SocketId, Transmit};

/// The number of attempts, and the wait after each.
///
/// The wait doubles, as RFC 8085 section 3.1.1 recommends. The request ends when the wait would
/// exceed `most`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The wait after the first attempt.
    pub first: Duration,
    /// The longest wait: attempts with a longer one are not made.
    pub most: Duration,
    /// Maximum number of attempts, if `most` allows more.
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
    /// The wait after attempt `number`, from 1; `None` if that attempt is not made. There is always
    /// a first one.
    pub fn wait(&self, number: u32) -> Option<Duration> {
        if number == 0 || self.attempts.is_some_and(|most| number > most.max(1)) {
            return None;
        }
        let factor = 1_u32.checked_shl(number - 1)?;
        let wait = self.first.checked_mul(factor)?;
        (number == 1 || (wait <= self.most && !self.first.is_zero())).then_some(wait)
    }
}

/// Writes each attempt of a request, and judges the replies.
pub trait Request {
    /// The value of an answer.
    type Answer;

    /// Writes attempt number `attempt`, from 1, which is sent at `now`.
    fn write(&mut self, now: Instant, attempt: u32, out: &mut Vec<u8>);

    /// Judges a datagram from the requested host.
    fn judge(&mut self, now: Instant, payload: &[u8]) -> Verdict<Self::Answer>;
}

/// The judgement of a datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<A> {
    /// The answer, which ends the request.
    Answer(A),
    /// The datagram is not the answer, for this reason. The answer may still arrive.
    Stray(String),
}

/// The same request in each attempt, answered by any datagram.
impl Request for Box<[u8]> {
    type Answer = Box<[u8]>;

    fn write(&mut self, _: Instant, _: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn judge(&mut self, _: Instant, payload: &[u8]) -> Verdict<Box<[u8]>> {
        Verdict::Answer(payload.into())
    }
}

/// An event of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked<A = Box<[u8]>> {
    /// A datagram arrived that is not the answer, or not yet.
    Stray {
        /// The datagram's sender.
        from: SocketAddr,
        /// The datagram's bytes.
        payload: Box<[u8]>,
        /// Why the datagram is not the answer; `None`: the datagram came from another port than the
        /// requested one.
        why: Option<String>,
    },
    /// An attempt failed with an error that may be temporary, such as no route. The request
    /// continues.
    Undelivered,
    /// An attempt was not sent; the driver's counters have the reason. The request continues,
    /// because a full queue soon has space; if nothing can be sent at all, use [`Ask::give_up`].
    Unsent,
    /// The request has ended.
    Over(Outcome<A>),
}

/// A request's result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome<A = Box<[u8]>> {
    /// The answer and its sender, or why there is none.
    pub result: Result<(SocketAddr, A), NoReply>,
    /// The number of attempts.
    pub attempts: u32,
    /// The time from the first attempt to the end.
    pub elapsed: Duration,
    /// Datagrams that were not answers.
    pub strays: u64,
}

/// Why there is no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoReply {
    /// The port is closed (ICMP port unreachable).
    Refused,
    /// A firewall rejects the request, or ICMP reported another permanent error.
    Undelivered,
    /// This host did not send it.
    Unsent,
    /// No answer arrived in time.
    TimedOut,
}

/// Maximum number of strays queued for the driver, which drains after each batch.
const MAX_EVENTS: usize = 64;

/// A request, repeated until it is answered, refused, or given up. Its last event is an
/// [`Outcome`].
///
/// ```
/// # use pigeon_client::{Ask, Asked, RetryPolicy};
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
/// let Asked::Over(outcome) = first_event(ask, socket, clock)? else { panic!() };
/// assert_eq!(outcome.result.unwrap().1[..], b"Your data was 17 bytes"[..]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Ask<R: Request = Box<[u8]>> {
    to: SocketAddr,
    request: R,
    policy: RetryPolicy,
    anybody: bool,
    began: Instant,
    attempts: u32,
    /// Attempts that were not sent.
    unsent: u32,
    strays: u64,
    /// The first answer from another port, and the attempt it belongs to.
    elsewhere: Option<(SocketAddr, R::Answer, u32)>,
    deadline: Option<Instant>,
    outbox: Outbox,
    events: VecDeque<Asked<R::Answer>>,
}

impl Ask {
    /// Repeats the same bytes in each attempt. Makes the first attempt at once.
    pub fn new(now: Instant, to: SocketAddr, request: &[u8], policy: RetryPolicy) -> Self {
        Ask::with(now, to, request.into(), policy)
    }
}

impl<R: Request> Ask<R> {
    /// Lets `request` write each attempt. Makes the first attempt at once.
    pub fn with(now: Instant, to: SocketAddr, request: R, policy: RetryPolicy) -> Self {
        let mut ask = Ask {
            to,
            request,
            policy,
            anybody: to.ip().is_multicast(),
            began: now,
            attempts: 0,
            unsent: 0,
            strays: 0,
            elsewhere: None,
            deadline: None,
            outbox: Outbox::new(),
            events: VecDeque::new(),
        };
        ask.attempt(now);
        ask
    }

    /// Accepts answers from any host, as with a group: for a broadcast address.
    pub fn of_anybody(self) -> Self {
        Ask { anybody: true, ..self }
    }

    /// Ends the request: nothing can be sent, and retrying would not help.
    pub fn give_up(&mut self, now: Instant) {
        if !self.is_over() {
            self.end(now, Err(NoReply::Unsent));
        }
    }

    /// Makes another attempt, or gives up.
    fn attempt(&mut self, now: Instant) {
        let wait = self.policy.wait(self.attempts + 1);
        let is_enough = |came: &(_, _, u32)| wait.is_none() || self.attempts > came.2;
        if let Some((from, answer, _)) = self.elsewhere.take_if(|came| is_enough(came)) {
            return self.end(now, Ok((from, answer)));
        }
        match wait {
            Some(wait) => {
                self.attempts += 1;
                self.deadline = Some(now + wait);
                let (request, attempt) = (&mut self.request, self.attempts);
                let range = self.outbox.append(|out| request.write(now, attempt, out));
                self.outbox.queue(self.to, None, range);
            }
            None if self.unsent == self.attempts => self.end(now, Err(NoReply::Unsent)),
            None => self.end(now, Err(NoReply::TimedOut)),
        }
    }

    fn end(&mut self, now: Instant, result: Result<(SocketAddr, R::Answer), NoReply>) {
        self.deadline = None;
        let attempts = self.attempts.saturating_sub(self.unsent);
        let (elapsed, strays) = (now - self.began, self.strays);
        self.events.push_back(Asked::Over(Outcome { result, attempts, elapsed, strays }));
    }

    /// Ends the request for an error about `peer`, if that is the requested host. A request to many
    /// hosts continues: one may refuse while others answer.
    fn fail(&mut self, now: Instant, peer: Option<SocketAddr>, why: NoReply) {
        if self.concerns(peer) {
            self.end(now, Err(why));
        }
    }

    fn concerns(&self, peer: Option<SocketAddr>) -> bool {
        !self.is_over() && !self.anybody && peer.is_none_or(|peer| peer == self.to)
    }

    fn stray(&mut self, datagram: &Received<'_>, why: Option<String>) {
        self.strays += 1;
        if self.events.len() < MAX_EVENTS {
            let (from, payload) = (datagram.from, datagram.payload.into());
            self.events.push_back(Asked::Stray { from, payload, why });
        }
    }

    fn is_over(&self) -> bool {
        self.deadline.is_none()
    }
}

impl<R: Request> Machine for Ask<R> {
    type Event = Asked<R::Answer>;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.outbox.reset_if_drained();
        let from = datagram.from;
        if self.is_over() || !(self.anybody || from.ip() == self.to.ip()) {
            return;
        }
        match self.request.judge(now, datagram.payload) {
            Verdict::Answer(answer) if self.anybody || from == self.to => {
                self.end(now, Ok((from, answer)));
            }
            Verdict::Answer(answer) => {
                self.elsewhere.get_or_insert((from, answer, self.attempts));
                self.stray(datagram, None);
            }
            Verdict::Stray(why) => self.stray(datagram, Some(why)),
        }
    }

    fn handle_refused(&mut self, now: Instant, _: SocketId) {
        self.outbox.reset_if_drained();
        self.fail(now, None, NoReply::Refused);
    }

    fn handle_refused_by(&mut self, now: Instant, _: SocketId, peer: SocketAddr) {
        self.outbox.reset_if_drained();
        self.fail(now, Some(peer), NoReply::Refused);
    }

    fn handle_undelivered(
        &mut self,
        now: Instant,
        _: SocketId,
        peer: Option<SocketAddr>,
        passing: bool,
    ) {
        self.outbox.reset_if_drained();
        match passing {
            true if self.concerns(peer) && self.events.len() < MAX_EVENTS => {
                self.events.push_back(Asked::Undelivered);
            }
            true => {}
            false => self.fail(now, peer, NoReply::Undelivered),
        }
    }

    fn handle_unsent(&mut self, _: Instant, _: &Transmit, _: u64) {
        if !self.is_over() {
            self.unsent += 1;
            self.events.push_back(Asked::Unsent);
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

    fn poll_event(&mut self) -> Option<Asked<R::Answer>> {
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

    /// The result, provided that the end is the only event.
    fn outcome(network: &Network, ask: Node<Ask>) -> (Result<Box<[u8]>, NoReply>, u32, u64) {
        let [(_, Asked::Over(outcome))] = network.events(ask) else { panic!("one outcome") };
        let millis = u64::try_from(outcome.elapsed.as_millis()).unwrap();
        let result = outcome.result.clone().map(|(from, reply)| {
            assert_eq!(from, server());
            reply
        });
        (result, outcome.attempts, millis)
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

    /// Each attempt sends its own number; the answer is its square.
    struct Squares(Vec<u32>);

    impl Request for Squares {
        type Answer = u32;

        fn write(&mut self, _: Instant, attempt: u32, out: &mut Vec<u8>) {
            self.0.push(attempt);
            out.extend(attempt.to_string().bytes());
        }

        fn judge(&mut self, _: Instant, payload: &[u8]) -> Verdict<u32> {
            let said = std::str::from_utf8(payload).ok().and_then(|text| text.parse().ok());
            match self.0.iter().find(|asked| Some(**asked * **asked) == said) {
                Some(asked) => Verdict::Answer(*asked),
                None => Verdict::Stray("not a square that was asked for".to_string()),
            }
        }
    }

    fn square(payload: &[u8]) -> Option<Vec<u8>> {
        let number: u32 = std::str::from_utf8(payload).ok()?.parse().ok()?;
        Some((number * number).to_string().into_bytes())
    }

    #[test]
    fn an_answer_to_any_earlier_attempt_is_taken_and_known_for_what_it_answers() {
        let mut network = Network::new(4);
        let peer = network.add(server(), Peer::new().answering(square));
        network.set_conditions(peer, Direction::Up, delayed(350)).unwrap();
        let ask = Ask::with(network.now(), server(), Squares(vec![]), RetryPolicy::default());
        let ask = network.add(SocketAddr::from(([10, 0, 0, 2], 5000)), ask);
        network.run_for(Duration::from_secs(10));
        let [(_, Asked::Over(outcome))] = network.events(ask) else { panic!("one outcome") };
        // The third attempt is made before the first is answered.
        assert_eq!((&outcome.result, outcome.attempts), (&Ok((server(), 1)), 3));
    }

    /// Passes a datagram directly to the machine.
    fn hear(ask: &mut Ask<impl Request>, from: [u8; 4], port: u16, payload: &[u8]) {
        let datagram = Received::new(SocketAddr::from((from, port)), payload);
        ask.handle_datagram(Instant::ORIGIN, &datagram);
    }

    #[test]
    fn what_is_no_answer_is_reported_and_the_wait_goes_on() {
        let policy = RetryPolicy::default();
        let mut ask = Ask::with(Instant::ORIGIN, server(), Squares(vec![]), policy);
        hear(&mut ask, [10, 0, 0, 1], 7, b"spam");
        hear(&mut ask, [10, 0, 0, 9], 7, b"1");
        let Some(Asked::Stray { from, why: Some(_), .. }) = ask.poll_event() else { panic!() };
        assert_eq!((from, ask.poll_event()), (server(), None));
        assert!(ask.poll_timeout().is_some());
        hear(&mut ask, [10, 0, 0, 1], 7, b"1");
        let Some(Asked::Over(outcome)) = ask.poll_event() else { panic!() };
        assert_eq!((outcome.result, outcome.strays), (Ok((server(), 1)), 1));
    }

    #[test]
    fn another_port_is_reported_at_once_and_answers_if_the_one_asked_does_not() {
        let began = || Ask::new(Instant::ORIGIN, server(), b"?", RetryPolicy::default());
        let mut ask = began();
        hear(&mut ask, [10, 0, 0, 1], 8, b"other");
        assert!(matches!(ask.poll_event(), Some(Asked::Stray { why: None, .. })));
        hear(&mut ask, [10, 0, 0, 1], 7, b"asked");
        let Some(Asked::Over(outcome)) = ask.poll_event() else { panic!() };
        assert_eq!(outcome.result, Ok((server(), (*b"asked").into())));

        let mut ask = began();
        hear(&mut ask, [10, 0, 0, 1], 8, b"other");
        while let Some(deadline) = ask.poll_timeout() {
            while ask.poll_transmit().is_some() {}
            ask.handle_timeout(deadline);
        }
        let Some(Asked::Over(outcome)) = std::iter::from_fn(|| ask.poll_event()).last() else {
            panic!()
        };
        let other = SocketAddr::from(([10, 0, 0, 1], 8));
        assert_eq!((outcome.result, outcome.attempts), (Ok((other, (*b"other").into())), 2));
    }

    #[test]
    fn a_group_is_answered_by_anybody_and_refused_by_nobody() {
        let group = SocketAddr::from(([224, 0, 0, 251], 5353));
        let mut ask = Ask::new(Instant::ORIGIN, group, b"?", RetryPolicy::default());
        ask.handle_refused_by(Instant::ORIGIN, SocketId::FIRST, server());
        hear(&mut ask, [10, 0, 0, 9], 1234, b"here");
        let Some(Asked::Over(outcome)) = ask.poll_event() else { panic!() };
        let from = SocketAddr::from(([10, 0, 0, 9], 1234));
        assert_eq!(outcome.result, Ok((from, (*b"here").into())));
    }

    #[test]
    fn errors_end_it_unless_they_may_pass_or_are_about_another() {
        let (now, socket) = (Instant::ORIGIN, SocketId::FIRST);
        let other = Some(SocketAddr::from(([10, 0, 0, 9], 7)));
        let mut ask = Ask::new(now, server(), b"?", RetryPolicy::default());
        ask.handle_undelivered(now, socket, other, false);
        assert_eq!(ask.poll_event(), None);
        ask.handle_undelivered(now, socket, Some(server()), true);
        assert_eq!(ask.poll_event(), Some(Asked::Undelivered));
        ask.handle_undelivered(now, socket, Some(server()), false);
        let Some(Asked::Over(outcome)) = ask.poll_event() else { panic!() };
        assert_eq!((outcome.result, outcome.attempts), (Err(NoReply::Undelivered), 1));
        assert_eq!(ask.poll_timeout(), None);

        let mut ask = Ask::new(now, server(), b"?", RetryPolicy::default());
        let transmit = ask.poll_transmit().unwrap();
        ask.handle_unsent(now, &transmit, 1);
        assert_eq!((ask.poll_event(), ask.poll_timeout().is_some()), (Some(Asked::Unsent), true));
        ask.give_up(now);
        let Some(Asked::Over(outcome)) = ask.poll_event() else { panic!() };
        assert_eq!((outcome.result, outcome.attempts), (Err(NoReply::Unsent), 0));
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
