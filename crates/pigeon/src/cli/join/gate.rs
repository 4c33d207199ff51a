//! Connects a session, which uses plain datagrams, to a reliable member. To the session, the hub
//! looks like one with lossless datagrams.
//!
//! ```text
//!   Session ── heartbeat, text, /command ──▶ Gate ── say, command, quit ──▶ Member ──▶ the hub
//!           ◀─ answer, "NAME: TEXT", ^hb^ … ─     ◀─ message, notice, live ─
//! ```
//!
//! So all code that shows a room works for both links, and only reports of delivery differ.

use std::collections::VecDeque;
use std::net::SocketAddr;

use pigeon_client::reliable::{Event as SessionEvent, From, MessageId, SayError, State, Status};
use pigeon_datagram::Instant;
use pigeon_proto::frame::ByeReason;
use pigeon_proto::{
    Answer, Format, Gone, Label, Message, Name, Notice, Reason, Refusal, RoomName, Roster, Subject,
    Text, You, heartbeat,
};
use pigeon_text::escape;

use crate::base::member::{Event as MemberEvent, Fingerprint, Member};

/// Number of earlier messages shown at the first visit.
const BACKLOG: u64 = 20;

/// Maximum number of own messages remembered until the hub has stored them.
const MOST_SAID: usize = 1_024;

/// A change of delivery to report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    /// The hub has stored the message, or only relayed it if it stores nothing.
    Stored { text: String, is_kept: bool },
    /// The hub stores nothing, and relays what is said.
    KeepsNothing,
    /// The hub has refused this message. `None`: a message of an earlier session.
    Refused { text: Option<String>, why: Refused },
    /// The connection was lost; messages wait on this disk.
    Waits,
    /// The connection was restored, or the member goes on at this other hub.
    Back { elsewhere: Option<SocketAddr> },
    /// Another server answers at the hub's address.
    NotTheHub,
    /// This disk is full or fails; messages wait in memory.
    DiskFailed,
    /// The session ends while this many messages wait on this disk.
    LeftWaiting(usize),
}

/// The hub's reason, as a value if it is known, and as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) why: Option<Reason>,
    pub(super) text: String,
}

/// How messages are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DeliveryState {
    pub(super) is_connected: bool,
    /// Whether the hub stores messages.
    pub(super) stores: bool,
    /// Number of own messages that the hub does not have.
    pub(super) waiting: usize,
}

/// The gate's state of the hub and of own messages.
pub(super) struct Gate {
    secure_port: u16,
    /// The key of the hub in use.
    hub: Option<Fingerprint>,
    /// Whether it is another one than before, until it has welcomed the member.
    is_elsewhere: bool,
    name: Option<Name>,
    /// The author of this key's messages.
    author: Option<u128>,
    room: RoomName,
    is_member: bool,
    is_live: bool,
    /// Whether earlier messages are shown above those that are new: on a screen.
    shows_earlier: bool,
    wants_earlier: bool,
    /// The first position shown of the room, until earlier messages have been requested.
    first: Option<u64>,
    is_cut_off: bool,
    stores: bool,
    /// The number of members, as in answers to heartbeats.
    members: u64,
    version: u64,
    last: u64,
    /// Own messages that are not stored.
    said: VecDeque<(MessageId, String)>,
    /// When the member leaves after the session has left: once every message is stored, or at this
    /// time.
    leaves: Option<Instant>,
}

impl Gate {
    pub(super) fn new(secure_port: u16, shows_earlier: bool) -> Gate {
        Gate {
            secure_port,
            hub: None,
            is_elsewhere: false,
            name: None,
            author: None,
            room: RoomName::lobby(),
            is_member: false,
            is_live: false,
            shows_earlier,
            wants_earlier: false,
            first: None,
            is_cut_off: false,
            stores: true,
            members: 1,
            version: 0,
            last: 0,
            said: VecDeque::new(),
            leaves: None,
        }
    }

    /// How messages are delivered, of which so many wait.
    pub(super) fn delivery(&self, waiting: usize) -> DeliveryState {
        DeliveryState { is_connected: self.is_connected(), stores: self.stores, waiting }
    }

    /// Whether the hub is connected.
    pub(super) fn is_connected(&self) -> bool {
        self.is_member && !self.is_cut_off
    }

    /// The room, and the position of its newest message.
    pub(super) fn newest(&self) -> (&RoomName, u64) {
        (&self.room, self.last)
    }

    /// The label that the hub gives a member with this key while it has no name.
    pub(super) fn label(&self) -> Option<String> {
        self.author.map(|author| format!("key-{:08x}", (author >> 96) as u32))
    }

