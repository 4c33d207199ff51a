//! What the hub says: members' messages, its own lines, notices.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};

use pigeon_datagram::{MAX_PAYLOAD_V4, max_payload};
use pigeon_text::{Encoding, escape_to};

use crate::echo::Target;
use crate::hub::Hub;
use crate::members::{Flag, Slot};
use crate::rooms::{PORCH, RoomId};
use crate::run::{self, MAX_BATCH_BYTES};
use crate::{Dropped, Event, Format, Left, notices};

/// What every member gets when the hub stops, and what members of the formats without notices get
/// when the hub drops them.
pub(crate) const BYE: &[u8] = b"Bye!";

/// The most answers in one batch.
const MAX_ANSWERS: usize = 65_536;

impl Hub {
    /// Gives a message to everyone in a room. `None` speaks as the operator.
    pub(crate) fn relay(
        &mut self,
        speaker: Option<Slot>,
        room: RoomId,
        text: &[u8],
    ) -> Result<(), Dropped> {
        if text.len() > self.config.most_text() {
            return Err(Dropped::TextTooLong);
        }
        let Hub { config, members, outbox, .. } = self;
        let range = outbox.append(|bytes| match config.format {
            Format::Chat => {
                match speaker.map(|slot| (members.name(slot), members.address(slot))) {
                    Some((Some(name), _)) => bytes.extend_from_slice(name.as_str().as_bytes()),
                    // Writing to a vector cannot fail.
                    Some((None, address)) => drop(write!(bytes, "{address}")),
                    None => bytes.extend_from_slice(config.name.as_str().as_bytes()),
                }
                bytes.extend_from_slice(b": ");
                escape_to(bytes, text);
                bytes.push(b'\n');
            }
            Format::Classic => {
                bytes.extend_from_slice(b"Ack ");
                bytes.extend(text.iter().map(u8::to_ascii_uppercase));
                bytes.extend_from_slice(b". from ");
                match speaker {
                    Some(slot) => drop(write!(bytes, "{}", members.address(slot))),
                    None => bytes.extend_from_slice(config.name.as_str().as_bytes()),
                }
            }
            Format::Raw => bytes.extend_from_slice(text),
        });
        let has_room = self.outbox.bytes().len() <= MAX_BATCH_BYTES
            && self.rooms.get(room).is_some_and(|room| room.has_room_for(range.len()));
        let refused = match range.len() {
            length if length > MAX_PAYLOAD_V4 => Some(Dropped::TextTooLong),
            _ if !has_room => Some(Dropped::BatchFull),
            _ => None,
        };
        if let Some(reason) = refused {
            self.outbox.truncate(range.start);
            return Err(reason);
        }
        let except = if self.config.format == Format::Raw { speaker } else { None };
        let line = self.outbox.bytes().get(range.clone()).unwrap_or_default();
        self.echoes.sent(self.now, Target::Room(room), except, line);
        self.rooms.say(room, range.clone(), except);
        self.statistics.messages += 1;
        if self.config.report_messages {
            let from = speaker.map(|slot| self.members.address(slot));
            self.report(Event::Message { from, range });
        }
        Ok(())
    }

    /// `^hb^ pigeon/1 MEMBERS SECUREPORT`: always shorter than the padded heartbeat it answers.
    pub(crate) fn answer_heartbeat(&mut self, slot: Slot) {
        let members = self.members.len();
        let (to, from) = (self.members.address(slot), self.members.local(slot));
        self.send(to, from, |bytes| drop(write!(bytes, "^hb^ pigeon/1 {members} 0")));
    }

    /// One line from the hub to one member.
    pub(crate) fn tell(&mut self, slot: Slot, line: &str) {
        let line = self.line(line);
        self.send_text(slot, &line);
    }

    /// A line of the hub's own, as members of this format get it.
    pub(crate) fn line(&self, text: &str) -> String {
        let end = if self.config.format == Format::Chat { "\n" } else { "" };
        format!("* {text}{end}")
    }

    /// Text to one member, in what it reads. What comes back of it is an echo.
    pub(crate) fn send_text(&mut self, slot: Slot, text: &str) {
        let (to, from) = (self.members.address(slot), self.members.local(slot));
        let encoding = self.members.encoding(slot);
        self.echoes.sent(self.now, Target::Address(to), None, text.as_bytes());
        self.send(to, from, |bytes| match encoding {
            Encoding::UTF_8 => bytes.extend_from_slice(text.as_bytes()),
            other => run::encode(other, text, bytes),
        });
    }

