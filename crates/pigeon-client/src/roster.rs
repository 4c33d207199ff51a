//! The members of our room and the list of rooms, from control lines: for a list beside the
//! messages.
//!
//! The answer to each heartbeat contains the VERSION of the room's member list. Notices of changes
//! update the list, and each contains the version after the change. If the numbers do not match, a
//! notice was lost, and the list is requested again:
//!
//! ```text
//!   /who ─▶ roster … 0 a b c    /who 3 ─▶ roster … 3 d e    complete: 5 members, version 17
//!   notice … 18 joined f        the list is at 18
//!   ^hb^ pigeon/1 … 20 …        two changes were missed: /who
//! ```

use std::collections::BTreeSet;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{Answer, Change, Command, Label, Name, News, Notice, RoomName};

use crate::session::Event;

/// Maximum number of names kept. Further members are only counted.
const MAX_NAMES: usize = 1_000;

/// Maximum number of rooms kept.
const MAX_ROOMS: usize = 200;

/// The least time between two requests for the list, and the same for a large room, where a list
/// takes many datagrams.
const ASK_EVERY: Duration = Duration::from_secs(5);
const ASK_LARGE_EVERY: Duration = Duration::from_secs(60);

/// The number of members from which a room is large.
const LARGE: u64 = 200;

/// How long a list of rooms is used. It has no version number.
const ROOMS_EVERY: Duration = Duration::from_secs(60);

/// How long to wait for the next part of a list: longer than a session repeats the request.
const PART_WITHIN: Duration = Duration::from_secs(8);

/// How long to wait for the notices of one version, which arrive one after the other.
const NOTICES_WITHIN: Duration = Duration::from_secs(2);

/// The members of our room, and the list of rooms.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    me: Option<Name>,
    room: Option<RoomName>,
    members: Members,
    rooms: Vec<(RoomName, u32)>,
    version: Version,
    who: Listing,
    /// The list being received.
    draft: Members,
    all_rooms: Listing,
    draft_rooms: Vec<(RoomName, u32)>,
    changes: u64,
}

/// People, programs that only send, and the number of further members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Members {
    people: BTreeSet<Label>,
    senders: BTreeSet<Label>,
    more: u64,
}

/// Compares the list's version with the hub's.
#[derive(Clone, Debug, Default)]
struct Version {
    /// The list's version, before notices of the newest version are applied.
    base: Option<u64>,
    /// The hub's newest version.
    newest: u64,
    /// The number of changes in the notices of the newest version.
    reported: u64,
    /// When the newest version was first seen.
    since: Option<Instant>,
}

impl Version {
    fn is_followed(&self) -> bool {
        self.base.is_some_and(|base| base.saturating_add(self.reported) == self.newest)
    }

    /// A complete list of this version was received.
    fn set(&mut self, version: u64) {
        *self = Version { base: Some(version), newest: version, reported: 0, since: None };
    }

    /// The hub's version from a notice with `changes` changes, or from the answer to a heartbeat.
    fn hear(&mut self, now: Instant, version: u64, changes: u64) {
        if version != self.newest {
            // A restarted hub counts from the beginning.
            self.base = self.is_followed().then_some(self.newest).filter(|base| *base < version);
            (self.newest, self.reported, self.since) = (version, 0, Some(now));
        }
        self.reported = self.reported.saturating_add(changes);
    }
}

/// The state of receiving a list in parts.
#[derive(Clone, Copy, Debug, Default)]
struct Listing {
    /// When the first part was last requested.
    began: Option<Instant>,
    /// The expected part, and since when. `None` if no part is expected.
    wanted: Option<(u32, Instant)>,
}

impl Listing {
    /// Whether to request the list again: `every` has passed since the last request, and no part is
    /// expected.
    fn may_begin(&self, now: Instant, every: Duration) -> bool {
        let is_coming = self.wanted.is_some_and(|(_, since)| now - since < PART_WITHIN);
        !is_coming && self.began.is_none_or(|began| now - began >= every)
    }

    fn begin(&mut self, now: Instant) {
        (self.began, self.wanted) = (Some(now), Some((0, now)));
    }

