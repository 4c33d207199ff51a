//! A session's file: own messages until the hub has stored them and for some time after, and read
//! positions of rooms.
//!
//! The file consists of lines, each a checksum and a JSON object. Lines are only appended;
//! occasionally the file is rewritten without obsolete ones. After a crash the file is intact at
//! least up to the last sync.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use pigeon_proto::frame::{Refused, Say};
use pigeon_proto::{Identity, Position, RoomName, Seen};
use serde::{Deserialize, Serialize};

/// Maximum number of messages kept after the hub has stored them. They are sent again if the hub is
/// restored from an older backup.
const KEPT: usize = 4_096;
/// Maximum bytes of the kept messages' text.
const KEPT_BYTES: usize = 4 << 20;
/// How long stored messages are kept. Later, a hub may have dropped the outbox, and would treat
/// them as new.
const KEPT_FOR: Duration = Duration::from_secs(30 * 86_400);

/// Maximum number of refusals that wait until the application has heard of them.
const REFUSED: usize = 1_024;

/// Maximum number of identities of others' messages that are remembered, to recognize what comes
/// again after a hub was restored from a backup.
pub(super) const SEEN: usize = 65_536;

/// The file is rewritten when the obsolete bytes exceed this and the needed bytes.
const WASTE: usize = 1 << 20;

/// The content of a session's file.
#[derive(Debug, Default)]
pub struct Store {
    /// Oldest first.
    outboxes: Vec<Outbox>,
    /// Messages that were refused for good. Each stays here until the application has heard of its
    /// refusal.
    refused: BTreeMap<super::output::MessageId, Refused>,
    waiting: usize,
    waiting_bytes: usize,
    kept: usize,
    kept_bytes: usize,
    rooms: BTreeMap<Box<str>, Cursor>,
    seen: SeenSet,
    /// The file's length in bytes.
    length: usize,
    /// The approximate length if it were rewritten.
    needed: usize,
    /// Whether the file ends in an invalid record.
    is_torn: bool,
}

/// An outbox of own messages.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) id: u64,
    /// By number, without refused and obsolete ones.
    pub(super) messages: BTreeMap<u64, Mine>,
    /// The largest number that the hub is known to have stored.
    pub(super) stored: u64,
    /// The number of the next new message.
    next: u64,
}

/// An own message.
#[derive(Clone, Debug)]
pub(super) struct Mine {
    pub(super) room: RoomName,
    pub(super) text: Box<[u8]>,
    pub(super) is_stored: bool,
    /// When the message was submitted, since the Unix epoch.
    time: Duration,
    /// The message's write number. It is not sent before that write is on disk.
    pub(super) write: u64,
}

/// The read position of a room.
#[derive(Clone, Debug)]
struct Cursor {
    room: RoomName,
    seen: Seen,
    deletion: Position,
}

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(super) enum Record {
    /// An own message.
    Said {
        outbox: u64,
        /// Milliseconds since the Unix epoch.
        time: u64,
        say: Say,
        /// The outbox and number that it had before a conflict. In this record and not in a `Gone`
        /// of their own: a crash between the two would leave the message twice, or lose it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        instead_of: Option<(u64, u64)>,
    },
    /// The hub has stored everything up to this number.
    Stored { outbox: u64, through: u64 },
    /// A message that is not to be sent any more: relayed, or refused and the application has heard
    /// of it.
    Gone { outbox: u64, number: u64 },
    /// A message was refused for good.
    Refused { outbox: u64, refused: Refused },
    /// Somebody's message that the application has processed. The last one of a room is where it is
    /// followed from. `deletion` is the newest one that it has carried out.
    Seen {
        room: RoomName,
        seen: Seen,
        #[serde(default, skip_serializing_if = "Position::is_start")]
        deletion: Position,
    },
    /// Like `Seen`, for its identity only.
    Known { seen: Seen },
    /// Clears the identities: seen messages may be reported again.
    Unseen {},
}

