//! The styles and pending messages of each room's plain members.

use std::collections::VecDeque;

use pigeon_datagram::Outbox;
use pigeon_text::Encoding;

use super::render;
use super::renderer::Readers;
use super::run::{Polled, Render, Run, Style, Train, Waiting};
use crate::core::id::{MemberId, RoomId, Slot};

/// Maximum number of encodings in one room: each needs a separate rendering.
const MAX_ENCODINGS: usize = 8;

/// Maximum number of runs that begin while others leave. After that the drain does not pause until
/// all is sent: a batch keeps its memory until then.
const MAX_BEGUN: usize = 4;

/// The plain link's data of a room.
struct RoomRun {
    room: RoomId,
    /// The number of members with each style: at most [`MAX_ENCODINGS`] per format.
    styles: Vec<(Style, u32)>,
    /// The number of messages sent to the room, or on their way to it.
    sent: u64,
    /// Those on their way, the oldest first, and perhaps one that gathers messages: `open` in all. The
    /// others are empty, and kept for their memory.
    runs: VecDeque<Run>,
    open: usize,
    /// The readers, since a drain paused: the roster may change, and nobody may be passed over or served
    /// twice. `None` stands for one that has left, or stands at another place. Empty otherwise.
    order: Vec<Option<MemberId>>,
}

/// The plain link's data of all rooms, by index.
///
/// A drain may pause so that the hub can receive messages of other speakers. Their run then
/// overtakes the older runs as far as those have come, and never further: each reader gets all
/// messages in the same order, and the first readers do not wait until the last have got the older
/// runs.
#[derive(Default)]
pub(super) struct Runs {
    rooms: Vec<Option<RoomRun>>,
    /// Rooms with messages in their current batch; the first is served.
    speaking: VecDeque<RoomId>,
    /// The drain has paused since the batch began.
    has_paused: bool,
    /// How many runs have begun since then.
    begun: usize,
}

impl RoomRun {
    /// The run that gathers messages, if one does.
    fn gathering(&self) -> Option<&Run> {
        self.open.checked_sub(1).map(|last| &self.runs[last]).filter(|run| !run.is_on_its_way())
    }

    /// The run that gathers messages, and whether it is new: opens one if there is none.
    fn gather(&mut self) -> (&mut Run, bool) {
        let is_new = self.gathering().is_none();
        if is_new {
            if self.runs.len() == self.open {
                self.runs.push_back(Run::default());
            }
            self.open += 1;
        }
        (&mut self.runs[self.open - 1], is_new)
    }

    /// The next train. `None`: everything is sent.
    fn poll(
        &mut self,
        readers: Readers<'_>,
        render: &mut impl Render,
        outbox: &mut Outbox,
    ) -> Option<(Slot, Train)> {
        while self.open > 0 {
            let (at, until) = self.next();
            let RoomRun { runs, styles, order, sent, .. } = self;
            let run = &mut runs[at];
            if !run.is_on_its_way() {
                *sent += run.len() as u64;
            }
            let readers = readers.in_order(Some(&order[..]).filter(|order| !order.is_empty()));
            let styles = styles.iter().map(|(style, _)| *style);
            match run.poll(until, &readers, styles, render, outbox) {
                Polled::Train(slot, train) => return Some((slot, train)),
                Polled::Behind => {}
                Polled::Over => {
                    self.runs.remove(at).into_iter().for_each(|run| self.runs.push_back(run));
                    self.open -= 1;
                }
            }
        }
        self.runs.truncate(2);
        self.order.clear();
        None
    }

    /// The newest run that is behind the one before it, else the oldest; and how far it may go.
    fn next(&self) -> (usize, usize) {
        let place = |at: usize| self.runs[at].place();
        let newest = (1..self.open).rev().find(|&at| place(at) < place(at - 1));
        newest.map_or((0, usize::MAX), |at| (at, place(at - 1)))
    }
}

