//! Unanswered commands. Datagrams may be lost, so the session repeats such a command twice. It
//! never repeats `/msg`, which the recipient would see twice.

use std::collections::VecDeque;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{Command, Notice, Setting, Subject, Verb, fold};

/// How often a command is repeated.
const REPEATS: u8 = 2;

/// Maximum number of unanswered commands. Beyond it the oldest is dropped and counted.
const MAX_PENDING: usize = 16;

/// The origin of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// The user.
    Person,
    /// The session or a roster.
    Client,
}

/// A command with its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) asker: Asker,
    pub(super) verb: Verb,
    /// The requested name or room, folded.
    pub(super) wanted: Option<Box<str>>,
}

#[derive(Debug)]
struct Request {
    answered: Answered,
    /// How many entries of a list to skip.
    from: u32,
    datagram: Box<[u8]>,
    due: Instant,
    repeats: u8,
}

#[derive(Debug, Default)]
pub(super) struct Requests {
    pending: VecDeque<Request>,
    forgotten: u64,
}

impl Requests {
    /// Requests dropped because too many were unanswered.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Whether an answer with the session's name and room is pending.
    pub(super) fn wait_for_identity(&self) -> bool {
        let verbs = [Verb::Nick, Verb::Resume, Verb::Join, Verb::Leave, Verb::Pass];
        self.pending.iter().any(|request| verbs.contains(&request.answered.verb))
    }

    /// Whether this request of the client's own is pending.
    pub(super) fn is_pending(&self, command: &Command<'_>) -> bool {
        let datagram = command.to_bytes();
        self.pending.iter().any(|request| *request.datagram == datagram[..])
    }

    pub(super) fn timeout(&self) -> Option<Instant> {
        self.pending.iter().map(|request| request.due).min()
    }

    /// Records a sent command. `within` is how long to wait for its answer.
    pub(super) fn sent(
        &mut self,
        now: Instant,
        command: &Command<'_>,
        asker: Asker,
        within: Duration,
    ) {
        let verb = command.verb();
        if verb == Verb::Msg {
            return;
        }
        let (wanted, from) = match command {
            Command::Nick(Some(name)) => (Some(name.folded()), 0),
            Command::Join(room) => (Some(room.folded()), 0),
            Command::Who { from } | Command::Rooms { from } => (None, *from),
            _ => (None, 0),
        };
        let datagram: Box<[u8]> = command.to_bytes().into();
        // A command entered twice is pending once.
        self.pending.retain(|request| request.datagram != datagram);
        if self.pending.len() >= MAX_PENDING {
            self.pending.pop_front();
            self.forgotten += 1;
        }
        let answered = Answered { asker, verb, wanted };
        let due = now + within;
        self.pending.push_back(Request { answered, from, datagram, due, repeats: 0 });
    }

    /// Takes the request that a notice answers.
    pub(super) fn answer(&mut self, notice: &Notice) -> Option<Answered> {
        let at = self.pending.iter().position(|request| request.is_answered_by(notice))?;
        self.pending.remove(at).map(|request| request.answered)
    }

    /// The next command to repeat. Drops those that were repeated often enough.
    pub(super) fn repeat(&mut self, now: Instant, within: Duration) -> Option<Box<[u8]>> {
        self.pending.retain(|request| request.due > now || request.repeats < REPEATS);
        let late = self.pending.iter_mut().find(|request| request.due <= now)?;
        late.repeats += 1;
        late.due = now + within;
        Some(late.datagram.clone())
    }

    /// The hub is away: drops all requests.
    pub(super) fn clear(&mut self) {
        self.pending.clear();
    }
}

impl Request {
    fn is_answered_by(&self, notice: &Notice) -> bool {
        let Answered { verb, wanted, .. } = &self.answered;
        let is_wanted = |text: &str| wanted.as_ref().is_none_or(|wanted| fold(text) == *wanted);
        match (verb, notice) {
            (verb, Notice::Refused(refusal)) => refusal.what == Subject::Command(*verb),
            (Verb::Nick, Notice::Name { name, .. }) => {
                name.as_ref().map_or(wanted.is_none(), |name| is_wanted(name.as_str()))
            }
            (Verb::Join, Notice::Name { room, .. }) => is_wanted(room.as_str()),
            (Verb::Resume | Verb::Leave | Verb::Pass, Notice::Name { .. })
            | (Verb::Encoding, Notice::Set(Setting::Encoding(_)))
            | (Verb::Language, Notice::Set(Setting::Language(_)))
            | (Verb::Quiet, Notice::Set(Setting::Quiet(_)))
            | (Verb::History | Verb::Search, Notice::Said { .. } | Notice::Missing { .. })
            | (Verb::Help, Notice::Help) => true,
            (Verb::Who, Notice::Roster(roster)) => roster.from == self.from,
            (Verb::Rooms, Notice::Rooms { from, .. }) => *from == self.from,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use pigeon_proto::{Name, Reason, Refusal, RoomName};

    use super::*;

    const WITHIN: Duration = Duration::from_secs(2);

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    fn name(text: &str) -> Name {
        Name::parse(text.as_bytes()).unwrap()
    }

    fn named(name: Option<Name>) -> Notice {
        Notice::Name { name, room: RoomName::lobby(), word: None }
    }

    #[test]
    fn an_unanswered_command_is_repeated_twice() {
        let mut requests = Requests::default();
        requests.sent(at(0), &Command::Who { from: 0 }, Asker::Client, WITHIN);
        assert_eq!(requests.repeat(at(1), WITHIN), None);
        for due in [2, 4] {
            assert_eq!(requests.repeat(at(due), WITHIN).as_deref(), Some(&b"/who"[..]));
            assert_eq!(requests.repeat(at(due), WITHIN), None);
        }
        assert_eq!(requests.repeat(at(6), WITHIN), None);
        assert_eq!(requests.timeout(), None);
    }

    #[test]
    fn what_is_said_to_one_member_is_never_repeated() {
        let mut requests = Requests::default();
        let said = Command::parse(b"msg dog hi").unwrap();
        requests.sent(at(0), &said, Asker::Person, WITHIN);
        assert_eq!(requests.timeout(), None);
    }

    #[test]
    fn a_notice_answers_the_command_it_belongs_to() {
        let mut requests = Requests::default();
        let nick = Command::Nick(Some(name("狗哥")));
        requests.sent(at(0), &nick, Asker::Person, WITHIN);
        requests.sent(at(0), &Command::Who { from: 7 }, Asker::Client, WITHIN);
        assert!(requests.wait_for_identity());
        assert_eq!(requests.answer(&named(Some(name("猴哥")))), None);
        let refused = Refusal::new(Subject::Command(Verb::Who), Reason::HubRate);
        assert_eq!(requests.answer(&Notice::Refused(refused)).unwrap().verb, Verb::Who);
        let answered = requests.answer(&named(Some(name("狗哥")))).unwrap();
        assert_eq!((answered.asker, answered.verb), (Asker::Person, Verb::Nick));
        assert!(!requests.wait_for_identity());
    }

    #[test]
    fn requests_are_bounded() {
        let mut requests = Requests::default();
        for from in 0..100 {
            requests.sent(at(0), &Command::Who { from }, Asker::Client, WITHIN);
        }
        assert_eq!((requests.pending.len(), requests.forgotten()), (MAX_PENDING, 84));
    }
}