    /// Bytes to an address. Beyond what a batch may hold they are dropped.
    pub(crate) fn send(
        &mut self,
        to: SocketAddr,
        from: Option<IpAddr>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        // A driver drains long before this; one that does not may not make the hub grow.
        if self.outbox.queued() >= MAX_ANSWERS || self.outbox.bytes().len() >= MAX_BATCH_BYTES {
            return self.statistics.count_dropped(Dropped::AnswersFull);
        }
        let range = self.outbox.append(write);
        if range.len() > max_payload(to) {
            // Possible only in an encoding that makes text longer, with a larger --max-text.
            self.outbox.truncate(range.start);
            return self.statistics.count_dropped(Dropped::TextTooLong);
        }
        self.outbox.queue(to, from, range);
    }

    /// Sends a member at once what its room's current batch still holds for it, because it is about
    /// to go to another room.
    pub(crate) fn deliver_now(&mut self, slot: Slot) {
        let Some(room) = self.rooms.get(self.members.room(slot)) else { return };
        let (to, from) = (self.members.address(slot), self.members.local(slot));
        let encoding = self.members.encoding(slot);
        for range in room.waiting(&self.members, slot) {
            match encoding {
                Encoding::UTF_8 => self.outbox.queue(to, from, range),
                encoding => {
                    let bytes = self.outbox.bytes().get(range).unwrap_or_default();
                    let text = Encoding::UTF_8.decode(bytes).into_owned();
                    self.send(to, from, |bytes| run::encode(encoding, &text, bytes));
                }
            }
        }
    }

    /// Tells a member that it is one no more.
    pub(crate) fn tell_dropped(&mut self, slot: Slot, reason: Left) {
        if self.config.format != Format::Chat {
            let (to, from) = (self.members.address(slot), self.members.local(slot));
            return self.send(to, from, |bytes| bytes.extend_from_slice(BYE));
        }
        let line = match reason {
            Left::TimedOut => format!(
                "you were silent for {:?} and are no member any more; \
                 whatever you send makes you one again",
                self.config.timeout
            ),
            Left::Moved => "your name was taken back from another address".to_string(),
            _ => format!("you were {}", reason.describe()),
        };
        self.tell(slot, &line);
    }

    /// Sends a room's gathered notices: one line for everyone, and a line of their own for those
    /// whom they are about. Rooms too large for notices get none, nor does who is quiet.
    pub(crate) fn send_notices(&mut self, id: RoomId) {
        let now = self.now;
        let ready = |notices: &notices::Notices| notices.due().is_some_and(|due| due <= now);
        let Some(room) = self.rooms.get_mut(id).filter(|room| ready(&room.notices)) else {
            return;
        };
        let news = std::mem::take(&mut room.notices);
        let Some(room) = self.rooms.get(id).filter(|room| room.len() <= self.config.notices_up_to)
        else {
            return;
        };
        let called = |address| match self.members.find(address) {
            Some(slot) => self.label(slot),
            None => SocketAddr::to_string(&address),
        };
        let shared = news.line(None, called);
        let lines: Vec<(Slot, Option<String>)> = room
            .slots()
            .filter(|&slot| !self.members.has(slot, Flag::Quiet))
            .map(|slot| {
                let address = self.members.address(slot);
                let concerned = news.concerns(address);
                let line =
                    if concerned { news.line(Some(address), called) } else { shared.clone() };
                (slot, line)
            })
            .collect();
        for (slot, line) in lines {
            if let Some(line) = line {
                self.tell(slot, &line);
            }
        }
    }

    /// Says `Bye!` to everyone.
    pub(crate) fn say_bye(&mut self) {
        let bye = self.outbox.append(|bytes| bytes.extend_from_slice(BYE));
        for room in self.rooms.ids() {
            self.rooms.say(room, bye.clone(), None);
        }
    }

    /// Which room a member's words go to.
    pub(crate) fn room_of_speech(&self, slot: Slot) -> Result<RoomId, Dropped> {
        match self.members.room(slot) {
            PORCH => Err(Dropped::NoPassword),
            room => Ok(room),
        }
    }
}
