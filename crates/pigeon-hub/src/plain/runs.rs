//! The styles and pending messages of each room's plain members.

use std::collections::VecDeque;

use pigeon_datagram::Outbox;
use pigeon_text::Encoding;

use super::render;
use super::run::{Audience, Render, Run, Style, Train, Waiting};
use crate::core::id::{MemberId, RoomId, Slot};

/// The most encodings in one room: each needs a separate rendering.
const MAX_ENCODINGS: usize = 8;

/// The plain link's data of a room.
struct RoomRun {
    room: RoomId,
    /// The number of members with each style: at most [`MAX_ENCODINGS`] per format.
    styles: Vec<(Style, u32)>,
    /// The number of messages sent to it.
    sent: u64,
    run: Run,
}

/// The plain link's data of all rooms, by index.
#[derive(Default)]
pub(super) struct Runs {
    rooms: Vec<Option<RoomRun>>,
    /// Rooms with messages in their current batch, in the order of their first.
    speaking: VecDeque<RoomId>,
}

impl Runs {
    /// Whether all rooms' messages have been sent.
    pub(super) fn are_silent(&self) -> bool {
        self.speaking.is_empty()
    }

    /// Whether another message of this many bytes stays below `most` in all styles of a room.
    pub(super) fn fits(&self, room: RoomId, more: usize, most: usize) -> bool {
        self.get(room).is_none_or(|room| room.run.fits(more, room.styles.len(), most))
    }

    /// Whether a room accepts a reader of this encoding. UTF-8, the hub's own encoding, and those
    /// that `auto` may detect have reserved places, which other members cannot take.
    pub(super) fn take_encoding(&self, room: RoomId, encoding: Encoding, own: Encoding) -> bool {
        let mut always = vec![Encoding::UTF_8, Encoding::GB18030];
        if !always.contains(&own) {
            always.push(own);
        }
        let mut others: Vec<Encoding> = Vec::new();
        for (style, _) in self.get(room).iter().flat_map(|room| &room.styles) {
            if ![&always, &others].iter().any(|known| known.contains(&style.encoding)) {
                others.push(style.encoding);
            }
        }
        let is_known = [&always, &others].iter().any(|known| known.contains(&encoding));
        is_known || always.len() + others.len() < MAX_ENCODINGS
    }

    /// Adds a message of at most this many bytes to a room's batch.
    pub(super) fn push(&mut self, room: RoomId, message: Waiting, bytes: usize) {
        // The room has no plain readers.
        let Some(known) = self.get_mut(room).filter(|room| !room.styles.is_empty()) else { return };
        let is_first = known.run.is_empty();
        known.run.push(message, bytes);
        if is_first {
            self.speaking.push_back(room);
        }
    }

    /// Adds a member with this style to a room.
    pub(super) fn enter(&mut self, room: RoomId, member: MemberId, style: Style) {
        let known = self.open(room);
        known.run.enter(member);
        match known.styles.iter_mut().find(|(known, _)| *known == style) {
            Some((_, count)) => *count += 1,
            None => known.styles.push((style, 1)),
        }
    }

    /// Removes a member with this style from a room.
    pub(super) fn exit(&mut self, room: RoomId, style: Style) {
        let Some(known) = self.get_mut(room) else { return };
        let at = known.styles.iter().position(|(known, _)| *known == style);
        debug_assert!(at.is_some(), "nobody reads {style:?}");
        let Some(at) = at else { return };
        known.styles[at].1 -= 1;
        if known.styles[at].1 == 0 {
            known.styles.swap_remove(at);
        }
    }

    /// Changes the style of a member of a room.
    pub(super) fn change(&mut self, room: RoomId, from: Style, to: Style) {
        self.exit(room, from);
        let known = self.open(room);
        match known.styles.iter_mut().find(|(known, _)| *known == to) {
            Some((_, count)) => *count += 1,
            None => known.styles.push((to, 1)),
        }
    }

    /// Whether a room's current batch is empty.
    pub(super) fn is_silent(&self, room: RoomId) -> bool {
        self.get(room).is_none_or(|room| room.run.is_empty())
    }

    /// The cost of rendering a byte of text for a room, in nanoseconds.
    pub(super) fn renderings(&self, room: RoomId, is_plain: bool) -> usize {
        let styles = self.get(room).map_or(&[][..], |room| &room.styles);
        styles.iter().map(|(style, _)| render::weight(*style, is_plain)).sum()
    }

    /// The number of messages sent to a room.
    pub(super) fn sent(&self, room: RoomId) -> u64 {
        self.get(room).map_or(0, |room| room.sent)
    }

    /// The messages for a member in a room's current batch.
    pub(super) fn messages_for(&self, room: RoomId, member: MemberId) -> Vec<Waiting> {
        self.get(room).map_or_else(Vec::new, |room| room.run.messages_for(member).collect())
    }

    /// The room with the next batch to send.
    pub(super) fn next(&self) -> Option<RoomId> {
        self.speaking.front().copied()
    }

    /// The next train of that room. `None` ends its batch.
    pub(super) fn poll(
        &mut self,
        room: RoomId,
        audience: &impl Audience,
        render: &mut impl Render,
        outbox: &mut Outbox,
    ) -> Option<(Slot, Train)> {
        let polled = self.get_mut(room).and_then(|known| {
            let styles = known.styles.iter().map(|(style, _)| *style);
            let messages = known.run.len() as u64;
            let polled = known.run.poll(audience, styles, render, outbox);
            if polled.is_none() {
                known.sent += messages;
            }
            polled
        });
        if polled.is_none() {
            self.speaking.pop_front_if(|speaking| *speaking == room);
        }
        polled
    }

    fn get(&self, room: RoomId) -> Option<&RoomRun> {
        self.rooms.get(room.index())?.as_ref().filter(|known| known.room == room)
    }

    fn get_mut(&mut self, room: RoomId) -> Option<&mut RoomRun> {
        self.rooms.get_mut(room.index())?.as_mut().filter(|known| known.room == room)
    }

    /// A room's data; new if another room used the index before.
    fn open(&mut self, room: RoomId) -> &mut RoomRun {
        if self.rooms.len() <= room.index() {
            self.rooms.resize_with(room.index() + 1, || None);
        }
        let fresh = || RoomRun { room, styles: Vec::new(), sent: 0, run: Run::default() };
        let known = self.rooms[room.index()].get_or_insert_with(fresh);
        if known.room != room {
            *known = fresh();
        }
        known
    }
}