impl Store {
    /// Loads a file. Skips an invalid end left by a crash; the session rewrites the file before it
    /// appends. `wall` is the time since the Unix epoch.
    pub fn load(file: &[u8], wall: Duration) -> Store {
        let mut store = Store::default();
        let mut rest = file;
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            let Some(record) = decode(line) else { break };
            store.apply(&record, 0);
            rest = after;
        }
        (store.length, store.is_torn) = (file.len() - rest.len(), !rest.is_empty());
        store.expire(wall);
        store
    }

    /// The read position of a room.
    pub fn seen(&self, room: &RoomName) -> Option<Seen> {
        self.rooms.get(&room.folded()).map(|cursor| cursor.seen)
    }

    /// The read position of a room, and the newest deletion that was carried out there.
    pub(super) fn left_off(&self, room: &RoomName) -> Option<(Seen, Position)> {
        self.rooms.get(&room.folded()).map(|cursor| (cursor.seen, cursor.deletion))
    }

    /// Own messages that the hub has not stored.
    pub fn waiting(&self) -> impl Iterator<Item = (super::output::MessageId, &RoomName, &[u8])> {
        self.outboxes.iter().flat_map(|outbox| {
            let waiting = outbox.messages.iter().filter(|(_, mine)| !mine.is_stored);
            waiting.map(|(number, mine)| {
                let id = super::output::MessageId { outbox: outbox.id, number: *number };
                (id, &mine.room, &*mine.text)
            })
        })
    }

    /// Applies a record. `write` is its write number.
    pub(super) fn apply(&mut self, record: &Record, write: u64) {
        match record {
            Record::Said { outbox, say, .. }
                if self.outbox(*outbox).is_some_and(|it| it.messages.contains_key(&say.number)) => {
            }
            Record::Said { outbox, time, say, instead_of } => {
                if let Some((outbox, number)) = instead_of {
                    self.remove(*outbox, *number);
                }
                let Say { number, room, text, .. } = say.clone();
                let time = Duration::from_millis(*time);
                let mine = Mine { room, text, is_stored: false, time, write };
                self.needed += mine.weight();
                self.waiting += 1;
                self.waiting_bytes += mine.text.len();
                let outbox = self.outbox_or_new(*outbox);
                outbox.next = outbox.next.max(number + 1);
                outbox.messages.insert(number, mine);
            }
            Record::Stored { outbox, through } => {
                let Some(outbox) = self.outboxes.iter_mut().find(|it| it.id == *outbox) else {
                    return;
                };
                outbox.stored = outbox.stored.max(*through);
                for mine in outbox.messages.range_mut(..=*through).map(|(_, mine)| mine) {
                    if !std::mem::replace(&mut mine.is_stored, true) {
                        let bytes = mine.text.len();
                        (self.kept, self.kept_bytes) = (self.kept + 1, self.kept_bytes + bytes);
                        self.waiting -= 1;
                        self.waiting_bytes -= bytes;
                    }
                }
                self.shed();
            }
            Record::Gone { outbox, number } => {
                self.remove(*outbox, *number);
                let id = super::output::MessageId { outbox: *outbox, number: *number };
                self.refused.remove(&id);
            }
            Record::Refused { outbox, refused } => {
                self.remove(*outbox, refused.number);
                let id = super::output::MessageId { outbox: *outbox, number: refused.number };
                self.needed += 160;
                self.refused.insert(id, refused.clone());
                if self.refused.len() > REFUSED {
                    self.refused.pop_first();
                }
            }
            Record::Seen { room, seen, deletion } => {
                self.needed += self.seen.insert(seen.identity);
                let cursor = Cursor { room: room.clone(), seen: *seen, deletion: *deletion };
                self.rooms.insert(room.folded(), cursor);
            }
            Record::Unseen {} => self.seen = SeenSet::default(),
            Record::Known { seen } => self.needed += self.seen.insert(seen.identity),
        }
    }

    /// Messages that were refused for good and that the application has not heard of.
    pub(super) fn refused(&self) -> impl Iterator<Item = (super::output::MessageId, &Refused)> {
        self.refused.iter().map(|(id, refused)| (*id, refused))
    }

    /// Whether it holds a message of one's own, stored by the hub or not.
    pub fn holds(&self, id: super::output::MessageId) -> bool {
        self.outbox(id.outbox).is_some_and(|outbox| outbox.messages.contains_key(&id.number))
    }

    /// Whether a message was processed before.
    pub fn has_seen(&self, identity: Identity) -> bool {
        self.seen.set.contains(&identity)
    }

    pub(super) fn outbox(&self, id: u64) -> Option<&Outbox> {
        self.outboxes.iter().find(|outbox| outbox.id == id)
    }

    /// All outboxes, oldest first.
    pub(super) fn outboxes(&self) -> &[Outbox] {
        &self.outboxes
    }

    /// The record of a new own message, with the outbox's next number.
    pub(super) fn said(
        &mut self,
        outbox: u64,
        room: RoomName,
        text: &[u8],
        wall: Duration,
        instead_of: Option<super::output::MessageId>,
    ) -> (u64, Record) {
        let number = self.outbox_or_new(outbox).next;
        let say = Say { number, after: number - 1, room, text: text.into() };
        let (time, instead_of) =
            (wall.as_millis() as u64, instead_of.map(|it| (it.outbox, it.number)));
        (number, Record::Said { outbox, time, say, instead_of })
    }

    /// Messages waiting for the hub, and their bytes of text.
    pub(super) fn waiting_size(&self) -> (usize, usize) {
        (self.waiting, self.waiting_bytes)
    }

    /// A record was appended.
    pub(super) fn appended(&mut self, bytes: usize) {
        self.length += bytes;
    }

    /// Whether the file should be rewritten.
    pub(super) fn is_wasteful(&self) -> bool {
        self.is_torn || self.length > 2 * self.needed + WASTE
    }

    /// Whether the file must be rewritten before anything is appended.
    pub(super) fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// The rewritten file.
    pub(super) fn snapshot(&mut self) -> Vec<u8> {
        let mut file = Vec::new();
        for outbox in &self.outboxes {
            for (&number, mine) in &outbox.messages {
                let Mine { room, text, time, .. } = mine;
                let say = Say { number, after: number - 1, room: room.clone(), text: text.clone() };
                let time = time.as_millis() as u64;
                let (outbox, instead_of) = (outbox.id, None);
                encode(&Record::Said { outbox, time, say, instead_of }, &mut file);
            }
            if outbox.stored > 0 && !outbox.messages.is_empty() {
                encode(&Record::Stored { outbox: outbox.id, through: outbox.stored }, &mut file);
            }
        }
        for (id, refused) in &self.refused {
            encode(&Record::Refused { outbox: id.outbox, refused: refused.clone() }, &mut file);
        }
        for identity in &self.seen.order {
            let seen = Seen { position: Position::START, identity: *identity };
            encode(&Record::Known { seen }, &mut file);
        }
        for cursor in self.rooms.values() {
            let Cursor { room, seen, deletion } = cursor.clone();
            encode(&Record::Seen { room, seen, deletion }, &mut file);
        }
        (self.length, self.needed, self.is_torn) = (file.len(), file.len(), false);
        file
    }

    fn outbox_or_new(&mut self, id: u64) -> &mut Outbox {
        let place = self.outboxes.iter().position(|outbox| outbox.id == id);
        let place = place.unwrap_or_else(|| {
            let (messages, stored, next) = (BTreeMap::new(), 0, 1);
            self.outboxes.push(Outbox { id, messages, stored, next });
            self.outboxes.len() - 1
        });
        &mut self.outboxes[place]
    }

    fn remove(&mut self, outbox: u64, number: u64) {
        let Some(outbox) = self.outboxes.iter_mut().find(|it| it.id == outbox) else { return };
        if let Some(mine) = outbox.messages.remove(&number) {
            self.needed = self.needed.saturating_sub(mine.weight());
            let (count, bytes) = match mine.is_stored {
                true => (&mut self.kept, &mut self.kept_bytes),
                false => (&mut self.waiting, &mut self.waiting_bytes),
            };
            (*count, *bytes) = (*count - 1, *bytes - mine.text.len());
        }
    }

    /// Drops the oldest stored messages beyond the maximum.
    fn shed(&mut self) {
        while self.kept > KEPT || self.kept_bytes > KEPT_BYTES {
            let oldest = self.outboxes.iter().find_map(|outbox| {
                let mut stored = outbox.messages.iter().filter(|(_, mine)| mine.is_stored);
                stored.next().map(|(number, _)| (outbox.id, *number))
            });
            let Some((outbox, number)) = oldest else { return };
            self.remove(outbox, number);
        }
    }

    /// Drops messages stored long ago, and empty outboxes.
    fn expire(&mut self, wall: Duration) {
        let is_old = |mine: &Mine| mine.is_stored && mine.time + KEPT_FOR < wall;
        let old = |outbox: &Outbox| {
            let old = outbox.messages.iter().filter(|(_, mine)| is_old(mine));
            old.map(|(number, _)| (outbox.id, *number)).collect::<Vec<_>>()
        };
        let old: Vec<(u64, u64)> = self.outboxes.iter().flat_map(old).collect();
        old.into_iter().for_each(|(outbox, number)| self.remove(outbox, number));
        self.outboxes.retain(|outbox| !outbox.messages.is_empty());
    }
}