    /// Accepts a part if it is the expected one.
    fn take(&mut self, from: u32) -> bool {
        self.wanted.take_if(|(wanted, _)| *wanted == from).is_some()
    }
}

impl Roster {
    /// Our name at the hub, if known.
    pub fn me(&self) -> Option<&Name> {
        self.me.as_ref()
    }

    /// Our room, if known.
    pub fn room(&self) -> Option<&RoomName> {
        self.room.as_ref()
    }

    /// The known people in our room, in order.
    pub fn people(&self) -> impl Iterator<Item = &Label> {
        self.members.people.iter()
    }

    /// The known programs in our room that only send, in order.
    pub fn senders(&self) -> impl Iterator<Item = &Label> {
        self.members.senders.iter()
    }

    /// The number of further members of our room.
    pub fn more(&self) -> u64 {
        self.members.more
    }

    /// The rooms in the last list, with their numbers of members then.
    pub fn rooms(&self) -> &[(RoomName, u32)] {
        &self.rooms
    }

    /// A number that increases with every visible change.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// Updates the lists from a session's event.
    pub fn hear(&mut self, now: Instant, event: &Event) {
        match event {
            Event::Joined(answer) | Event::Answered(answer) => self.hear_answer(now, answer),
            Event::Notice(notice) | Event::Background(notice) | Event::Elsewhere(notice) => {
                self.hear_notice(now, notice);
            }
            Event::Again { .. } => self.version.base = None,
            _ => {}
        }
    }

