//! Outgoing datagrams of the plain link: rooms' messages, and notices. Holds back the lines of
//! members on trial.

use pigeon_datagram::{Instant, Transmit};
use pigeon_proto::{Format, Language, Notice};
use pigeon_text::Encoding;

use super::costs;
use super::farewell::Farewell;
use super::lines;
use super::members::{Flag, Members};
use super::outgoing::{Outgoing, Route};
use super::render;
use super::renderer::{Readers, Renderer, Scratch};
use super::run::{Style, Waiting};
use super::runs::Runs;
use super::trial::{Lines, Trials};
use crate::core::id::{MemberId, RoomId, Slot};
use crate::core::members::Trait;
use crate::core::message::{Entry, MAX_BATCH_BYTES};
use crate::core::presence::Gathered;
use crate::core::rooms::Room;
use crate::core::state::Core;
use crate::statistics::Statistics;

/// The estimated work, in nanoseconds, after which a drain pauses while several addresses speak: 64
/// readers of one message. So a message that arrives meanwhile waits for one slice at most. A pause
/// costs the loop two system calls, a hundredth of the slice.
const SLICE: u64 = 110_000;

/// Everything queued for plain members.
#[derive(Default)]
pub(super) struct Delivery {
    runs: Runs,
    outgoing: Outgoing,
    farewell: Option<Farewell>,
    scratch: Scratch,
    trials: Trials,
    /// How much of rooms' messages may leave before the drain pauses, in estimated nanoseconds.
    left: Option<u64>,
    is_paused: bool,
}

impl Delivery {
    /// The bytes that transmits point into.
    pub(super) fn bytes(&self) -> &[u8] {
        self.outgoing.bytes()
    }

    /// Whether a room's current batch is empty.
    pub(super) fn is_silent(&self, room: RoomId) -> bool {
        self.runs.is_silent(room)
    }

    /// The cost of rendering a byte of text for a room, in nanoseconds.
    pub(super) fn renderings(&self, room: RoomId, is_plain: bool) -> usize {
        self.runs.renderings(room, is_plain)
    }

    /// The number of messages sent to a room.
    pub(super) fn sent(&self, room: RoomId) -> u64 {
        self.runs.sent(room)
    }

    /// The trials of possible automatic responders.
    pub(super) fn trials(&mut self) -> &mut Trials {
        &mut self.trials
    }

    /// When a trial continues.
    pub(super) fn trial_due(&self) -> Option<Instant> {
        self.trials.due()
    }

    /// A message's length in a style, in bytes before encoding.
    pub(super) fn length(&mut self, entry: &Entry<'_>, style: Style) -> usize {
        self.scratch.line(entry, style).len()
    }

    /// Whether a room's batch has space for a text, in every style read there.
    pub(super) fn fits(&self, room: RoomId, text: &[u8], format: Format) -> bool {
        self.runs.fits(room, render::most(text, format), MAX_BATCH_BYTES)
    }

    // Rooms.

    /// Ends a pause of the drain. While several addresses speak (`shared`), the drain pauses again
    /// after one [`SLICE`].
    pub(super) fn go_on(&mut self, shared: bool) {
        self.is_paused = false;
        self.left = (shared && self.farewell.is_none()).then_some(SLICE);
    }

    /// Whether the drain has paused before everything was sent.
    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    /// Whether the drain of this batch has paused before all of it was sent.
    pub(super) fn is_on_its_way(&self) -> bool {
        self.runs.are_on_their_way()
    }

    /// Whether the last batch has been sent. If so, clears its bytes.
    pub(super) fn end_batch(&mut self) -> bool {
        let is_over = self.runs.are_silent();
        if is_over {
            self.outgoing.reset_if_drained();
        }
        is_over
    }

    /// Whether a room accepts a reader of this encoding; `own` is the hub's own encoding.
    pub(super) fn takes_encoding(&self, room: RoomId, encoding: Encoding, own: Encoding) -> bool {
        self.runs.take_encoding(room, encoding, own)
    }