    /// When the member leaves even if messages are not stored.
    pub(super) fn leaves(&self) -> Option<Instant> {
        self.leaves
    }

    /// Handles a datagram of the session. Appends immediate answers to `back`, and returns a
    /// change of delivery.
    pub(super) fn session_says(
        &mut self,
        now: Instant,
        until: Instant,
        payload: &[u8],
        member: &mut Member,
        back: &mut Vec<Vec<u8>>,
    ) -> Option<Delivery> {
        let text = String::from_utf8_lossy(payload);
        let text = text.trim_end();
        if payload.starts_with(heartbeat::PLAIN) {
            if self.is_connected() {
                back.push(self.answer());
            }
        } else if text == "quit" {
            self.leaves = Some(if member.session().waiting() == 0 { now } else { until });
        } else if text.starts_with("/pass ") {
            // The member has given it already.
        } else if text.starts_with('/') && !text.starts_with("//") {
            member.with(now, |session| session.command(text));
        } else {
            let text = text.strip_prefix('/').unwrap_or(text);
            let room = self.room.clone();
            match member.with(now, |session| session.say(now, room, text.as_bytes())) {
                Ok(id) => {
                    if self.said.len() >= MOST_SAID {
                        self.said.pop_front();
                    }
                    self.said.push_back((id, text.to_string()));
                }
                Err(error) => {
                    let why = Refused { why: reason(error, text), text: error.to_string() };
                    return Some(Delivery::Refused { text: Some(text.to_string()), why });
                }
            }
        }
        None
    }

    /// Handles an event of the member: returns datagrams for the session and changes of delivery.
    pub(super) fn member_reports(
        &mut self,
        now: Instant,
        event: MemberEvent,
        member: &mut Member,
        back: &mut Vec<Vec<u8>>,
    ) -> Option<Delivery> {
        let event = match event {
            MemberEvent::Session(event) => event,
            // The link handles sockets.
            MemberEvent::Opens(..) | MemberEvent::Closes(_) => return None,
            MemberEvent::Met(hub) => {
                self.is_elsewhere |= self.hub.replace(hub).is_some_and(|before| before != hub);
                return None;
            }
            MemberEvent::Unreached(_) => {
                let is_news = !std::mem::replace(&mut self.is_cut_off, true);
                return is_news.then_some(Delivery::Waits);
            }
            MemberEvent::NotTheHub(_) => return Some(Delivery::NotTheHub),
        };
        match event {
            SessionEvent::Welcome(welcome) => {
                let was_cut_off = std::mem::take(&mut self.is_cut_off);
                let elsewhere = std::mem::take(&mut self.is_elsewhere).then(|| member.hub());
                self.is_member = true;
                self.name = welcome.name;
                self.author = Some(welcome.author);
                if self.room != welcome.room || !was_cut_off {
                    self.enter(welcome.room, now, member);
                }
                back.push(self.answer());
                let is_news = std::mem::replace(&mut self.stores, welcome.stores) && !self.stores;
                return match is_news {
                    true => Some(Delivery::KeepsNothing),
                    false => {
                        (was_cut_off || elsewhere.is_some()).then_some(Delivery::Back { elsewhere })
                    }
                };
            }
            SessionEvent::Message(message) if message.room == self.room => {
                self.last = self.last.max(message.position.get());
                if !self.is_live {
                    self.first.get_or_insert(message.position.get());
                }
                back.extend(self.datagram(&message));
                member.with(now, |it| it.processed(now, &message.room, message.position));
            }
            SessionEvent::Gap(gap) => {
                let (position, time) = (gap.position.get(), gap.wall.as_secs());
                back.push(line(&Notice::Missing { position, time, count: gap.count }));
            }
            SessionEvent::Live { room, position } if room == self.room => {
                self.is_live = true;
                self.show_earlier(now, position.get() + 1, member);
            }
            SessionEvent::Behind { room } if room == self.room => self.is_live = false,
            SessionEvent::Notice { line: words, .. } => {
                let words = format!("^hb^ {words}");
                if let Some(notice) = Notice::parse(words.as_bytes()) {
                    self.note(now, &notice, member);
                }
                back.push(words.into_bytes());
            }
            SessionEvent::Bye { reason, .. } => back.extend(goodbye(reason)),
            SessionEvent::Status(id, status) => {
                if let Status::Refused(_) = status {
                    member.with(now, |session| session.heard(now, id));
                }
                return self.settled(id, status);
            }
            SessionEvent::Renumbered { from, to } => {
                self.said.iter_mut().filter(|(id, _)| *id == from).for_each(|(id, _)| *id = to);
            }
            SessionEvent::State(state @ (State::Connecting { .. } | State::Ended)) => {
                self.is_live = false;
                let was_member = std::mem::take(&mut self.is_member);
                if was_member && state != State::Ended {
                    let is_news = !std::mem::replace(&mut self.is_cut_off, true);
                    return is_news.then_some(Delivery::Waits);
                }
            }
            SessionEvent::DiskFailed => return Some(Delivery::DiskFailed),
            _ => {}
        }
        None
    }

