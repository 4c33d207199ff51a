//! The messages of one batch, and the trains that carry them to each member.
//!
//! Fan-out is transposed: K messages for N members leave as N trains, not as K×N datagrams.
//! Messages stand one behind the other in the outbox; neighbours of equal size, the last one
//! perhaps shorter, make a train that the kernel cuts up again (`UDP_SEGMENT`, see udp(7)). All
//! members' trains point at the same bytes.

use std::num::NonZeroU16;
use std::ops::Range;

use pigeon_datagram::{MAX_PAYLOAD_V4, MAX_TRAIN_SEGMENTS, Outbox};
use pigeon_text::Encoding;

use crate::members::{Members, Slot};

/// The most bytes of messages in one batch. A driver that drains after every 64 receive buffers
/// of 64 KiB, each message growing fourfold at the worst by escaping, stays below.
pub(crate) const MAX_BATCH_BYTES: usize = 32 << 20;

/// What readers of an encoding get in place of a message that is too long in it.
const LEFT_OUT: &[u8] = b"* a message was left out: too long for a datagram in your encoding\n";

#[derive(Clone)]
struct Entry {
    range: Range<usize>,
    /// Who does not get a copy: the sender, in the raw format.
    except: Option<Slot>,
}

/// One datagram or several of equal size, for one member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Train {
    pub(crate) range: Range<usize>,
    pub(crate) segment: Option<NonZeroU16>,
    pub(crate) datagrams: usize,
}

/// The messages of a batch in one encoding.
#[derive(Default)]
struct Rendering {
    entries: Vec<Entry>,
    /// For members that get everything: made once, used for each of them.
    trains: Vec<Train>,
}

impl Rendering {
    fn clear(&mut self) {
        self.entries.clear();
        self.trains.clear();
    }

    fn make_trains(&mut self) {
        let mut next = 0;
        while let Some(train) = train(&self.entries, &mut next, None) {
            self.trains.push(train);
        }
    }
}

/// The messages of one batch, and how far their delivery has come.
#[derive(Default)]
pub(crate) struct Run {
    /// As written, in UTF-8.
    main: Rendering,
    /// In the other encodings that members of the room read. Those of the last batch stay, empty,
    /// for their room.
    others: Vec<(Encoding, Rendering)>,
    /// Senders that do not get their own, sorted. Most batches have none or one.
    exempt: Vec<Slot>,
    bytes: usize,
    walk: Option<Walk>,
}

/// Which member is served next, and what it gets next.
#[derive(Clone, Copy, Default)]
struct Walk {
    member: usize,
    /// An index into `trains` for a member that gets everything, else into `entries`.
    next: usize,
}

/// Whom a run goes to.
pub(crate) struct Audience<'a> {
    pub(crate) members: &'a Members,
    /// Those that get every message.
    pub(crate) present: &'a [Slot],
    /// Those that joined in mid-batch, with how many messages they missed.
    pub(crate) arriving: &'a [(Slot, usize)],
    /// The encodings other than UTF-8 that some of them read.
    pub(crate) encodings: &'a [(Encoding, u32)],
}

impl Audience<'_> {
    /// The n-th member, and how many messages it missed.
    fn get(&self, n: usize) -> Option<(Slot, usize)> {
        match self.present.get(n) {
            Some(&slot) => Some((slot, 0)),
            None => self.arriving.get(n - self.present.len()).copied(),
        }
    }
}

impl Run {
    pub(crate) fn is_empty(&self) -> bool {
        self.main.entries.is_empty()
    }

    /// How many messages there are: what a member that joins now has missed.
    pub(crate) fn len(&self) -> usize {
        self.main.entries.len()
    }

    /// Whether `more` bytes still fit into the batch, where every byte takes `times` its room.
    pub(crate) fn has_room(&self, more: usize, times: usize) -> bool {
        (self.bytes + more).saturating_mul(times) <= MAX_BATCH_BYTES
    }

    /// Where the messages stand that a member gets which missed the first so many.
    pub(crate) fn messages_for(&self, slot: Slot, missed: usize) -> Vec<Range<usize>> {
        let entries = self.main.entries.iter().skip(missed);
        let for_it = entries.filter(|entry| entry.except != Some(slot));
        for_it.map(|entry| entry.range.clone()).collect()
    }

    /// Appends a message that stands at `range` in the outbox.
    pub(crate) fn push(&mut self, range: Range<usize>, except: Option<Slot>) {
        self.bytes += range.len();
        self.main.entries.push(Entry { range, except });
    }

    /// Someone left: a member that later takes the same slot is not the sender of these messages.
    pub(crate) fn forget(&mut self, slot: Slot) {
        for entry in self.main.entries.iter_mut().filter(|entry| entry.except == Some(slot)) {
            entry.except = None;
        }
    }