    /// Adds a member with this style to a room.
    pub(super) fn enter(&mut self, room: RoomId, member: MemberId, style: Style) {
        self.runs.enter(room, member, style);
    }

    /// Removes a member with this style from a room.
    pub(super) fn exit(&mut self, room: RoomId, style: Style) {
        self.runs.exit(room, style);
    }

    /// Changes the style of a member of a room.
    pub(super) fn change(&mut self, room: RoomId, from: Style, to: Style) {
        self.runs.change(room, from, to);
    }

    /// Adds a message, by its number in the core's batch, to a room's batch.
    pub(super) fn push(&mut self, core: &Core, room: RoomId, number: u32) {
        let Some(entry) = core.batch().get(number) else { return };
        let is_raw = core.room(room).is_some_and(Room::is_raw);
        let except = entry.member.filter(|_| is_raw);
        let format = if is_raw { Format::Raw } else { Format::Chat };
        self.runs.push(room, Waiting { number, except }, render::most(entry.text, format));
    }

    /// Sends a member the rest of a room's current batch at once, because it has moved to another room
    /// or, if it `stays`, because it will read another style.
    pub(super) fn deliver_now(
        &mut self,
        core: &mut Core,
        members: &Members,
        room: RoomId,
        member: MemberId,
        stays: bool,
    ) {
        let slot = member.slot();
        let (style, language) = (members.style(slot), core.config().language);
        for waiting in self.runs.take_rest(room, member, style, stays) {
            let Some(entry) = core.batch().get(waiting.number) else { continue };
            self.scratch.line(&entry, style);
            let line = self.scratch.encode(style.encoding, language).to_vec();
            self.send_to(core, members, slot, |bytes| bytes.extend_from_slice(&line));
        }
    }

    // Notices.

    /// Sends bytes to any address.
    pub(super) fn send(
        &mut self,
        statistics: &mut Statistics,
        route: Route,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        self.outgoing.send(statistics, route, write);
    }

    /// Sends bytes to a member, or holds them back while it is on trial.
    fn send_to(
        &mut self,
        core: &mut Core,
        members: &Members,
        slot: Slot,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        let route = members.route(slot);
        if !members.has(slot, Flag::OnTrial) {
            return self.send(core.statistics_mut(), route, write);
        }
        let mut line = Vec::new();
        write(&mut line);
        if !self.keep(core, members, slot, &line) {
            self.send(core.statistics_mut(), route, |bytes| bytes.extend_from_slice(&line));
        }
    }

    /// Holds back a line for a member on trial. At the limit, releases it and those before it.
    fn keep(&mut self, core: &mut Core, members: &Members, slot: Slot, line: &[u8]) -> bool {
        let member = core.id(slot);
        let is_kept = self.trials.keep(member, line);
        if !is_kept {
            let lines = self.trials.take_lines(member);
            self.send_lines(core.statistics_mut(), members.route(slot), &lines);
        }
        is_kept
    }

    /// Sends lines that were held back.
    pub(super) fn send_lines(&mut self, statistics: &mut Statistics, route: Route, lines: &Lines) {
        for line in lines.iter() {
            self.send(statistics, route, |bytes| bytes.extend_from_slice(line));
        }
    }

    /// Sends a notice to one member in its language: as a control line if it sends padded
    /// heartbeats, otherwise as a sentence. Members of raw rooms without padded heartbeats get
    /// none: they receive only data.
    pub(super) fn tell(
        &mut self,
        core: &mut Core,
        members: &Members,
        (slot, language): (Slot, Language),
        notice: &Notice,
    ) {
        if members.has(slot, Flag::Padded) {
            return self.send_to(core, members, slot, |bytes| notice.write(bytes));
        }
        if let Some(line) = lines::line(notice, language, members.format(slot)) {
            self.tell_line(core, members, (slot, language), &line);
        }
    }