impl Runs {
    /// Whether all rooms' messages have been sent.
    pub(super) fn are_silent(&self) -> bool {
        self.speaking.is_empty()
    }

    /// Whether another message of this many bytes stays below `most` in all styles of a room.
    pub(super) fn fits(&self, room: RoomId, more: usize, most: usize) -> bool {
        self.get(room).is_none_or(|room| {
            let bytes: usize = room.runs.iter().map(Run::bytes).sum();
            (bytes + more).saturating_mul(room.styles.len()) <= most
        })
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
        let was_silent = known.open == 0;
        let (run, is_new) = known.gather();
        run.push(message, bytes);
        if self.has_paused {
            // While the drain is paused, senders with messages in earlier runs have to wait. This
            // message is another sender's, so it goes first.
            self.begun += usize::from(is_new);
            self.speaking.retain(|speaking| *speaking != room);
            self.speaking.push_front(room);
        } else if was_silent {
            self.speaking.push_back(room);
        }
    }

    /// Adds a member with this style to a room.
    pub(super) fn enter(&mut self, room: RoomId, member: MemberId, style: Style) {
        let known = self.open(room);
        if known.gathering().is_some() {
            known.gather().0.enter(member);
        }
        if !known.order.is_empty() {
            known.order.push(Some(member));
        }
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
        self.get(room).is_none_or(|room| room.gathering().is_none())
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

    /// Takes the unsent messages for a member that leaves a room or, if it `stays` and changes this style,
    /// those of the runs on their way.
    pub(super) fn take_rest(
        &mut self,
        room: RoomId,
        member: MemberId,
        style: Style,
        stays: bool,
    ) -> Vec<Waiting> {
        let Some(known) = self.get_mut(room) else { return Vec::new() };
        let place = known.order.iter().position(|reader| *reader == Some(member));
        if let Some(place) = place {
            known.order[place] = None;
            if stays {
                known.order.push(Some(member));
            }
        }
        let mut rest = Vec::new();
        for run in known.runs.iter().take(known.open) {
            match place {
                _ if !run.is_on_its_way() && !stays => rest.extend(run.messages_for(member)),
                Some(place) => rest.extend(run.rest_for(place, member, style)),
                None => {}
            }
        }
        rest
    }

    /// Whether the drain of this batch has paused before all of it was sent.
    pub(super) fn are_on_their_way(&self) -> bool {
        self.has_paused
    }

    /// Whether the drain may pause.
    pub(super) fn may_pause(&self) -> bool {
        !self.are_silent() && self.begun < MAX_BEGUN
    }

    /// Pauses, and keeps the order of the readers of the current room.
    pub(super) fn pause(&mut self, order: impl Iterator<Item = MemberId>) {
        self.has_paused = true;
        let known = self.next().and_then(|room| self.get_mut(room));
        if let Some(known) = known.filter(|known| known.order.is_empty()) {
            known.order.extend(order.map(Some));
        }
    }

    /// The room with the next batch to send.
    pub(super) fn next(&self) -> Option<RoomId> {
        self.speaking.front().copied()
    }

    /// The next train of that room. `None` ends its batch.
    pub(super) fn poll(
        &mut self,
        room: RoomId,
        readers: Readers<'_>,
        render: &mut impl Render,
        outbox: &mut Outbox,
    ) -> Option<(Slot, Train)> {
        let polled = self.get_mut(room).and_then(|known| known.poll(readers, render, outbox));
        if polled.is_none() {
            if self.speaking.front() == Some(&room) {
                self.speaking.pop_front();
            }
            if self.are_silent() {
                (self.has_paused, self.begun) = (false, 0);
            }
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
        let fresh = || RoomRun {
            room,
            styles: Vec::new(),
            sent: 0,
            runs: VecDeque::new(),
            open: 0,
            order: Vec::new(),
        };
        let known = self.rooms[room.index()].get_or_insert_with(fresh);
        if known.room != room {
            *known = fresh();
        }
        known
    }
}