    /// The next member's next train. `None` means that everybody has everything, and the run is
    /// empty again. `text` is room to work in, the same for all runs.
    pub(crate) fn poll(
        &mut self,
        audience: &Audience<'_>,
        outbox: &mut Outbox,
        text: &mut String,
    ) -> Option<(Slot, Train)> {
        if self.is_empty() {
            return None;
        }
        let mut walk = match self.walk {
            Some(walk) => walk,
            None => self.begin(audience.encodings, outbox, text),
        };
        while let Some((slot, missed)) = audience.get(walk.member) {
            let rendering = self.rendering(audience.members, slot);
            let whole = missed == 0 && self.exempt.binary_search(&slot).is_err();
            let train = if whole {
                let train = rendering.trains.get(walk.next).cloned();
                walk.next += 1;
                train
            } else {
                walk.next = walk.next.max(missed);
                train(&rendering.entries, &mut walk.next, Some(slot))
            };
            if let Some(train) = train {
                self.walk = Some(walk);
                return Some((slot, train));
            }
            walk = Walk { member: walk.member + 1, next: 0 };
        }
        self.clear();
        None
    }

    fn begin(
        &mut self,
        encodings: &[(Encoding, u32)],
        outbox: &mut Outbox,
        text: &mut String,
    ) -> Walk {
        let Run { main, others, exempt, .. } = self;
        main.make_trains();
        others.retain(|(known, _)| encodings.iter().any(|(encoding, _)| encoding == known));
        for &(encoding, _) in encodings {
            let found = others.iter().position(|(known, _)| *known == encoding);
            let index = found.unwrap_or_else(|| {
                others.push((encoding, Rendering::default()));
                others.len() - 1
            });
            let rendering = &mut others[index].1;
            rendering.entries.extend(main.entries.iter().map(|entry| {
                text.clear();
                let bytes = outbox.bytes().get(entry.range.clone()).unwrap_or_default();
                Encoding::UTF_8.decode_to(bytes, text);
                let range = outbox.append(|bytes| encode(encoding, text, bytes));
                Entry { range, except: entry.except }
            }));
            rendering.make_trains();
        }
        exempt.extend(main.entries.iter().filter_map(|entry| entry.except));
        exempt.sort_unstable();
        exempt.dedup();
        Walk::default()
    }

    /// What a member reads.
    fn rendering(&self, members: &Members, slot: Slot) -> &Rendering {
        if self.others.is_empty() {
            return &self.main;
        }
        let encoding = members.encoding(slot);
        let other = self.others.iter().find(|(other, _)| *other == encoding);
        other.map_or(&self.main, |(_, rendering)| rendering)
    }

    fn clear(&mut self) {
        self.main.clear();
        self.others.iter_mut().for_each(|(_, rendering)| rendering.clear());
        self.exempt.clear();
        self.bytes = 0;
        self.walk = None;
    }
}

/// Appends a line as a member reads it. One that grows beyond a datagram is neither cut nor lost
/// without a word.
pub(crate) fn encode(encoding: Encoding, text: &str, bytes: &mut Vec<u8>) {
    let start = bytes.len();
    encoding.encode_lossy(text, bytes);
    if bytes.len() - start > MAX_PAYLOAD_V4 {
        bytes.truncate(start);
        bytes.extend_from_slice(LEFT_OUT);
    }
}

