//! Discovery: sends a request to many hosts at once, and collects the answers.
//!
//! ```text
//!   request   1        2            3
//!   sent at   0        1/4          1/2                    of the time limit
//! ```
//!
//! The request is sent three times because broadcasts are easily lost: no layer retransmits them,
//! and Wi-Fi sends them at its lowest rate without acknowledgement. A peer that answers all three
//! is reported once.

use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Outbox, Received, Transmit};
use pigeon_proto::{Discover as HubQuestion, Door, Here, Name, Nonce};

/// How often the request is sent.
const QUESTIONS: usize = 3;

/// Maximum number of peers reported. More answers than that are an attack.
const MAX_PEERS: usize = 65_536;

/// The request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// `/discover NONCE`, which hubs answer. The number must be unpredictable for strangers.
    Hubs(u64),
    /// These bytes; any answer counts.
    Anybody(Box<[u8]>),
}

/// A peer that answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovered {
    /// The hub's address.
    pub from: SocketAddr,
    /// From the request to the answer. A hub waits up to 200 ms before it answers.
    pub round_trip: Duration,
    /// Whether the answered request is known. If not, `round_trip` counts from the first, and is an
    /// upper bound.
    pub exact: bool,
    /// The answer.
    pub payload: Box<[u8]>,
    /// A hub's information; `None` if any answer counts.
    pub hub: Option<HubAnswer>,
}

/// A hub's information about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubAnswer {
    /// The hub's name.
    pub name: Name,
    /// The hub's number of members.
    pub members: u64,
    /// The port of encrypted links; `None` if it has none.
    pub secure_port: Option<u16>,
    /// The hub's id and first listening address. Older hubs omit them.
    pub door: Option<Door>,
}

/// An event of a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Search {
    /// A peer answered for the first time.
    Found(Discovered),
    /// The time has expired.
    Over,
}

/// A search from one socket: sends requests to all targets, and reports each peer once.
#[derive(Debug)]
pub struct Discover {
    targets: Vec<SocketAddr>,
    question: Question,
    began: Instant,
    lasts: Duration,
    /// When each request was sent.
    asked: Vec<Instant>,
    found: BTreeSet<SocketAddr>,
    is_over: bool,
    outbox: Outbox,
    events: VecDeque<Search>,
}

impl Discover {
    /// A search of all `targets` (broadcast addresses, groups, hosts) for the time `lasts`. Sends
    /// the first request at once.
    pub fn new(
        now: Instant,
        targets: Vec<SocketAddr>,
        question: Question,
        lasts: Duration,
    ) -> Self {
        let mut discover = Discover {
            targets,
            question,
            began: now,
            lasts,
            asked: Vec::new(),
            found: BTreeSet::new(),
            is_over: false,
            outbox: Outbox::new(),
            events: VecDeque::new(),
        };
        discover.ask(now);
        discover
    }

    fn ask(&mut self, now: Instant) {
        let payload = match &self.question {
            Question::Anybody(payload) => payload.to_vec(),
            Question::Hubs(secret) => {
                let nonce = nonce(*secret, self.asked.len());
                let nonce = Nonce::new(nonce.as_bytes());
                nonce.map(|nonce| HubQuestion { nonce }.to_bytes()).unwrap_or_default()
            }
        };
        self.asked.push(now);
        let range = self.outbox.append(|bytes| bytes.extend_from_slice(&payload));
        for to in &self.targets {
            self.outbox.queue(*to, None, range.clone());
        }
    }

    /// When the next request is due, or the end.
    fn due(&self) -> Option<Instant> {
        let after = match self.asked.len() {
            _ if self.is_over => return None,
            1 => self.lasts / 4,
            2 => self.lasts / 2,
            _ => self.lasts,
        };
        Some(self.began + after)
    }

    /// Parses an answer; `None` if it does not match our requests.
    fn read(&self, now: Instant, datagram: &Received<'_>) -> Option<Discovered> {
        let (asked, exact, hub) = match &self.question {
            Question::Anybody(_) => (*self.asked.first()?, self.asked.len() == 1, None),
            Question::Hubs(secret) => {
                let here = Here::parse(datagram.payload)?;
                let number = (0..self.asked.len())
                    .find(|&number| nonce(*secret, number) == here.nonce.as_str())?;
                let Here { name, members, secure_port, door, .. } = here;
                let hub = HubAnswer { name, members, secure_port, door };
                (*self.asked.get(number)?, true, Some(hub))
            }
        };
        let (from, payload) = (datagram.from, datagram.payload.into());
        Some(Discovered { from, round_trip: now - asked, exact, payload, hub })
    }
}

/// The nonce of one request. Each request has its own, because a hub answers a nonce once and that
/// answer may be lost. The nonce also shows which request was answered.
fn nonce(secret: u64, number: usize) -> String {
    format!("{secret:016x}{number}")
}

impl Machine for Discover {
    type Event = Search;

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.outbox.reset_if_drained();
        if self.is_over || self.found.len() >= MAX_PEERS || self.found.contains(&datagram.from) {
            return;
        }
        if let Some(discovered) = self.read(now, datagram) {
            self.found.insert(datagram.from);
            self.events.push_back(Search::Found(discovered));
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.outbox.reset_if_drained();
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        if self.asked.len() < QUESTIONS && now < self.began + self.lasts {
            self.ask(now);
        } else {
            self.is_over = true;
            self.events.push_back(Search::Over);
        }
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.outbox.poll()
    }

    fn outbox(&self) -> &[u8] {
        self.outbox.bytes()
    }

    fn poll_event(&mut self) -> Option<Search> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.due()
    }
}