    /// Sends due requests with `asked`, which must return false if the hub cannot be asked now; see
    /// [`Session::ask`](crate::Session::ask).
    pub fn questions(&mut self, now: Instant, mut asked: impl FnMut(&Command<'_>) -> bool) {
        let size = self.members.count();
        let every = if size > LARGE { ASK_LARGE_EVERY } else { ASK_EVERY };
        let settled = self.version.since.is_none_or(|since| now - since >= NOTICES_WITHIN);
        let is_old = !self.version.is_followed() && (settled || self.version.base.is_none());
        if is_old && self.who.may_begin(now, every) && asked(&Command::Who { from: 0 }) {
            self.who.begin(now);
            self.draft = Members::default();
        }
        let every = ROOMS_EVERY;
        if self.all_rooms.may_begin(now, every) && asked(&Command::Rooms { from: 0 }) {
            self.all_rooms.begin(now);
            self.draft_rooms.clear();
        }
        // The next parts. A session does not repeat a request that is pending.
        for (listing, rooms) in [(self.who, false), (self.all_rooms, true)] {
            if let Some((from, since)) = listing.wanted.filter(|(from, _)| *from > 0)
                && now - since < PART_WITHIN
            {
                asked(&if rooms { Command::Rooms { from } } else { Command::Who { from } });
            }
        }
    }

    fn hear_answer(&mut self, now: Instant, answer: &Answer) {
        let Some(you) = &answer.you else { return };
        self.call_me(you.name.as_ref());
        if let Some(room) = &you.room {
            self.enter(room);
        }
        if let Some(version) = answer.version {
            self.version.hear(now, version, 0);
        }
    }

    fn hear_notice(&mut self, now: Instant, notice: &Notice) {
        match notice {
            Notice::Name { name, room, .. } => {
                self.call_me(name.as_ref());
                self.enter(room);
            }
            Notice::Roster(roster) => self.hear_roster(now, roster),
            Notice::Rooms { from, total, rooms } => self.hear_rooms(now, *from, *total, rooms),
            Notice::News(news) => self.hear_news(now, news),
            Notice::Gone(_) => self.version.base = None,
            _ => {}
        }
    }

    fn call_me(&mut self, name: Option<&Name>) {
        if self.me.as_ref() != name {
            self.me = name.cloned();
            self.changes += 1;
        }
    }

    fn enter(&mut self, room: &RoomName) {
        if self.room.as_ref() == Some(room) {
            return;
        }
        self.room = Some(room.clone());
        self.members = Members::default();
        self.version = Version::default();
        self.who = Listing::default();
        self.all_rooms = Listing::default();
        self.changes += 1;
    }

    fn hear_roster(&mut self, now: Instant, roster: &pigeon_proto::Roster) {
        if self.room.as_ref() != Some(&roster.room) || !self.who.take(roster.from) {
            return;
        }
        let (people, senders) = (u64::from(roster.people), u64::from(roster.senders));
        for (at, name) in (u64::from(roster.from)..).zip(&roster.names) {
            self.draft.add(name, at < people);
        }
        let listed = roster.from.saturating_add(u32::try_from(roster.names.len()).unwrap_or(0));
        let is_complete = u64::from(listed) >= people + senders
            || roster.names.is_empty()
            || self.draft.named() >= MAX_NAMES;
        self.draft.more = (people + senders).saturating_sub(self.draft.named() as u64);
        if !is_complete {
            self.who.wanted = Some((listed, now));
        }
        // Shows the beginning of a long list if nothing was known before.
        if is_complete || self.members == Members::default() {
            self.members = self.draft.clone();
            self.changes += 1;
        }
        if is_complete {
            self.version.set(roster.version);
        }
    }

    fn hear_rooms(&mut self, now: Instant, from: u32, total: u32, rooms: &[(RoomName, u32)]) {
        if !self.all_rooms.take(from) {
            return;
        }
        let space = MAX_ROOMS.saturating_sub(self.draft_rooms.len());
        self.draft_rooms.extend(rooms.iter().take(space).cloned());
        let listed = from.saturating_add(u32::try_from(rooms.len()).unwrap_or(0));
        if listed >= total || rooms.is_empty() || self.draft_rooms.len() >= MAX_ROOMS {
            self.rooms = std::mem::take(&mut self.draft_rooms);
            self.changes += 1;
        } else {
            self.all_rooms.wanted = Some((listed, now));
        }
    }

    /// Applies a change of members. Removes a name's old holder before its next one joins.
    fn hear_news(&mut self, now: Instant, news: &News) {
        if self.room.as_ref() != Some(&news.room) {
            return;
        }
        let more = u64::from(news.more);
        let pairs = || news.names.chunks_exact(2);
        let named = match news.change {
            Change::Renamed => pairs().count(),
            _ => news.names.len(),
        };
        match news.change {
            Change::Joined => {
                news.names.iter().for_each(|name| self.members.add(name, true));
                self.members.more = self.members.more.saturating_add(more);
            }
            Change::Renamed => {
                // Counted until the new names are added: two members may have swapped theirs.
                let known = pairs().filter(|pair| self.members.remove(&pair[0])).count() as u64;
                self.members.more = self.members.more.saturating_add(known);
                pairs().for_each(|pair| self.members.name(&pair[1]));
            }
            Change::Left | Change::TimedOut | Change::Kicked | Change::Banned => {
                let unknown = news.names.iter().filter(|name| !self.members.remove(name)).count();
                let gone = more.saturating_add(unknown as u64);
                self.members.more = self.members.more.saturating_sub(gone);
            }
            // The member stays in the room, whatever the address.
            Change::Moved => {}
            Change::Other => self.version.base = None,
        }
        self.version.hear(now, news.version, (named as u64).saturating_add(more));
        self.changes += 1;
    }
}

impl Members {
    fn named(&self) -> usize {
        self.people.len() + self.senders.len()
    }

    fn count(&self) -> u64 {
        self.more.saturating_add(self.named() as u64)
    }

    /// Adds a member that was not counted.
    fn add(&mut self, name: &Label, is_person: bool) {
        // A sender that takes a name becomes a person.
        let was_sender = is_person && self.senders.remove(name);
        if was_sender || self.named() < MAX_NAMES {
            let set = if is_person { &mut self.people } else { &mut self.senders };
            set.insert(name.clone());
        } else if !self.people.contains(name) && !self.senders.contains(name) {
            self.more = self.more.saturating_add(1);
        }
    }

