//! Connects a room's run to the core's messages and to its members.

use pigeon_proto::Language;
use pigeon_text::Encoding;

use super::members::Members;
use super::render;
use super::run::{Audience, Render, Style, Waiting};
use crate::core::id::{MemberId, RoomId, Slot};
use crate::core::message::Entry;
use crate::core::rooms::Room;
use crate::core::state::Core;

/// The readers of a room and their styles.
#[derive(Clone, Copy)]
pub(super) struct Readers<'a> {
    core: &'a Core,
    roster: &'a [Slot],
    members: &'a Members,
    /// Instead of the roster, which has changed since some were served.
    order: Option<&'a [Option<MemberId>]>,
}

impl<'a> Readers<'a> {
    pub(super) fn of(core: &'a Core, room: RoomId, members: &'a Members) -> Self {
        let roster = core.room(room).map_or(&[][..], Room::roster);
        Readers { core, roster, members, order: None }
    }

    /// These readers in an order that [`order`](Self::order) returned before.
    pub(super) fn in_order(self, order: Option<&'a [Option<MemberId>]>) -> Self {
        Readers { order, ..self }
    }

    /// The readers in their order, to be noted.
    pub(super) fn order(&self) -> impl Iterator<Item = MemberId> {
        self.roster.iter().map(|&slot| self.core.id(slot))
    }
}

impl Audience for Readers<'_> {
    fn len(&self) -> usize {
        self.order.map_or(self.roster.len(), <[_]>::len)
    }

    fn at(&self, place: usize) -> Option<Slot> {
        match self.order {
            None => self.roster.get(place).copied(),
            Some(order) => self.core.find_id((*order.get(place)?)?),
        }
    }

    fn style(&self, slot: Slot) -> Option<Style> {
        self.members.has_slot(slot).then(|| self.members.style(slot))
    }
}

/// Renders the core's messages as lines.
pub(super) struct Renderer<'a> {
    pub(super) core: &'a Core,
    pub(super) scratch: &'a mut Scratch,
}

impl Render for Renderer<'_> {
    fn render(&mut self, message: Waiting, style: Style, out: &mut Vec<u8>) {
        let Some(entry) = self.core.batch().get(message.number) else { return };
        let (start, language) = (out.len(), self.core.config().language);
        if style.encoding == Encoding::UTF_8 {
            render::line(&entry, style.format, out);
            return render::bound(start, Encoding::UTF_8, language, out);
        }
        self.scratch.line(&entry, style);
        out.extend_from_slice(self.scratch.encode(style.encoding, language));
    }

    fn find(&self, member: MemberId) -> Option<Slot> {
        self.core.find_id(member)
    }
}

/// Buffers, reused from message to message.
#[derive(Default)]
pub(super) struct Scratch {
    line: Vec<u8>,
    text: String,
}

impl Scratch {
    /// A message in the style's format, in UTF-8.
    pub(super) fn line(&mut self, entry: &Entry<'_>, style: Style) -> &[u8] {
        self.line.clear();
        render::line(entry, style.format, &mut self.line);
        &self.line
    }

    /// That line in an encoding.
    pub(super) fn encode(&mut self, encoding: Encoding, language: Language) -> &[u8] {
        if encoding != Encoding::UTF_8 {
            self.text.clear();
            Encoding::UTF_8.decode_to(&self.line, &mut self.text);
            self.line.clear();
            render::encode(encoding, &self.text, language, &mut self.line);
        }
        render::bound(0, encoding, language, &mut self.line);
        &self.line
    }
}
