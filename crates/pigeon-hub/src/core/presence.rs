//! Joins, leaves and renamings, collected for a second: one line per room instead of one per
//! member.
//!
//! With a line for each, one forged datagram would make the hub write to a whole room, and a class
//! that starts its clients together would see nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{Change, Label, News, RoomName};

use super::id::MemberId;

/// How long changes are collected.
pub(crate) const GATHER: Duration = Duration::from_secs(1);

/// Maximum number of changes collected. Further ones are counted without names; rooms with that
/// many are above `--notices-up-to` anyway.
const MAX_NEWS: usize = 512;

struct Item {
    about: MemberId,
    kind: Kind,
}

#[derive(PartialEq, Eq)]
enum Kind {
    /// The label is determined when the line is written: by then most members have sent `/nick`.
    Joined,
    Renamed {
        from: Label,
    },
    Gone {
        label: Label,
        change: Change,
    },
}

/// Changes not yet sent to a room's members.
#[derive(Default)]
pub(crate) struct Presence {
    items: Vec<Item>,
    more: usize,
    due: Option<Instant>,
}

impl Presence {
    /// When the collected line is due.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A member joined. `label` is its label without a name.
    pub(crate) fn joined(&mut self, now: Instant, about: MemberId, label: impl FnOnce() -> Label) {
        // A member that left and returned within the second, without losing a name, is not
        // reported.
        let is_gone = |item: &Item| matches!(item.kind, Kind::Gone { .. });
        if self.items.iter().any(is_gone) {
            let label = label();
            let same = |item: &Item| match &item.kind {
                Kind::Gone { label: before, .. } => *before == label,
                _ => false,
            };
            if self.retract(same) {
                return;
            }
        }
        self.add(now, about, Kind::Joined);
    }

    /// The member with this label left.
    pub(crate) fn gone(&mut self, now: Instant, about: MemberId, label: Label, change: Change) {
        // A member renamed and gone within the second is reported under its previous name, which
        // the room knew.
        let is_renamed =
            |item: &Item| item.about == about && matches!(item.kind, Kind::Renamed { .. });
        let renamed = self.items.iter().position(is_renamed);
        let label = match renamed.map(|index| self.items.remove(index).kind) {
            Some(Kind::Renamed { from }) => from,
            _ => label,
        };
        if !self.retract(|item| item.about == about && item.kind == Kind::Joined) {
            self.add(now, about, Kind::Gone { label, change });
        }
    }

    /// A member previously labelled `from` took a name.
    pub(crate) fn renamed(&mut self, now: Instant, about: MemberId, from: Label) {
        let is_known = |item: &Item| {
            item.about == about && matches!(item.kind, Kind::Joined | Kind::Renamed { .. })
        };
        if !self.items.iter().any(is_known) {
            self.add(now, about, Kind::Renamed { from });
        }
    }

    /// Takes the collected changes. `label` returns a member's current label.
    pub(crate) fn take(&mut self, label: impl Fn(MemberId) -> Option<Label>) -> Gathered {
        let Presence { mut items, more, .. } = std::mem::take(self);
        // A member that left, and one that joined under the same name: the list is as it was. A member
        // with a key that goes on at another hub is such a pair.
        let mut joined: Vec<(MemberId, Label)> = Vec::new();
        for item in items.iter().filter(|item| item.kind == Kind::Joined) {
            joined.extend(label(item.about).map(|label| (item.about, label)));
        }
        for (about, name) in joined {
            let is_same = |item: &Item| match &item.kind {
                Kind::Gone { label, change } => *change == Change::Left && *label == name,
                _ => false,
            };
            if let Some(at) = items.iter().position(is_same) {
                items.remove(at);
                items.retain(|item| item.about != about || item.kind != Kind::Joined);
            }
        }
        let changed = |item: Item| {
            let (change, labels) = match item.kind {
                Kind::Joined => (Change::Joined, vec![label(item.about)?]),
                Kind::Gone { label, change } => (change, vec![label]),
                Kind::Renamed { from } => {
                    let now = label(item.about).filter(|now| *now != from)?;
                    (Change::Renamed, vec![from, now])
                }
            };
            Some(Changed { about: item.about, change, labels })
        };
        Gathered { changed: items.into_iter().filter_map(changed).collect(), more }
    }

    fn add(&mut self, now: Instant, about: MemberId, kind: Kind) {
        self.due.get_or_insert(now + GATHER);
        if self.items.len() < MAX_NEWS {
            self.items.push(Item { about, kind });
        } else {
            self.more += 1;
        }
    }

    fn retract(&mut self, which: impl Fn(&Item) -> bool) -> bool {
        let found = self.items.iter().position(which);
        found.map(|index| self.items.remove(index)).is_some()
    }
}

struct Changed {
    about: MemberId,
    change: Change,
    labels: Vec<Label>,
}

/// The changes of one second.
pub(crate) struct Gathered {
    changed: Vec<Changed>,
    more: usize,
}