#[cfg(test)]
mod tests {
    use pigeon_netsim::path::Conditions;
    use pigeon_netsim::simulation::{Direction, Network, Node, Peer};
    use pigeon_proto::Format;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn host(n: u8) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, n], 9999))
    }

    fn search(network: &mut Network, targets: &[SocketAddr], question: Question) -> Node<Discover> {
        let discover = Discover::new(network.now(), targets.to_vec(), question, SECOND);
        network.add(SocketAddr::from(([10, 0, 0, 99], 5000)), discover)
    }

    /// The peers found, after how many milliseconds, and the end of the search.
    fn found(network: &Network, search: Node<Discover>) -> (Vec<(SocketAddr, u128, bool)>, u64) {
        let mut found = Vec::new();
        for (at, event) in network.events(search) {
            match event {
                Search::Found(one) => {
                    found.push((one.from, one.round_trip.as_millis(), one.exact));
                }
                Search::Over => return (found, at.as_nanos() / 1_000_000),
            }
        }
        panic!("the search is not over: {found:?}")
    }

    fn delayed(millis: u64) -> Conditions {
        Conditions { delay: Duration::from_millis(millis), ..Conditions::default() }
    }

    fn here(question: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(question).unwrap();
        let nonce = text.strip_prefix("/discover ")?.trim_end();
        Some(format!("/here {nonce} library 3 0 00000000000000ff 9998 raw").into_bytes())
    }

    #[test]
    fn everybody_is_asked_three_times_in_256_bytes_with_nonces_of_their_own() {
        let mut network = Network::new(1);
        let deaf = network.add(host(1), Peer::new());
        let search = search(&mut network, &[host(1)], Question::Hubs(7));
        network.run_for(SECOND * 2);
        assert_eq!(found(&network, search), (vec![], 1000));
        let heard = network.machine(deaf).received();
        let at: Vec<u64> = heard.iter().map(|one| one.at.as_nanos() / 1_000_000).collect();
        assert_eq!(at, [0, 250, 500]);
        let nonces: BTreeSet<&[u8]> =
            heard.iter().map(|one| one.payload.trim_ascii_end()).collect();
        assert_eq!(nonces.len(), 3);
        for one in heard {
            assert_eq!(one.payload.len(), HubQuestion::PADDED_TO);
            let nonce = one.payload.trim_ascii_end().strip_prefix(b"/discover ").unwrap();
            assert!(nonce.len() <= 32 && nonce.iter().all(u8::is_ascii_alphanumeric));
        }
    }

    #[test]
    fn each_hub_is_found_once_with_its_own_round_trip() {
        let mut network = Network::new(2);
        let near = network.add(host(1), Peer::new().answering(here));
        let far = network.add(host(2), Peer::new().answering(here));
        network.set_conditions(near, Direction::Up, delayed(20)).unwrap();
        // The answer to the first request arrives after the second request is sent. Its nonce shows
        // which request it answers.
        network.set_conditions(far, Direction::Up, delayed(300)).unwrap();
        let search = search(&mut network, &[host(1), host(2)], Question::Hubs(7));
        network.run_for(SECOND * 2);
        let expected = vec![(host(1), 20, true), (host(2), 300, true)];
        assert_eq!(found(&network, search), (expected, 1000));
        let door = Door { id: 0xff, port: 9998, format: Format::Raw };
        let name = Name::parse(b"library").unwrap();
        let hub = HubAnswer { name, members: 3, secure_port: None, door: Some(door) };
        assert!(network.events(search).iter().all(|(_, event)| match event {
            Search::Found(one) => one.hub.as_ref() == Some(&hub),
            Search::Over => true,
        }));
    }

    #[test]
    fn answers_to_nobody_s_question_are_not_counted() {
        type Answer = fn(&[u8]) -> Option<Vec<u8>>;
        let mut network = Network::new(3);
        let wrong: [Answer; 6] = [
            |question| Some(question.to_vec()),
            |_| Some(b"/here 1234 hub 3 0".to_vec()),
            |_| Some(b"/here".to_vec()),
            |_| Some(Vec::new()),
            |question| Some([b"x", &here(question)?[..]].concat()),
            |_| Some(b"\xff\xff\xff\xff /here".to_vec()),
        ];
        let targets: Vec<SocketAddr> = (1..).take(wrong.len()).map(host).collect();
        for (target, answer) in targets.iter().zip(wrong) {
            network.add(*target, Peer::new().answering(answer));
        }
        let search = search(&mut network, &targets, Question::Hubs(7));
        network.run_for(SECOND * 2);
        assert_eq!(found(&network, search), (vec![], 1000));
    }

    #[test]
    fn an_answer_that_may_belong_to_several_questions_says_so() {
        let mut network = Network::new(4);
        let near = network.add(host(1), Peer::new().answering(|_| Some(b"me".to_vec())));
        let far = network.add(host(2), Peer::new().answering(|_| Some(Vec::new())));
        network.set_conditions(near, Direction::Up, delayed(20)).unwrap();
        network.set_conditions(far, Direction::Up, delayed(300)).unwrap();
        let question = Question::Anybody((*b"who?").into());
        let search = search(&mut network, &[host(1), host(2)], question);
        network.run_for(SECOND * 2);
        let expected = vec![(host(1), 20, true), (host(2), 300, false)];
        assert_eq!(found(&network, search), (expected, 1000));
    }

    #[test]
    fn what_comes_after_the_end_is_too_late() {
        let mut network = Network::new(5);
        let late = network.add(host(1), Peer::new().answering(here));
        network.set_conditions(late, Direction::Up, delayed(1_001)).unwrap();
        let search = search(&mut network, &[host(1)], Question::Hubs(7));
        network.run_for(SECOND * 3);
        assert_eq!(found(&network, search), (vec![], 1000));
        assert_eq!(network.events(search).len(), 1);
    }
}
