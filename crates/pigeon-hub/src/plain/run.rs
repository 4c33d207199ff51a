//! The messages of one batch in one room, and the trains that carry them to its plain members.
//!
//! Fan-out is transposed: K messages to N members leave as N trains instead of K×N datagrams. Each
//! message is rendered once for each style read in the room, in sequence in the outbox. Consecutive
//! messages of equal size, the last perhaps shorter, form a train that the kernel splits
//! (`UDP_SEGMENT`, udp(7)). All trains of a style point at the same bytes.

use std::num::NonZeroU16;
use std::ops::Range;

use pigeon_datagram::{MAX_PAYLOAD_V4, MAX_TRAIN_SEGMENTS, Outbox};
use pigeon_proto::Format;
use pigeon_text::Encoding;

use crate::core::id::{MemberId, Slot};

/// A member's format, encoding and language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    pub(super) format: Format,
    pub(super) encoding: Encoding,
}

/// A message to be sent.
#[derive(Clone, Copy)]
pub(super) struct Waiting {
    /// The message's number in the core's batch.
    pub(super) number: u32,
    /// The member that gets no copy: the sender, in a raw room.
    pub(super) except: Option<MemberId>,
}

#[derive(Clone)]
struct Entry {
    range: Range<usize>,
    except: Option<Slot>,
}

/// One datagram or several of equal size, for one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Train {
    pub(super) range: Range<usize>,
    pub(super) segment: Option<NonZeroU16>,
    pub(super) datagrams: usize,
}

/// The messages of a batch in one style.
struct Rendering {
    style: Style,
    entries: Vec<Entry>,
    /// The trains of members that get all messages: built once, used for each of them.
    trains: Vec<Train>,
}

/// The messages of one batch in a room, and the progress of their delivery.
#[derive(Default)]
pub(super) struct Run {
    messages: Vec<Waiting>,
    /// Members that joined after some messages, with the number missed. Empty in most batches.
    late: Vec<(MemberId, usize)>,
    /// Maximum number of bytes of the messages in one style.
    bytes: usize,
    /// Renderings of the batch. Afterwards they stay, empty, for reuse.
    renderings: Vec<Rendering>,
    /// Members that do not get all messages, sorted.
    partial: Vec<(Slot, usize)>,
    walk: Option<Walk>,
    /// The number of readers when the run started. Later ones do not get it.
    end: usize,
}

/// The member being served, and its next message or train.
#[derive(Clone, Copy, Default)]
struct Walk {
    member: usize,
    /// An index into `trains` for a member that gets all messages, otherwise into `entries`.
    next: usize,
}

/// The readers of a run, in the order in which they get it.
pub(super) trait Audience {
    /// The number of readers, of any link.
    fn len(&self) -> usize;
    /// The reader at a place. `None` if it has left the room.
    fn at(&self, place: usize) -> Option<Slot>;
    /// A member's style. `None` for a member of another link.
    fn style(&self, slot: Slot) -> Option<Style>;
}

/// The next step of a run.
#[derive(Debug)]
pub(super) enum Polled {
    /// Sends a train to a reader.
    Train(Slot, Train),
    /// Waits for the run before it.
    Behind,
    /// All trains are sent, and the run is empty again.
    Over,
}

/// Renders messages.
pub(super) trait Render {
    /// Appends a message in this style.
    fn render(&mut self, message: Waiting, style: Style, out: &mut Vec<u8>);
    /// The slot of a member that is still one.
    fn find(&self, member: MemberId) -> Option<Slot>;
}