impl Mine {
    fn weight(&self) -> usize {
        self.text.len() + self.room.as_str().len() + 160
    }
}

/// The identities seen last.
#[derive(Debug, Default)]
struct SeenSet {
    set: BTreeSet<Identity>,
    order: VecDeque<Identity>,
}

impl SeenSet {
    /// Adds one, and returns the growth of the file's needed size.
    fn insert(&mut self, identity: Identity) -> usize {
        if !self.set.insert(identity) {
            return 0;
        }
        self.order.push_back(identity);
        if self.order.len() <= SEEN {
            return 190;
        }
        if let Some(oldest) = self.order.pop_front() {
            self.set.remove(&oldest);
        }
        0
    }
}

/// Appends a line.
pub(super) fn encode(record: &Record, file: &mut Vec<u8>) {
    let Ok(json) = serde_json::to_string(record) else { return };
    file.extend(format!("{:08x} {json}\n", crc32(json.as_bytes())).bytes());
}

fn decode(line: &[u8]) -> Option<Record> {
    let (sum, json) = line.split_at_checked(9)?;
    let sum = std::str::from_utf8(sum.get(..8)?).ok()?;
    let sum = u32::from_str_radix(sum, 16).ok()?;
    (sum == crc32(json)).then(|| serde_json::from_slice(json).ok())?
}