impl Gathered {
    /// Whether the news include this member, which gets a separate line.
    pub(crate) fn concerns(&self, member: MemberId) -> bool {
        self.changed.iter().any(|changed| changed.about == member)
    }

    /// The members that the news include.
    pub(crate) fn members(&self) -> BTreeSet<MemberId> {
        self.changed.iter().map(|changed| changed.about).collect()
    }

    /// The changes for one reader, without its own; `None` means all readers that are not among
    /// them. May be empty.
    pub(crate) fn news(
        &self,
        reader: Option<MemberId>,
        room: &RoomName,
        version: u64,
    ) -> Vec<News> {
        let mut news = Vec::new();
        for change in Change::ALL {
            let of = self.changed.iter().filter(|c| c.change == change && Some(c.about) != reader);
            let labels: Vec<Vec<Label>> = of.map(|changed| changed.labels.clone()).collect();
            if !labels.is_empty() {
                news.push(News::fill(room.clone(), version, change, labels));
            }
        }
        if let Ok(more @ 1..) = u32::try_from(self.more) {
            let (room, names) = (room.clone(), Vec::new());
            news.push(News { room, version, change: Change::Other, names, more });
        }
        news
    }
}

#[cfg(test)]
mod tests {
    use pigeon_proto::{Language, sentence};

    use super::super::id::Slot;
    use super::*;

    const NOW: Instant = Instant::ORIGIN;

    fn id(n: u32) -> MemberId {
        MemberId::new(Slot::new(n), 0)
    }

    fn label(text: &str) -> Label {
        Label::parse(text).unwrap()
    }

    fn unnamed() -> Label {
        label("127.0.0.1:9")
    }

    fn line(presence: Presence, reader: Option<u32>, name: impl Fn(u32) -> String) -> String {
        let mut presence = presence;
        let named = |id: MemberId| Some(label(&name(id.slot().number())));
        let news = presence.take(named).news(reader.map(id), &RoomName::lobby(), 1);
        sentence::news(&news, Language::English)
    }

    #[test]
    fn news_of_one_second_is_one_line() {
        let gathered = || {
            let mut presence = Presence::default();
            presence.joined(NOW, id(1), unnamed);
            presence.joined(NOW, id(2), unnamed);
            presence.gone(NOW, id(5), label("127.0.0.1:5000"), Change::TimedOut);
            presence.renamed(NOW, id(3), label("cat"));
            presence
        };
        let called = |n: u32| ["", "狗哥", "猴哥", "dog"][n as usize].to_string();
        assert_eq!(gathered().due(), Some(NOW + GATHER));
        assert_eq!(
            line(gathered(), None, called),
            "狗哥, 猴哥 joined; 127.0.0.1:5000 timed out; cat is now dog"
        );
        assert_eq!(
            line(gathered(), Some(1), called),
            "猴哥 joined; 127.0.0.1:5000 timed out; cat is now dog"
        );
    }

    #[test]
    fn what_nobody_noticed_is_no_news() {
        let mut presence = Presence::default();
        presence.joined(NOW, id(1), unnamed);
        presence.gone(NOW, id(1), label("x"), Change::Left);
        presence.gone(NOW, id(2), unnamed(), Change::TimedOut);
        presence.joined(NOW, id(7), unnamed);
        assert_eq!(line(presence, None, |n| n.to_string()), "");
    }

    #[test]
    fn one_who_leaves_and_one_who_joins_under_the_same_name_are_no_news() {
        let gathered = |change| {
            let mut presence = Presence::default();
            presence.gone(NOW, id(1), label("cat"), change);
            presence.joined(NOW, id(2), || label("key-1234"));
            presence.joined(NOW, id(3), unnamed);
            presence
        };
        let called = |n: u32| ["", "", "cat", "dog"][n as usize].to_string();
        assert_eq!(line(gathered(Change::Left), None, called), "dog joined");
        let kicked = line(gathered(Change::Kicked), None, called);
        assert_eq!(kicked, "cat, dog joined; cat removed by the operator");
    }

    #[test]
    fn renames_that_lead_nowhere_are_no_news() {
        let mut presence = Presence::default();
        presence.renamed(NOW, id(1), label("cat"));
        presence.gone(NOW, id(1), label("dog"), Change::Left);
        assert_eq!(line(presence, None, |n| n.to_string()), "cat left");
        let mut presence = Presence::default();
        presence.renamed(NOW, id(1), label("cat"));
        assert_eq!(line(presence, None, |_| "cat".into()), "");
    }

    #[test]
    fn a_line_stays_short() {
        let mut presence = Presence::default();
        for n in 0..2_000 {
            presence.joined(NOW, id(n + 10_000), unnamed);
        }
        let line = line(presence, None, |n| n.to_string());
        assert!(line.len() < 400, "{line}");
        assert!(line.ends_with("and 500 more joined; 1488 more came or went"), "{line}");
    }
}