impl Run {
    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// The number of messages.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Maximum number of bytes of the messages in one style.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The messages for a member, in order.
    pub(super) fn messages_for(&self, member: MemberId) -> impl Iterator<Item = Waiting> + '_ {
        let messages = self.messages.iter().skip(self.missed(member));
        messages.filter(move |message| message.except != Some(member)).copied()
    }

    /// Adds a message of at most this many bytes.
    pub(super) fn push(&mut self, message: Waiting, bytes: usize) {
        self.bytes += bytes;
        self.messages.push(message);
    }

    /// Adds a member, which gets all later messages.
    pub(super) fn enter(&mut self, member: MemberId) {
        if !self.is_empty() {
            self.late.push((member, self.messages.len()));
        }
    }

    /// Whether the run has started to leave.
    pub(super) fn is_on_its_way(&self) -> bool {
        self.walk.is_some()
    }

    /// The place of the next reader.
    pub(super) fn place(&self) -> usize {
        self.walk.map_or(0, |walk| walk.member)
    }

    /// The messages not yet sent to the reader at a place, which reads this style.
    pub(super) fn rest_for(
        &self,
        place: usize,
        member: MemberId,
        style: Style,
    ) -> impl Iterator<Item = Waiting> + '_ {
        let served = match self.walk {
            Some(walk) if place < self.end && place >= walk.member => {
                let is_being_served = place == walk.member;
                if is_being_served { self.served(walk, member.slot(), style) } else { 0 }
            }
            _ => usize::MAX,
        };
        let rest = self.messages.iter().skip(served.max(self.missed(member)));
        rest.filter(move |message| message.except != Some(member)).copied()
    }

    /// The number of messages that the current reader has got.
    fn served(&self, walk: Walk, slot: Slot, style: Style) -> usize {
        if self.partial.binary_search_by_key(&slot, |(slot, _)| *slot).is_ok() {
            return walk.next;
        }
        let rendering = self.renderings.iter().find(|rendering| rendering.style == style);
        let trains = rendering.and_then(|rendering| rendering.trains.get(..walk.next));
        trains.map_or(usize::MAX, |trains| trains.iter().map(|train| train.datagrams).sum())
    }

    /// The number of messages said before a member came.
    fn missed(&self, member: MemberId) -> usize {
        // The last entry counts: a member that returns has missed the messages in between.
        let late = self.late.iter().rev().find(|(late, _)| *late == member);
        late.map_or(0, |(_, missed)| *missed)
    }

    /// The next train to a reader before `until`. `styles` are the styles read in the room.
    pub(super) fn poll(
        &mut self,
        until: usize,
        audience: &impl Audience,
        styles: impl Iterator<Item = Style>,
        render: &mut impl Render,
        outbox: &mut Outbox,
    ) -> Polled {
        if self.is_empty() {
            return Polled::Over;
        }
        let mut walk = match self.walk {
            Some(walk) => walk,
            None => {
                self.render(styles, render, outbox);
                self.end = audience.len();
                Walk::default()
            }
        };
        while walk.member < until.min(self.end) {
            let reader = audience.at(walk.member);
            let train =
                reader.and_then(|slot| Some((slot, self.next_train(slot, audience, &mut walk)?)));
            self.walk = Some(walk);
            if let Some((slot, train)) = train {
                return Polled::Train(slot, train);
            }
            walk = Walk { member: walk.member + 1, next: 0 };
        }
        self.walk = Some(walk);
        if walk.member < self.end {
            return Polled::Behind;
        }
        self.clear();
        Polled::Over
    }

    /// The next train of the current member.
    fn next_train(&self, slot: Slot, audience: &impl Audience, walk: &mut Walk) -> Option<Train> {
        let style = audience.style(slot)?;
        let rendering = match &self.renderings[..] {
            // Most rooms have one style, and need no search.
            [only] => only,
            all => all.iter().find(|rendering| rendering.style == style)?,
        };
        match self.partial.binary_search_by_key(&slot, |(slot, _)| *slot) {
            Err(_) => {
                let train = rendering.trains.get(walk.next).cloned();
                walk.next += 1;
                train
            }
            Ok(at) => {
                walk.next = walk.next.max(self.partial[at].1);
                train(&rendering.entries, &mut walk.next, Some(slot))
            }
        }
    }

    /// Renders the messages and builds the trains.
    fn render(
        &mut self,
        styles: impl Iterator<Item = Style>,
        render: &mut impl Render,
        outbox: &mut Outbox,
    ) {
        let Run { messages, late, renderings, partial, .. } = self;
        let mut count = 0;
        for style in styles {
            let at = renderings.iter().skip(count).position(|rendering| rendering.style == style);
            match at {
                Some(at) => renderings.swap(count, count + at),
                None => {
                    let (entries, trains) = (Vec::new(), Vec::new());
                    renderings.push(Rendering { style, entries, trains });
                    let last = renderings.len() - 1;
                    renderings.swap(count, last);
                }
            }
            let Rendering { entries, trains, .. } = &mut renderings[count];
            for &message in messages.iter() {
                let range = outbox.append(|out| render.render(message, style, out));
                let except = message.except.and_then(|member| render.find(member));
                entries.push(Entry { range, except });
            }
            let mut next = 0;
            trains.extend(std::iter::from_fn(|| train(entries, &mut next, None)));
            count += 1;
        }
        renderings.truncate(count);
        // The last of a member's entries counts; the sort is stable.
        partial.extend(late.iter().filter_map(|&(id, missed)| Some((render.find(id)?, missed))));
        partial.sort_by_key(|(slot, _)| *slot);
        partial.dedup_by(|later, earlier| {
            let same = later.0 == earlier.0;
            if same {
                earlier.1 = later.1;
            }
            same
        });
        let missed = partial.len();
        for except in messages.iter().filter_map(|message| render.find(message.except?)) {
            if partial[..missed].binary_search_by_key(&except, |(slot, _)| *slot).is_err() {
                partial.push((except, 0));
            }
        }
        partial.sort_unstable();
        partial.dedup();
    }

    fn clear(&mut self) {
        for rendering in &mut self.renderings {
            rendering.entries.clear();
            rendering.trains.clear();
        }
        self.messages.clear();
        self.late.clear();
        self.partial.clear();
        self.bytes = 0;
        self.walk = None;
    }
}