    /// Adds the name of a member that was only counted.
    fn name(&mut self, name: &Label) {
        if !self.people.contains(name) {
            self.more = self.more.saturating_sub(1);
            self.add(name, true);
        }
    }

    fn remove(&mut self, name: &Label) -> bool {
        self.people.remove(name) || self.senders.remove(name)
    }
}

#[cfg(test)]
mod tests {
    use pigeon_proto::{Format, You};

    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    fn label(text: &str) -> Label {
        Label::parse(text).unwrap()
    }

    fn hear(roster: &mut Roster, now: Instant, line: &str) {
        let notice = Notice::parse(format!("^hb^ {line}").as_bytes()).unwrap();
        roster.hear(now, &Event::Notice(notice));
    }

    fn answer(version: u64) -> Event {
        Event::Answered(Answer {
            members: 2,
            secure_port: None,
            format: Some(Format::Chat),
            you: Some(You { name: None, room: Some(RoomName::lobby()) }),
            version: Some(version),
            last: Some(0),
        })
    }

    fn asked(roster: &mut Roster, now: Instant) -> Vec<String> {
        let mut asked = Vec::new();
        roster.questions(now, |command| {
            asked.push(String::from_utf8(command.to_bytes()).unwrap());
            true
        });
        asked
    }

    fn people(roster: &Roster) -> Vec<&str> {
        roster.people().map(Label::as_str).collect()
    }

    /// A roster of the lobby with dog and a sensor, at version 3.
    fn listed() -> Roster {
        let mut roster = Roster::default();
        roster.hear(at(0), &answer(3));
        assert_eq!(asked(&mut roster, at(0)), ["/who", "/rooms"]);
        hear(&mut roster, at(0), "roster lobby 3 1 1 0 dog 127.0.0.1:5000");
        hear(&mut roster, at(0), "rooms 0 1 lobby 2");
        assert_eq!(people(&roster), ["dog"]);
        assert_eq!(roster.senders().collect::<Vec<_>>(), [&label("127.0.0.1:5000")]);
        assert_eq!(asked(&mut roster, at(30)), [""; 0]);
        roster
    }

    #[test]
    fn notices_are_followed_by_their_versions() {
        let mut roster = listed();
        hear(&mut roster, at(10), "notice lobby 5 joined 狗哥,猴哥");
        hear(&mut roster, at(10), "notice lobby 6 left dog");
        hear(&mut roster, at(10), "notice lobby 7 renamed 猴哥,ape");
        assert_eq!((people(&roster), roster.more()), (vec!["ape", "狗哥"], 0));
        roster.hear(at(20), &answer(7));
        assert_eq!(asked(&mut roster, at(20)), [""; 0]);
        // A notice was lost.
        roster.hear(at(30), &answer(8));
        assert_eq!(asked(&mut roster, at(30)), [""; 0], "it may still come");
        assert_eq!(asked(&mut roster, at(32)), ["/who"]);
        assert_eq!(asked(&mut roster, at(33)), [""; 0]);
    }

    #[test]
    fn several_notices_of_one_version_add_up() {
        let mut roster = listed();
        hear(&mut roster, at(10), "notice lobby 6 joined a,b");
        hear(&mut roster, at(10), "notice lobby 6 left dog");
        roster.hear(at(20), &answer(6));
        assert_eq!(asked(&mut roster, at(20)), [""; 0]);
    }

    #[test]
    fn names_that_change_hands_stay_in_the_list() {
        let mut roster = listed();
        hear(&mut roster, at(10), "notice lobby 4 joined cat");
        hear(&mut roster, at(10), "notice lobby 6 renamed cat,dog,dog,cat");
        assert_eq!((people(&roster), roster.more()), (vec!["cat", "dog"], 0));
        hear(&mut roster, at(10), "notice lobby 7 moved cat");
        assert_eq!(people(&roster), ["cat", "dog"]);
        hear(&mut roster, at(10), "notice lobby 9 other ;2");
        assert_eq!(asked(&mut roster, at(12)), ["/who"]);
    }