/// The longest train that begins at `entries[*next]` for `member`; moves `next` behind it.
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
    use std::net::SocketAddr;

    use pigeon_datagram::Instant;
    use proptest::prelude::*;

    use super::*;
    use crate::rooms::LOBBY;

    fn members(n: u16) -> (Members, Vec<Slot>) {
        let mut members = Members::new([0; 4]);
        let slots = (0..n)
            .map(|n| {
                let address = SocketAddr::from(([127, 0, 0, 1], 1000 + n));
                members.insert(address, Instant::ORIGIN, LOBBY, None)
            })
            .collect();
        (members, slots)
    }

    fn poll(run: &mut Run, members: &Members, present: &[Slot]) -> Option<(Slot, Train)> {
        let audience = Audience { members, present, arriving: &[], encodings: &[] };
        run.poll(&audience, &mut Outbox::new(), &mut String::new())
    }

    /// A run of messages of these sizes, one behind the other.
    fn run(sizes: &[usize]) -> Run {
        let mut run = Run::default();
        let mut start = 0;
        for &size in sizes {
            run.push(start..start + size, None);
            start += size;
        }
        run
    }

    fn drain(run: &mut Run, members: &Members, to: &[Slot]) -> Vec<(Slot, Range<usize>, u16)> {
        std::iter::from_fn(|| poll(run, members, to))
            .map(|(slot, t)| (slot, t.range, t.segment.map_or(0, NonZeroU16::get)))
            .collect()
    }

    #[test]
    fn equal_neighbours_make_one_train_a_member() {
        let (members, slots) = members(2);
        let mut run = run(&[10, 10, 4, 7, 8]);
        let each = |slot| [(slot, 0..24, 10), (slot, 24..31, 0), (slot, 31..39, 0)];
        let expected: Vec<_> = slots.iter().copied().flat_map(each).collect();
        assert_eq!(drain(&mut run, &members, &slots), expected);
        assert!(run.is_empty());
    }

    #[test]
    fn trains_stay_within_what_the_kernel_takes() {
        let (members, slots) = members(1);
        let sent = drain(&mut run(&[5; 130]), &members, &slots);
        assert_eq!(sent, [(slots[0], 0..320, 5), (slots[0], 320..640, 5), (slots[0], 640..650, 5)]);
        let sent = drain(&mut run(&[30_000; 3]), &members, &slots);
        assert_eq!(sent, [(slots[0], 0..60_000, 30_000), (slots[0], 60_000..90_000, 0)]);
        assert_eq!(
            drain(&mut run(&[0, 0]), &members, &slots),
            [(slots[0], 0..0, 0), (slots[0], 0..0, 0)]
        );
    }

    #[test]
    fn a_sender_is_left_out_where_it_should_be() {
        let (members, slots) = members(2);
        let mut run = Run::default();
        run.push(0..10, Some(slots[0]));
        run.push(10..20, None);
        run.push(20..30, None);
        assert_eq!(
            drain(&mut run, &members, &slots),
            [(slots[0], 10..30, 10), (slots[1], 0..30, 10)]
        );
    }

    #[test]
    fn who_joins_in_mid_batch_gets_what_came_after() {
        let (members, slots) = members(2);
        let mut run = run(&[10, 10, 10]);
        let arriving = [(slots[1], 2)];
        let audience = Audience {
            members: &members,
            present: &slots[..1],
            arriving: &arriving,
            encodings: &[],
        };
        let sent: Vec<_> =
            std::iter::from_fn(|| run.poll(&audience, &mut Outbox::new(), &mut String::new()))
                .map(|(slot, train)| (slot, train.range))
                .collect();
        assert_eq!(sent, [(slots[0], 0..30), (slots[1], 20..30)]);
    }

    #[test]
    fn each_reads_its_own_encoding() {
        let (mut members, slots) = members(2);
        let gbk = Encoding::for_label("gbk").unwrap();
        members.set_encoding(slots[1], gbk);
        let mut outbox = Outbox::new();
        let mut run = Run::default();
        for text in ["你好", "狗😀"] {
            run.push(outbox.append(|bytes| bytes.extend_from_slice(text.as_bytes())), None);
        }
        let audience =
            Audience { members: &members, present: &slots, arriving: &[], encodings: &[(gbk, 1)] };
        let mut sent = Vec::new();
        while let Some((slot, train)) = run.poll(&audience, &mut outbox, &mut String::new()) {
            sent.push((slot, outbox.bytes()[train.range].to_vec()));
        }
        assert_eq!(
            sent[..2],
            [(slots[0], "你好".as_bytes().to_vec()), (slots[0], "狗😀".as_bytes().to_vec()),]
        );
        assert_eq!(
            sent[2..],
            [(slots[1], b"\xc4\xe3\xba\xc3".to_vec()), (slots[1], b"\xb9\xb7\\u{1f600}".to_vec()),]
        );
    }

    proptest! {
        #[test]
        fn every_member_gets_every_message_once_and_in_order(
            sizes in prop::collection::vec(0usize..40, 0..200),
            skip in prop::collection::vec(any::<bool>(), 200),
            gaps in prop::collection::vec(0usize..2, 200),
        ) {
            let (members, slots) = members(3);
            let mut run = Run::default();
            let mut start = 0;
            let mut messages = Vec::new();
            for (i, &size) in sizes.iter().enumerate() {
                start += gaps[i];
                let except = skip[i].then_some(slots[i % 3]);
                run.push(start..start + size, except);
                messages.push((start..start + size, except));
                start += size;
            }
            let sent: Vec<_> = std::iter::from_fn(|| poll(&mut run, &members, &slots)).collect();
            for slot in slots {
                let got: Vec<Range<usize>> = sent.iter().filter(|(s, _)| *s == slot).flat_map(|(_, t)| {
                    let step = t.segment.map_or(t.range.len(), |s| s.get().into()).max(1);
                    let cuts = t.range.clone().step_by(step).map(|at| at..(at + step).min(t.range.end));
                    let cuts: Vec<_> = if t.range.is_empty() { vec![t.range.clone()] } else { cuts.collect() };
                    assert_eq!(cuts.len(), t.datagrams);
                    cuts
                }).collect();
                let due: Vec<_> = messages.iter().filter(|(_, e)| *e != Some(slot)).map(|(r, _)| r.clone()).collect();
                prop_assert_eq!(got, due);
            }
        }
    }
}