/// The longest train that begins at `entries[*next]` for `member`; moves `next` past it.
fn train(entries: &[Entry], next: &mut usize, member: Option<Slot>) -> Option<Train> {
    let for_member = |entry: &Entry| member.is_none() || entry.except != member;
    while entries.get(*next).is_some_and(|entry| !for_member(entry)) {
        *next += 1;
    }
    let first = entries.get(*next)?;
    let size = first.range.len();
    let mut end = first.range.end;
    let mut datagrams = 1;
    *next += 1;
    // An empty datagram cannot be a segment.
    while let Some(entry) = entries.get(*next).filter(|_| size > 0) {
        let fits = entry.range.start == end
            && (1..=size).contains(&entry.range.len())
            && datagrams < MAX_TRAIN_SEGMENTS
            && entry.range.end - first.range.start <= MAX_PAYLOAD_V4
            && for_member(entry);
        if !fits {
            break;
        }
        end = entry.range.end;
        datagrams += 1;
        *next += 1;
        if entry.range.len() < size {
            break; // only the last segment may be shorter
        }
    }
    let segment =
        if datagrams > 1 { u16::try_from(size).ok().and_then(NonZeroU16::new) } else { None };
    Some(Train { range: first.range.start..end, segment, datagrams })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHAT: Style = Style { format: Format::Chat, encoding: Encoding::UTF_8 };

    /// Members of the first generation with the same style.
    struct Everyone(Vec<Slot>);

    impl Audience for Everyone {
        fn len(&self) -> usize {
            self.0.len()
        }

        fn at(&self, place: usize) -> Option<Slot> {
            self.0.get(place).copied()
        }

        fn style(&self, _: Slot) -> Option<Style> {
            Some(CHAT)
        }
    }

    /// Messages of these sizes, by number.
    struct Sizes<'a>(&'a [usize]);

    impl Render for Sizes<'_> {
        fn render(&mut self, message: Waiting, _: Style, out: &mut Vec<u8>) {
            out.resize(out.len() + self.0[message.number as usize], b'x');
        }

        fn find(&self, member: MemberId) -> Option<Slot> {
            Some(member.slot()).filter(|_| member.generation() == 0)
        }
    }

    fn everyone(n: u32) -> Everyone {
        Everyone((0..n).map(Slot::new).collect())
    }

    fn id(slot: Slot) -> MemberId {
        MemberId::new(slot, 0)
    }

    /// A run of `count` messages to all.
    fn run(count: usize) -> Run {
        let mut run = Run::default();
        (0..count as u32).for_each(|number| run.push(Waiting { number, except: None }, 0));
        run
    }

    fn drain(run: &mut Run, sizes: &[usize], to: &Everyone) -> Vec<(Slot, Train)> {
        let mut outbox = Outbox::new();
        let styles = || std::iter::once(CHAT);
        let mut poll = || match run.poll(usize::MAX, to, styles(), &mut Sizes(sizes), &mut outbox) {
            Polled::Train(slot, train) => Some((slot, train)),
            Polled::Behind | Polled::Over => None,
        };
        std::iter::from_fn(&mut poll).collect()
    }

    fn brief(sent: Vec<(Slot, Train)>) -> Vec<(u32, Range<usize>, u16)> {
        let brief = |(slot, t): (Slot, Train)| {
            (slot.number(), t.range, t.segment.map_or(0, NonZeroU16::get))
        };
        sent.into_iter().map(brief).collect()
    }

    #[test]
    fn equal_neighbours_make_one_train_a_member() {
        let mut run = run(5);
        let sent = drain(&mut run, &[10, 10, 4, 7, 8], &everyone(2));
        let each = |n| [(n, 0..24, 10), (n, 24..31, 0), (n, 31..39, 0)];
        assert_eq!(brief(sent), [each(0), each(1)].concat());
        assert!(run.is_empty());
    }

    #[test]
    fn trains_stay_within_what_the_kernel_takes() {
        let sent = drain(&mut run(130), &[5; 130], &everyone(1));
        assert_eq!(brief(sent), [(0, 0..320, 5), (0, 320..640, 5), (0, 640..650, 5)]);
        let sent = drain(&mut run(3), &[30_000; 3], &everyone(1));
        assert_eq!(brief(sent), [(0, 0..60_000, 30_000), (0, 60_000..90_000, 0)]);
        assert_eq!(brief(drain(&mut run(2), &[0, 0], &everyone(1))), [(0, 0..0, 0), (0, 0..0, 0)]);
    }

    #[test]
    fn a_sender_is_left_out_where_it_should_be() {
        let to = everyone(2);
        let mut run = Run::default();
        for number in 0..3 {
            run.push(Waiting { number, except: (number == 0).then_some(id(to.0[0])) }, 0);
        }
        assert_eq!(brief(drain(&mut run, &[10; 3], &to)), [(0, 10..30, 10), (1, 0..30, 10)]);
    }

    #[test]
    fn whoever_takes_the_place_of_a_sender_is_not_taken_for_it() {
        let to = everyone(1);
        let mut run = Run::default();
        run.push(Waiting { number: 0, except: Some(MemberId::new(to.0[0], 9)) }, 0);
        assert_eq!(brief(drain(&mut run, &[10], &to)), [(0, 0..10, 0)]);
    }

    #[test]
    fn who_joins_in_mid_batch_gets_what_came_after() {
        let to = everyone(3);
        let mut run = Run::default();
        run.enter(id(to.0[0]));
        for number in 0..3 {
            run.push(Waiting { number, except: (number == 2).then_some(id(to.0[2])) }, 0);
            if number < 2 {
                run.enter(id(to.0[1]));
            }
        }
        run.enter(id(to.0[2]));
        let late = run.messages_for(id(to.0[1])).map(|message| message.number);
        assert_eq!(late.collect::<Vec<_>>(), [2]);
        assert_eq!(brief(drain(&mut run, &[10; 3], &to)), [(0, 0..30, 10), (1, 20..30, 0)]);
    }

    #[test]
    fn each_reads_its_own_style() {
        struct Two(Vec<Slot>);
        const GBK: Style = Style { format: Format::Classic, encoding: Encoding::GB2312 };
        impl Audience for Two {
            fn len(&self) -> usize {
                self.0.len()
            }
            fn at(&self, place: usize) -> Option<Slot> {
                self.0.get(place).copied()
            }
            fn style(&self, slot: Slot) -> Option<Style> {
                // The third is a member of another link.
                [Some(CHAT), Some(GBK), None][slot.index()]
            }
        }
        struct Named;
        impl Render for Named {
            fn render(&mut self, message: Waiting, style: Style, out: &mut Vec<u8>) {
                let name = if style == CHAT { b'c' } else { b'g' };
                out.extend([name, b'0' + message.number as u8]);
            }
            fn find(&self, member: MemberId) -> Option<Slot> {
                Some(member.slot())
            }
        }
        let (mut run, mut outbox, mut named) = (run(2), Outbox::new(), Named);
        let to = Two((0..3).map(Slot::new).collect());
        let mut sent = Vec::new();
        while let Polled::Train(slot, train) =
            run.poll(usize::MAX, &to, [GBK, CHAT].into_iter(), &mut named, &mut outbox)
        {
            sent.push((slot.number(), outbox.bytes()[train.range].to_vec()));
        }
        assert_eq!(sent, [(0, b"c0c1".to_vec()), (1, b"g0g1".to_vec())]);
    }

    proptest! {
        #[test]
        fn every_member_gets_every_message_once_and_in_order(
            sizes in prop::collection::vec(0usize..40, 1..200),
            skip in prop::collection::vec(any::<bool>(), 200),
            late in prop::collection::vec((0usize..200, 0usize..3), 0..6),
        ) {
            let to = everyone(3);
            let mut run = Run::default();
            let mut missed = [0; 3];
            for (i, is_skipped) in skip.iter().take(sizes.len()).enumerate() {
                for (_, who) in late.iter().filter(|(at, _)| *at == i) {
                    run.enter(id(to.0[*who]));
                    missed[*who] = i;
                }
                let except = is_skipped.then_some(id(to.0[i % 3]));
                run.push(Waiting { number: i as u32, except }, 0);
            }
            let sent = drain(&mut run, &sizes, &to);
            for (who, &slot) in to.0.iter().enumerate() {
                let got: Vec<Range<usize>> = sent.iter().filter(|(s, _)| *s == slot).flat_map(|(_, t)| {
                    let step = t.segment.map_or(t.range.len(), |s| s.get().into()).max(1);
                    let cuts = t.range.clone().step_by(step).map(|at| at..(at + step).min(t.range.end));
                    let cuts: Vec<_> = if t.range.is_empty() { vec![t.range.clone()] } else { cuts.collect() };
                    assert_eq!(cuts.len(), t.datagrams);
                    cuts
                }).collect();
                let start = |i: usize| sizes[..i].iter().sum::<usize>();
                let due: Vec<_> = (missed[who]..sizes.len())
                    .filter(|i| !(skip[*i] && i % 3 == who))
                    .map(|i| start(i)..start(i + 1))
                    .collect();
                prop_assert_eq!(got, due);
            }
        }
    }
}