    #[test]
    fn a_long_list_comes_in_parts() {
        let mut roster = Roster::default();
        roster.hear(at(0), &answer(3));
        asked(&mut roster, at(0));
        hear(&mut roster, at(0), "roster lobby 3 4 1 0 a b c");
        assert_eq!((people(&roster), roster.more()), (vec!["a", "b", "c"], 2));
        assert_eq!(asked(&mut roster, at(0)), ["/who 3"]);
        // An unexpected part.
        hear(&mut roster, at(0), "roster lobby 3 4 1 0 x y z");
        hear(&mut roster, at(0), "roster lobby 3 4 1 3 d 127.0.0.1:9");
        assert_eq!((people(&roster), roster.more()), (vec!["a", "b", "c", "d"], 0));
        assert_eq!(roster.senders().count(), 1);
        hear(&mut roster, at(0), "rooms 0 3 lobby 5 7b 2");
        assert_eq!(asked(&mut roster, at(0)), ["/rooms 2"]);
        hear(&mut roster, at(0), "rooms 2 3 8a 1");
        assert_eq!(roster.rooms().len(), 3);
        assert_eq!(asked(&mut roster, at(60)), ["/rooms"]);
    }

    #[test]
    fn a_part_that_never_comes_is_not_waited_for() {
        let mut roster = Roster::default();
        roster.hear(at(0), &answer(3));
        asked(&mut roster, at(0));
        hear(&mut roster, at(0), "roster lobby 3 4 1 0 a b c");
        assert_eq!(asked(&mut roster, at(7)), ["/who 3"]);
        assert!(asked(&mut roster, at(8)).contains(&"/who".to_string()));
    }

    #[test]
    fn another_room_has_another_list() {
        let mut roster = listed();
        hear(&mut roster, at(10), "name dog 7b -");
        assert_eq!((people(&roster), roster.room().unwrap().as_str()), (vec![], "7b"));
        hear(&mut roster, at(10), "notice lobby 4 joined cat");
        hear(&mut roster, at(10), "roster lobby 4 2 0 0 cat dog");
        assert_eq!(people(&roster), [""; 0]);
        assert_eq!(asked(&mut roster, at(10)), ["/who", "/rooms"]);
        hear(&mut roster, at(10), "roster 7b 1 1 0 0 dog");
        assert_eq!((people(&roster), roster.me().unwrap().as_str()), (vec!["dog"], "dog"));
    }

    #[test]
    fn a_hub_that_was_away_is_asked_again() {
        let mut roster = listed();
        roster.hear(at(40), &Event::Again { after: Duration::from_secs(9) });
        assert_eq!(asked(&mut roster, at(40)), ["/who"]);
        // A new hub counts from the beginning.
        let mut roster = listed();
        roster.hear(at(40), &answer(1));
        assert_eq!(asked(&mut roster, at(42)), ["/who"]);
    }

    #[test]
    fn a_large_room_is_asked_for_once_a_minute() {
        let mut roster = Roster::default();
        roster.hear(at(0), &answer(3));
        asked(&mut roster, at(0));
        hear(&mut roster, at(0), "roster lobby 3 5000 0 0 a");
        roster.who.wanted = None;
        roster.hear(at(10), &answer(9));
        assert!(!asked(&mut roster, at(20)).contains(&"/who".to_string()));
        assert!(asked(&mut roster, at(60)).contains(&"/who".to_string()));
    }

    #[test]
    fn the_list_is_bounded() {
        let mut roster = listed();
        let mut version = 3;
        for part in 0..200 {
            version += 6;
            let names: Vec<String> = (0..6).map(|n| format!("m{part}-{n}")).collect();
            hear(
                &mut roster,
                at(10),
                &format!("notice lobby {version} joined {}", names.join(",")),
            );
        }
        assert_eq!(roster.people().count() + roster.senders().count(), MAX_NAMES);
        assert_eq!(roster.more(), 1_202 - MAX_NAMES as u64);
        hear(&mut roster, at(10), &format!("notice lobby {version} joined x;4294967295"));
        hear(&mut roster, at(10), "notice lobby 18446744073709551615 left y;4294967295");
    }
}
