//! Members' encodings, and the limits of rooms.

use pigeon_proto::{Format, Language, Notice, Reason, Refusal, Setting, Subject, Verb};
use pigeon_text::{Charset, Encoding};

use super::members::Flag;
use super::{Plain, lines, render};
use crate::core::id::{MemberId, RoomId, Slot};
use crate::core::rooms::Room;
use crate::core::state::Core;
use crate::event::Remark;
use crate::statistics::Dropped;

impl Plain {
    /// Whether a member may use this encoding in its room.
    pub(super) fn may_read(&self, core: &Core, slot: Slot, charset: Charset) -> bool {
        let room = core.room_of(slot).map(Room::id);
        room.is_none_or(|room| self.has_encoding(core, room, written(charset)))
    }

    /// Whether a room accepts a reader of this encoding.
    fn has_encoding(&self, core: &Core, room: RoomId, encoding: Encoding) -> bool {
        self.delivery.takes_encoding(room, encoding, written(core.config().encoding))
    }

    /// A member with `/encoding auto` has written in this encoding, and reads it from now on.
    pub(super) fn write_in(&mut self, core: &mut Core, slot: Slot, used: Encoding) {
        if self.members.charset(slot) == Charset::Auto && self.members.encoding(slot) != used {
            self.change(core, slot, |members| members.set_used(slot, used));
        }
    }

    /// Adds a member to a room. If the room accepts no further encoding, the member gets the hub's
    /// own, and a notice.
    pub(super) fn enter(&mut self, core: &mut Core, member: MemberId, room: RoomId) {
        let slot = member.slot();
        if !self.has_encoding(core, room, self.members.encoding(slot)) {
            let own = core.config().charset(self.members.format(slot));
            self.members.set_charset(slot, own);
            let what = Subject::Command(Verb::Encoding);
            let refused = Refusal::new(what, Reason::TooManyEncodings);
            self.tell(core, slot, &Notice::Refused(refused));
            self.tell(core, slot, &Notice::Set(Setting::Encoding(own)));
            core.statistics_mut().count_dropped(Dropped::EncodingsFull);
        }
        self.delivery.enter(room, member, self.members.style(slot));
    }

    /// Notifies a member once that its text is not valid UTF-8, if that is its encoding.
    pub(super) fn hint(&mut self, core: &mut Core, slot: Slot, payload: &[u8]) {
        let concerns = self.members.format(slot) != Format::Raw
            && self.members.charset(slot) == Charset::default()
            && !self.members.has(slot, Flag::Hinted);
        if !concerns || std::str::from_utf8(payload).is_ok() {
            return;
        }
        self.members.set(slot, Flag::Hinted, true);
        core.remark(slot, Remark::NotUtf8);
        if self.members.has(slot, Flag::Padded) {
            return core.reply(core.id(slot), Notice::NotUtf8);
        }
        // A program that writes GBK cannot read Chinese in UTF-8. For anything else the hint is in
        // ASCII.
        let is_gb = Encoding::GB18030.decode_to(payload, &mut String::new());
        let (language, encoding) = match core.language(slot) {
            Language::Chinese if is_gb => (Language::Chinese, Encoding::GB18030),
            _ => (Language::English, Encoding::UTF_8),
        };
        if let Some(line) = lines::line(&Notice::NotUtf8, language, self.members.format(slot)) {
            let route = self.members.route(slot);
            self.send(core, route, |bytes| render::encode(encoding, &line, language, bytes));
        }
    }

    /// A line in the socket's own encoding.
    pub(super) fn in_own_encoding(&self, core: &Core, line: &str, format: Format) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoding = written(core.config().charset(format));
        render::encode(encoding, line, core.config().language, &mut bytes);
        bytes
    }
}

/// The first encoding of readers with this charset.
fn written(charset: Charset) -> Encoding {
    match charset {
        Charset::Auto => Encoding::UTF_8,
        Charset::Fixed(encoding) => encoding,
    }
}
