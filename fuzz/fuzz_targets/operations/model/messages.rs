//! Checks that each message reaches its recipients, once, and no one else.
//!
//! A message ends with a unique number, `#1001#`. It identifies the message in members' datagrams,
//! in every format and encoding.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_fuzz::drain::Sent;
use pigeon_fuzz::shown::is_control_line;

use super::places::Places;

/// Every trial is over by then.
const TRIAL: Duration = Duration::from_secs(30);

/// The messages of the current batch.
pub(super) struct Messages {
    on_their_way: BTreeMap<u32, Message>,
    /// Members that got a probe: while their trial lasts, their lines wait.
    probed: BTreeSet<SocketAddr>,
    /// Messages of earlier batches that wait for them, and since when.
    late: BTreeMap<(SocketAddr, u32), Instant>,
    last_number: u32,
    /// Members that have changed rooms in this batch.
    moved: BTreeSet<SocketAddr>,
}

/// A message not yet delivered.
struct Message {
    /// The message's required recipients.
    due: BTreeSet<SocketAddr>,
    /// Whether the message is private: then its recipient gets it even after leaving.
    whispered: bool,
    /// Whether the message's number may also occur elsewhere: then its recipients are not checked.
    blurred: bool,
}

impl Message {
    fn blurred() -> Message {
        Message { due: BTreeSet::new(), whispered: false, blurred: true }
    }
}

impl Messages {
    pub(super) fn new() -> Messages {
        // Fragments of payloads contain smaller numbers.
        Messages {
            on_their_way: BTreeMap::new(),
            probed: BTreeSet::new(),
            late: BTreeMap::new(),
            last_number: 1_000,
            moved: BTreeSet::new(),
        }
    }

    /// An unused number.
    pub(super) fn next_number(&mut self) -> u32 {
        self.last_number += 1;
        self.last_number
    }

    /// Records a message accepted for all of `due`.
    pub(super) fn said(&mut self, number: u32, due: BTreeSet<SocketAddr>) {
        self.on_their_way.insert(number, Message { due, whispered: false, blurred: false });
    }

    /// Records an accepted private message, which its sender may get as well.
    pub(super) fn whispered(
        &mut self,
        number: u32,
        from: SocketAddr,
        to: SocketAddr,
        due: BTreeSet<SocketAddr>,
    ) {
        // A private message to oneself yields both lines.
        let blurred = to == from;
        self.on_their_way.insert(number, Message { due, whispered: true, blurred });
    }

    /// Records a rejected message: its number may only occur elsewhere.
    pub(super) fn refused(&mut self, number: u32) {
        self.on_their_way.insert(number, Message::blurred());
    }

    /// Numbers in a payload that is not a new message belong to others.
    pub(super) fn blur(&mut self, payload: &[u8]) {
        for number in numbers(payload) {
            self.on_their_way.entry(number).or_insert_with(Message::blurred).blurred = true;
        }
    }

    /// Handles members that joined, left or moved. A member that left does not get earlier
    /// messages; one that moved gets them at once, so even if it leaves later in the batch.
    pub(super) fn follow(&mut self, before: &Places, places: &Places) {
        let moved = |(to, place): &(&SocketAddr, &Option<String>)| {
            before.get(*to).is_some_and(|was| was != *place)
        };
        self.moved.extend(places.iter().filter(moved).map(|(to, _)| *to));
        for message in self.on_their_way.values_mut().filter(|message| !message.whispered) {
            message.due.retain(|to| places.get(to).is_some_and(Option::is_some));
        }
        self.late.retain(|(to, _), _| places.contains_key(to));
    }

    /// Whether lines to a member may have waited for its trial.
    pub(super) fn was_probed(&self, member: &SocketAddr) -> bool {
        self.probed.contains(member)
    }

    /// At the end of a batch: compares each message's actual and expected recipients.
    pub(super) fn arrive(&mut self, now: Instant, sent: &[Sent]) {
        let probed = sent.iter().filter(|(_, bytes)| bytes.starts_with(b"^hb^ probe "));
        self.probed.extend(probed.map(|(to, _)| *to));
        let was_left_out = |(_, bytes): &&Sent| bytes.starts_with(b"* a message was left out");
        let left_out: BTreeSet<SocketAddr> =
            sent.iter().filter(was_left_out).map(|(to, _)| *to).collect();
        let mut heard: BTreeMap<u32, Vec<SocketAddr>> = BTreeMap::new();
        for (to, bytes) in sent {
            for number in numbers(bytes) {
                if self.late.remove(&(*to, number)).is_some() {
                    continue;
                }
                heard.entry(number).or_default().push(*to);
                let message = self.on_their_way.get(&number);
                let in_room = message.is_some_and(|m| !m.blurred && !m.whispered);
                assert!(!in_room || !is_control_line(bytes), "#{number}# is a control line");
            }
        }
        for (number, message) in std::mem::take(&mut self.on_their_way) {
            if !message.blurred {
                let mut got = heard.remove(&number).unwrap_or_default();
                got.sort_unstable();
                got.retain(|to| message.due.contains(to) || !self.moved.contains(to));
                // A recipient may instead be notified that the message is too long in its encoding.
                let told = |to: &SocketAddr| got.contains(to) || !left_out.contains(to);
                let mut due: Vec<SocketAddr> = message.due.into_iter().filter(told).collect();
                for to in due.extract_if(.., |to| self.probed.contains(to) && !got.contains(to)) {
                    self.late.insert((to, number), now);
                }
                assert_eq!(got, due, "who got #{number}#, and who should have");
            }
        }
        self.moved.clear();
        let lost = self.late.iter().find(|(_, since)| **since + TRIAL < now);
        assert!(lost.is_none(), "{lost:?}: a line that waited for a trial never came");
    }
}

/// Every `#number#` in a line.
fn numbers(bytes: &[u8]) -> BTreeSet<u32> {
    let mut parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'#').skip(1).collect();
    parts.pop();
    parts.into_iter().filter_map(|part| std::str::from_utf8(part).ok()?.parse().ok()).collect()
}