/// CRC-32 as in IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut value = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                value = if value & 1 == 1 { value >> 1 ^ 0xedb8_8320 } else { value >> 1 };
                bit += 1;
            }
            table[byte] = value;
            byte += 1;
        }
        table
    };
    let step = |sum: u32, byte: &u8| sum >> 8 ^ TABLE[((sum ^ u32::from(*byte)) & 255) as usize];
    !bytes.iter().fold(!0, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(outbox: u64, number: u64, text: &str) -> Record {
        let say = Say {
            number,
            after: number - 1,
            room: RoomName::lobby(),
            text: text.as_bytes().into(),
        };
        Record::Said { outbox, time: 1_000, say, instead_of: None }
    }

    fn file(records: &[Record]) -> Vec<u8> {
        let mut file = Vec::new();
        records.iter().for_each(|record| encode(record, &mut file));
        file
    }

    fn waiting(store: &Store) -> Vec<(u64, u64, String)> {
        let text = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        store.waiting().map(|(id, _, it)| (id.outbox, id.number, text(it))).collect()
    }

    #[test]
    fn the_checksum_is_the_usual_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_file_is_read_up_to_where_a_crash_cut_it() {
        let whole = file(&[said(1, 1, "a"), said(1, 2, "b"), said(1, 3, "c")]);
        let line = whole.len() / 3;
        for length in 0..=whole.len() {
            let store = Store::load(&whole[..length], Duration::from_secs(2));
            assert_eq!(waiting(&store).len(), length / line);
            assert_eq!(store.is_wasteful(), !length.is_multiple_of(line));
        }
        let mut changed = whole.clone();
        changed[line + 30] ^= 1;
        assert_eq!(waiting(&Store::load(&changed, Duration::ZERO)).len(), 1);
    }

    #[test]
    fn what_was_stored_is_kept_for_a_while() {
        let records = [said(1, 1, "a"), said(1, 2, "b"), Record::Stored { outbox: 1, through: 1 }];
        let store = Store::load(&file(&records), Duration::from_secs(2));
        assert_eq!(waiting(&store), [(1, 2, "b".to_string())]);
        assert_eq!(store.outbox(1).unwrap().messages.len(), 2);
        let later = Store::load(&file(&records), KEPT_FOR + Duration::from_secs(2));
        assert_eq!(waiting(&later), waiting(&store));
        assert_eq!(later.outbox(1).unwrap().messages.len(), 1);
    }

    #[test]
    fn so_many_stored_messages_are_kept() {
        let mut store = Store::default();
        for number in 1..=KEPT as u64 + 10 {
            store.apply(&said(1, number, "text"), 0);
        }
        store.apply(&Record::Stored { outbox: 1, through: KEPT as u64 + 5 }, 0);
        let outbox = store.outbox(1).unwrap();
        assert_eq!(outbox.messages.keys().next(), Some(&6));
        assert_eq!(store.waiting().count(), 5);
    }

    #[test]
    fn writing_the_file_anew_keeps_what_matters() {
        let room = RoomName::parse(b"ops").unwrap();
        let seen = |number| Seen {
            position: Position::new(number).unwrap(),
            identity: Identity { author: 9, outbox: 9, number },
        };
        let mut records = vec![said(1, 1, "a"), said(1, 2, "b"), said(2, 1, "c")];
        records.push(Record::Stored { outbox: 1, through: 1 });
        records.push(Record::Gone { outbox: 2, number: 1 });
        let deletion = Position::new(7).unwrap();
        let processed = |n| Record::Seen { room: room.clone(), seen: seen(n), deletion };
        records.extend((1..100).map(processed));
        let mut store = Store::load(&file(&records), Duration::from_secs(2));
        let again = Store::load(&store.snapshot(), Duration::from_secs(2));
        assert_eq!(waiting(&again), waiting(&store));
        assert_eq!(again.left_off(&room), Some((seen(99), deletion)));
        assert_eq!(again.seen(&RoomName::lobby()), None);
        assert!(again.has_seen(seen(50).identity));
        assert_eq!(again.outbox(1).unwrap().stored, 1);
    }
}