    /// Handles the status of an own message.
    fn settled(&mut self, id: MessageId, status: Status) -> Option<Delivery> {
        let is_over = !matches!(status, Status::Waiting | Status::Sending);
        if !is_over {
            return None;
        }
        let place = self.said.iter().position(|(said, _)| *said == id);
        let text = place.and_then(|place| self.said.remove(place)).map(|(_, text)| text);
        match status {
            Status::Refused(refused) => {
                let (why, words) = (refused.why(), refused.text.to_string());
                Some(Delivery::Refused { text, why: Refused { why, text: words } })
            }
            status => {
                let is_kept = status == Status::Stored;
                text.map(|text| Delivery::Stored { text, is_kept })
            }
        }
    }

    /// Updates our name and room from a notice.
    fn note(&mut self, now: Instant, notice: &Notice, member: &mut Member) {
        match notice {
            Notice::Name { name, room, word } => {
                // Or a restarted hub, which keeps the name, would store the next message without.
                member.with(now, |it| it.remain(name.as_ref(), room, word.as_deref()));
                self.name = name.clone();
                if *room != self.room {
                    self.enter(room.clone(), now, member);
                }
            }
            Notice::Roster(Roster { version, people, senders, .. }) => {
                self.version = *version;
                self.members = u64::from(*people) + u64::from(*senders);
            }
            Notice::News(news) => self.version = news.version,
            _ => {}
        }
    }

    /// Requests what stands above the first message shown, once a room.
    fn show_earlier(&mut self, now: Instant, end: u64, member: &mut Member) {
        let first = self.first.take().unwrap_or(end);
        if std::mem::take(&mut self.wants_earlier) {
            member.with(now, |it| it.command(&format!("/history {BACKLOG} {first}")));
        }
    }

    /// Follows another room, from its read position.
    fn enter(&mut self, room: RoomName, now: Instant, member: &mut Member) {
        let left = std::mem::replace(&mut self.room, room.clone());
        self.is_live = false;
        self.last = 0;
        self.first = None;
        self.wants_earlier = self.shows_earlier;
        member.with(now, |session| {
            if left != room {
                session.unfollow(&left);
            }
            session.follow(room, From::LeftOff { last: BACKLOG });
        });
    }

    /// Formats a message like a plain member's: live, or as an earlier one.
    fn datagram(&self, message: &Message) -> Option<Vec<u8>> {
        if self.is_live {
            let (name, text) = (escape(&*message.speaker), escape(&*message.text));
            return Some(format!("{name}: {text}\n").into_bytes());
        }
        let unknown = || Label::parse("?");
        Some(line(&Notice::Said {
            position: message.position.get(),
            time: message.wall.as_secs(),
            link: message.link,
            name: Label::parse(&message.speaker).or_else(unknown)?,
            text: Text::of(&message.text)?,
        }))
    }

    fn answer(&self) -> Vec<u8> {
        let answer = Answer {
            members: self.members,
            secure_port: Some(self.secure_port),
            format: Some(Format::Chat),
            you: Some(You { name: self.name.clone(), room: Some(self.room.clone()) }),
            version: Some(self.version),
            last: Some(self.last),
        };
        let mut out = Vec::new();
        answer.write(heartbeat::PADDED_TO, &mut out);
        out
    }
}

/// Why a message was not accepted. A session ends early only because of the password.
fn reason(error: SayError, text: &str) -> Option<Reason> {
    match error {
        SayError::TooLong { most } => Some(Reason::TooLong { length: text.len() as u64, most }),
        SayError::Ended => Some(Reason::Password),
        SayError::Full => None,
    }
}

fn line(notice: &Notice) -> Vec<u8> {
    let mut out = Vec::new();
    notice.write(&mut out);
    out
}

fn goodbye(reason: ByeReason) -> Option<Vec<u8>> {
    let refused = |why| Notice::Refused(Refusal::new(Subject::Member, why));
    Some(line(&match reason {
        ByeReason::Kicked => Notice::Gone(Gone::Kicked),
        ByeReason::Banned => Notice::Gone(Gone::Banned),
        ByeReason::Stopped => Notice::Gone(Gone::Stopped),
        ByeReason::Password => refused(Reason::Password),
        ByeReason::Full => refused(Reason::HubFull),
        ByeReason::Replaced | ByeReason::Error | ByeReason::Unknown => return None,
    }))
}