    /// Sends an earlier message with its time to one member.
    pub(super) fn tell_said(
        &mut self,
        core: &mut Core,
        members: &Members,
        to: (Slot, Language),
        (notice, when): (&Notice, &str),
    ) {
        let format = members.format(to.0);
        if members.has(to.0, Flag::Padded) || format == Format::Raw {
            return self.tell(core, members, to, notice);
        }
        let line = lines::said(when, notice, to.1, format);
        self.tell_line(core, members, to, &line);
    }

    /// Sends a line to one member in its encoding.
    fn tell_line(
        &mut self,
        core: &mut Core,
        members: &Members,
        (slot, language): (Slot, Language),
        line: &str,
    ) {
        let encoding = members.encoding(slot);
        let write = |bytes: &mut Vec<u8>| render::encode(encoding, line, language, bytes);
        self.send_to(core, members, slot, write);
    }

    /// Sends the changes of a room: one sentence for everyone, and a separate one to each member
    /// concerned. Members that have turned notices off or read no sentences get none.
    pub(super) fn tell_news(
        &mut self,
        core: &mut Core,
        members: &Members,
        room: RoomId,
        gathered: &Gathered,
    ) {
        let Some(here) = core.room(room) else { return };
        let (name, version) = (here.name().clone(), here.version());
        let reads = |slot: &Slot| members.has_slot(*slot) && !core.has(*slot, Trait::Quiet);
        let readers: Vec<Slot> = here.roster().iter().copied().filter(reads).collect();
        let shared = gathered.news(None, &name, version);
        let sentences = Language::ALL.map(|language| lines::news(&shared, language));
        for slot in readers {
            let (member, language) = (core.id(slot), core.language(slot));
            let own =
                gathered.concerns(member).then(|| gathered.news(Some(member), &name, version));
            let news = own.as_ref().unwrap_or(&shared);
            if members.has(slot, Flag::Padded) {
                for news in news {
                    let notice = Notice::News(news.clone());
                    self.tell(core, members, (slot, language), &notice);
                }
            } else if members.format(slot) == Format::Chat && !news.is_empty() {
                let sentence = match own {
                    Some(own) => &lines::news(&own, language),
                    None => &sentences[language as usize],
                };
                self.tell_line(core, members, (slot, language), sentence);
            }
        }
    }

    /// Starts saying goodbye to all members.
    pub(super) fn say_bye(&mut self, members: &Members) {
        self.farewell = Some(Farewell::begin(members, self.outgoing.outbox()));
        self.left = None;
    }

    // Sending.

    /// The next transmit: lines to single addresses, then rooms' messages, then a goodbye. `None` may
    /// also mean a pause.
    pub(super) fn poll_transmit(&mut self, core: &mut Core, members: &Members) -> Option<Transmit> {
        loop {
            if let Some(transmit) = self.outgoing.poll() {
                core.statistics_mut().sent += 1;
                return Some(transmit);
            }
            let Some(room) = self.runs.next() else { break };
            let readers = Readers::of(core, room, members);
            if self.left == Some(0) && self.runs.may_pause() {
                self.runs.pause(readers.order());
                self.is_paused = true;
                return None;
            }
            let Delivery { runs, outgoing, scratch, .. } = self;
            let mut renderer = Renderer { core, scratch };
            let polled = runs.poll(room, readers, &mut renderer, outgoing.outbox());
            let Some((slot, train)) = polled else { continue };
            let work = costs::sending(train.datagrams, train.range.len());
            self.left = self.left.map(|left| left.saturating_sub(work));
            let transmit = members.route(slot).transmit(train.range);
            let transmit = Transmit { segment: train.segment, ..transmit };
            if !members.has(slot, Flag::OnTrial) {
                core.statistics_mut().sent += train.datagrams as u64;
                return Some(transmit);
            }
            let outbox = self.outgoing.bytes();
            let datagrams: Vec<Vec<u8>> = transmit.datagrams(outbox).map(<[u8]>::to_vec).collect();
            for line in datagrams {
                self.send_to(core, members, slot, |bytes| bytes.extend_from_slice(&line));
            }
        }
        let transmit = self.farewell.as_mut()?.poll(members);
        core.statistics_mut().sent += u64::from(transmit.is_some());
        transmit
    }
}
