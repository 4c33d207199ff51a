//! The screen's state: conversations, members, the input line.
//!
//! The loop changes it with [`Update`]s, the user with keys ([`super::keys`]); [`super::draw`] only
//! reads it.

use pigeon_proto::{Language, fold};

use super::help::{self, Entry};
use super::input::{History, Input};
use super::layout::Areas;
use super::log::{Anchor, Kind, Line, Log, MAX_LINES};
use super::side::Side;
use super::update::{Members, PlaceId, Presence, Update};
use super::wall_clock::WallTime;
use crate::words::say_in;

/// Maximum number of bytes of all conversations together. Beyond it, the largest one's oldest line
/// is dropped.
pub(crate) const MAX_BYTES: usize = 64 << 20;

/// Maximum number of conversations. Beyond it, the one that has been silent longest is closed.
pub(crate) const MAX_PLACES: usize = 200;

/// Slash commands with descriptions, in a language: a table that [`help::entries`] reads.
pub(crate) type Commands = fn(Language) -> String;

/// Maximum number of ignored names.
const MAX_IGNORED: usize = 1_000;

/// Seconds before the same older lines are requested again. The loop repeats unanswered requests,
/// but the hub may also have declined for the moment.
const OLDER_WITHIN: i64 = 1;

#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) id: PlaceId,
    /// Further information on the peer; may be empty.
    pub(crate) about: Box<str>,
    pub(crate) presence: Presence,
    /// The number of members, if it is a room and the number is known.
    pub(crate) count: Option<u64>,
    /// Lines received while another place was shown.
    pub(crate) unread: u64,
    /// Whether an unread line mentions the user.
    pub(crate) mentioned: bool,
    pub(crate) log: Log,
    /// Whether the hub stores nothing older than the first line.
    whole: bool,
    /// The last position read at the last visit, until newer lines are shown.
    seen: Option<u64>,
    /// The last request for older lines: its position and time.
    asked: Option<(Option<u64>, WallTime)>,
    /// When the place last got a line, as an increasing number.
    touched: u64,
}

/// The current meaning of keys.
#[derive(Debug, Default)]
pub(crate) enum Mode {
    /// Edits the input line.
    #[default]
    Typing,
    /// Shows the help, scrolled by this many lines.
    Help(usize),
    /// Shows the list of people, scrolled by this many lines.
    People(usize),
    /// Shows the hub's search results.
    Hits,
    /// Shows the messages alone, for copying.
    Bare,
    /// Searches.
    Search(Search),
    /// Asks about several pasted lines.
    Pasted(Vec<String>),
}

/// A search in the shown conversation.
#[derive(Debug, Default)]
pub(crate) struct Search {
    pub(crate) sought: Input,
    /// The line found.
    pub(crate) found: Option<u64>,
    /// The position before the search.
    pub(crate) before: Option<Anchor>,
}

/// The hub's search results.
#[derive(Debug)]
pub(crate) struct Hits {
    pub(crate) query: Box<str>,
    pub(crate) log: Log,
    pub(crate) found: usize,
}

/// A completion with Tab.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) candidates: Vec<String>,
    pub(crate) next: usize,
    /// The start of the completed word in the line, in bytes.
    pub(crate) from: usize,
}

/// The whole screen.
#[derive(Debug)]
pub(crate) struct Model {
    /// The title: the address of the connection.
    pub(crate) title: String,
    /// The slash commands for Tab and the help, also in the current language.
    commands: Commands,
    entries: Vec<Entry>,
    pub(crate) language: Language,
    pub(crate) places: Vec<Place>,
    pub(crate) current: usize,
    /// The user's current room.
    pub(crate) here: Option<Box<str>>,
    /// Whether the user is a member of the hub; true without a hub.
    pub(crate) is_in: bool,
    pub(crate) members: Members,
    /// The number of people scrolled past on the left.
    pub(crate) members_at: usize,
    /// The user's name.
    pub(crate) me: Option<Box<str>>,
    /// Names with hidden messages.
    ignored: Vec<String>,
    /// Whether a mention rings the bell, and whether one has occurred.
    pub(crate) bell: bool,
    pub(crate) rings: bool,
    /// Whether the hub stores messages.
    pub(crate) keeps: bool,
    pub(crate) hits: Option<Hits>,
    /// Additional names for Tab.
    pub(crate) names: Vec<String>,
    pub(crate) input: Input,
    pub(crate) history: History,
    pub(crate) mode: Mode,
    pub(crate) completion: Option<Completion>,
    pub(crate) status: (String, bool),
    /// Lines dropped because the screen was too slow.
    pub(crate) dropped: u64,
    /// Lines dropped before they reached the screen.
    pub(crate) missed: u64,
    /// Columns and rows.
    pub(crate) size: (u16, u16),
    /// The current time.
    pub(crate) time: WallTime,
    /// Lines of closed conversations.
    closed: u64,
    touches: u64,
}

impl Model {
    /// A screen with one empty place.
    pub(crate) fn new(
        title: String,
        first: PlaceId,
        commands: Commands,
        language: Language,
    ) -> Model {
        let mut model = Model {
            title,
            commands,
            entries: help::entries(&commands(language)),
            language,
            places: Vec::new(),
            current: 0,
            here: match &first {
                PlaceId::Room(room) => Some(room.clone()),
                PlaceId::Person(_) => None,
            },
            is_in: true,
            members: Members::default(),
            members_at: 0,
            me: None,
            ignored: Vec::new(),
            bell: true,
            rings: false,
            keeps: false,
            hits: None,
            names: Vec::new(),
            input: Input::default(),
            history: History::default(),
            mode: Mode::Typing,
            completion: None,
            status: (String::new(), false),
            dropped: 0,
            missed: 0,
            size: (80, 24),
            time: WallTime::default(),
            closed: 0,
            touches: 0,
        };
        model.place_or_new(first);
        model
    }

    /// The shown place.
    pub(crate) fn place(&self) -> &Place {
        &self.places[self.current]
    }

    pub(crate) fn place_mut(&mut self) -> &mut Place {
        &mut self.places[self.current]
    }

    /// Whether the shown place is the user's current room, so that input goes there.
    pub(crate) fn is_here(&self) -> bool {
        match &self.place().id {
            PlaceId::Room(room) => self.here.as_ref() == Some(room),
            PlaceId::Person(_) => true,
        }
    }

    /// Lines dropped for newer ones.
    pub(crate) fn forgotten(&self) -> u64 {
        self.closed + self.places.iter().map(|place| place.log.forgotten()).sum::<u64>()
    }

    /// The size of the message area.
    pub(crate) fn pane(&self) -> (usize, usize) {
        let areas = self.areas();
        (areas.text_columns(self.is_dated()), areas.messages.height.into())
    }

    /// The layout.
    pub(crate) fn areas(&self) -> Areas {
        Areas::of(self.size)
    }

    /// The rows on the left.
    pub(crate) fn side(&self) -> Side {
        Side::of(self, self.areas().side.height.into())
    }

    /// Whether the shown lines have dates.
    pub(crate) fn is_dated(&self) -> bool {
        self.shown().is_dated(self.time)
    }

    /// The shown lines: of a place, or search results.
    pub(crate) fn shown(&self) -> &Log {
        match (&self.mode, &self.hits) {
            (Mode::Hits, Some(hits)) => &hits.log,
            _ => &self.place().log,
        }
    }

    pub(crate) fn shown_mut(&mut self) -> &mut Log {
        match (&self.mode, &mut self.hits) {
            (Mode::Hits, Some(hits)) => &mut hits.log,
            _ => &mut self.places[self.current].log,
        }
    }

    /// The slash commands for Tab and the help, with descriptions.
    pub(crate) fn commands(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether a slash command is the screen's own, which not every screen has.
    pub(crate) fn has_command(&self, word: &str) -> bool {
        self.commands().iter().any(|entry| entry.key.split(' ').next() == Some(word))
    }

    /// The position before which to request older lines of the shown place, if a request is due:
    /// the very first row is visible, and there was no recent request. The inner `None` means the
    /// newest lines.
    pub(crate) fn older(&mut self) -> Option<Option<u64>> {
        let (columns, height) = self.pane();
        let (now, keeps, here) = (self.time, self.keeps, self.here.clone().map(PlaceId::Room));
        let place = self.place_mut();
        let may_ask = keeps && !place.whole && here.as_ref() == Some(&place.id);
        if !may_ask || place.log.len() >= MAX_LINES || !place.log.is_at_top(columns, height) {
            return None;
        }
        let before = place.log.oldest_position();
        let is_awaited =
            |(asked, at): (Option<u64>, WallTime)| asked == before && now.0 < at.0 + OLDER_WITHIN;
        if place.asked.is_some_and(is_awaited) {
            return None;
        }
        place.asked = Some((before, now));
        Some(before)
    }

    pub(crate) fn window_title(&self) -> String {
        let unread: u64 = self.places.iter().map(|place| place.unread).sum();
        let name = match self.place().id.name() {
            "" => &self.title,
            name => name,
        };
        let name: String = pigeon_text::escape(name).to_string().chars().take(60).collect();
        match unread {
            0 => format!("{name} - pigeon"),
            unread => format!("({unread}) {name} - pigeon"),
        }
    }

    // Updates.

    /// Applies an update.
    pub(crate) fn apply(&mut self, update: Update) {
        match update {
            Update::Line(place, line) => self.add(place, &line),
            Update::Whisper(person, line) => self.whisper(person, &line),
            Update::IsIn(is_in) => self.is_in = is_in,
            Update::Enter(room) => self.enter(room),
            Update::Rooms(rooms) => self.list_rooms(&rooms),
            Update::Members(members) => self.list_members(members),
            Update::Look(id) => {
                let at = self.place_or_new(id);
                self.look_at(at);
            }
            Update::About(id, about) => {
                let at = self.place_or_new(id);
                self.places[at].about = about;
            }
            Update::Rename(from, to) => self.rename(&from, to),
            Update::Names(names) => self.names = names,
            Update::Presence(id, presence) => {
                let at = self.place_or_new(id);
                self.places[at].presence = presence;
            }
            Update::Close(id) => {
                if let Some(at) = self.find(&id).filter(|_| self.places.len() > 1) {
                    self.close(at);
                }
            }
            Update::Missed(lines) => self.missed = lines,
            Update::Me(me) => self.me = Some(me),
            Update::Language(language) => {
                self.language = language;
                self.entries = help::entries(&(self.commands)(language));
            }
            Update::Keeps(keeps) => self.keeps = keeps,
            Update::Kept(id, line) => self.keep(id, &line),
            Update::Oldest(id) => {
                let at = self.place_or_new(id);
                let place = &mut self.places[at];
                place.whole = true;
                let end = note(self.time, &say_in!(self.language, "screen-nothing-older"));
                // Sorts before all others, whatever the clocks.
                let time = WallTime(i64::MIN);
                place.log.insert(&Line { kind: Kind::End, position: Some(0), time, ..end }, None);
            }
            Update::Seen(id, position) => {
                let at = self.place_or_new(id);
                self.places[at].seen = Some(position);
            }
            Update::Sought(query) => {
                self.hits = Some(Hits { query, log: Log::default(), found: 0 });
                // A pending question is answered first.
                if !matches!(self.mode, Mode::Pasted(_) | Mode::Search(_)) {
                    self.mode = Mode::Hits;
                }
            }
            Update::Hit(line) => {
                if let Some(hits) = self.hits.as_mut().filter(|_| !is_ignored(&self.ignored, &line))
                {
                    let before = hits.log.len();
                    hits.log.insert(&line, self.me.as_deref());
                    hits.found += hits.log.len() - before;
                }
            }
            Update::NoHits(why) => {
                if let Some(hits) = &mut self.hits {
                    hits.log.push(&note(self.time, &why), None);
                }
            }
            Update::Status { text, alarm } => self.status = (text, alarm),
        }
    }

    fn add(&mut self, id: Option<PlaceId>, line: &Line) {
        if is_ignored(&self.ignored, line) {
            return;
        }
        let at = id.map_or(self.current, |id| self.place_or_new(id));
        let shown = at == self.current;
        self.touches += 1;
        let place = &mut self.places[at];
        place.touched = self.touches;
        let names_me = place.log.push(line, self.me.as_deref());
        if !shown && matches!(line.kind, Kind::Said) {
            place.unread += 1;
            place.mentioned |= names_me;
        }
        // A private message counts as a mention.
        let is_private = matches!((&place.id, line.kind), (PlaceId::Person(_), Kind::Said));
        self.rings |= names_me || (is_private && self.me.is_some());
        self.bound();
    }

    fn whisper(&mut self, person: PlaceId, line: &Line) {
        if is_ignored(&self.ignored, line) {
            return;
        }
        let (language, name, text) = (self.language, person.name(), &line.text);
        let text = match line.kind {
            Kind::Mine => say_in!(language, "screen-whisper-to", name = name, text = text),
            _ => say_in!(language, "screen-whisper-from", name = name, text = text),
        };
        self.add(Some(person.clone()), line);
        if self.place().id != person {
            self.add(None, &Line { kind: Kind::Private, ..note(line.time, &text) });
        }
    }

    /// Inserts a stored line.
    fn keep(&mut self, id: PlaceId, line: &Line) {
        if is_ignored(&self.ignored, line) {
            return;
        }
        let language = self.language;
        let (at, me) = (self.place_or_new(id), self.me.as_deref());
        let place = &mut self.places[at];
        let is_new = |seen: &mut u64| line.position.is_some_and(|position| position > *seen);
        if let Some(seen) = place.seen.take_if(is_new) {
            place.log.unmark();
            let mark = say_in!(language, "screen-new-since");
            let mark = Line { kind: Kind::Mark, position: Some(seen), ..note(line.time, &mark) };
            place.log.insert(&mark, None);
        }
        place.log.insert(line, me);
        self.bound();
    }

    /// Drops the oldest lines if all together are too large.
    fn bound(&mut self) {
        while self.places.iter().map(|place| place.log.bytes()).sum::<usize>() > MAX_BYTES {
            let largest = self.places.iter_mut().max_by_key(|place| place.log.bytes());
            if !largest.is_some_and(|place| place.log.forget_oldest()) {
                break;
            }
        }
    }

    fn enter(&mut self, room: Box<str>) {
        if self.here.as_ref() == Some(&room) {
            return;
        }
        // Lines before the room's name was known belong to it.
        let unnamed = PlaceId::Room("".into());
        if let Some(at) = self.find(&unnamed) {
            let named = PlaceId::Room(room.clone());
            let listed = self.find(&named).filter(|at| self.places[*at].log.len() == 0);
            self.places[at].id = named;
            if let Some(listed) = listed {
                self.places[at].count = self.places[listed].count;
                self.close(listed);
            }
            self.here = Some(room);
            return;
        }
        let was_shown = self.is_here() && matches!(self.place().id, PlaceId::Room(_));
        // The user has moved, so the member counts of both rooms are outdated.
        let left = self.here.take().map(PlaceId::Room);
        let at = self.place_or_new(PlaceId::Room(room.clone()));
        for at in left.and_then(|left| self.find(&left)).into_iter().chain([at]) {
            self.places[at].count = None;
        }
        self.here = Some(room);
        (self.members, self.members_at) = (Members::default(), 0);
        // A closed conversation stays if the user is looking at it.
        if was_shown {
            self.look_at(at);
        }
    }

    fn list_members(&mut self, members: Members) {
        let count = members.count();
        self.members = members;
        let here = self.here.clone().map(PlaceId::Room);
        if let Some(at) = here.and_then(|here| self.find(&here)) {
            // The user is in it, so an empty list is incomplete.
            self.places[at].count = Some(count).filter(|&count| count > 0);
        }
    }

    fn list_rooms(&mut self, rooms: &[(String, u64)]) {
        for place in &mut self.places {
            place.count = None;
        }
        for (room, count) in rooms.iter().take(MAX_PLACES / 2) {
            let at = self.place_or_new(PlaceId::Room(room.as_str().into()));
            // For the current room the member list is more recent than the list of rooms.
            let is_here = self.here.as_deref() == Some(room);
            self.places[at].count = Some(*count).filter(|_| !is_here);
        }
        let members = std::mem::take(&mut self.members);
        self.list_members(members);
        // Rooms that no longer exist and have no lines.
        let mut at = 0;
        while let Some(place) = self.places.get(at) {
            let is_room =
                matches!(&place.id, PlaceId::Room(room) if self.here.as_ref() != Some(room));
            if is_room && place.count.is_none() && place.log.len() == 0 && at != self.current {
                self.close(at);
            } else {
                at += 1;
            }
        }
    }

    fn rename(&mut self, from: &PlaceId, to: PlaceId) {
        let Some(at) = self.find(from).filter(|_| *from != to) else { return };
        if self.find(&to).is_none() {
            self.places[at].id = to;
            return;
        }
        let shown = at == self.current;
        self.close(at);
        if let Some(at) = self.find(&to).filter(|_| shown) {
            self.look_at(at);
        }
    }

    fn find(&self, id: &PlaceId) -> Option<usize> {
        self.places.iter().position(|place| place.id == *id)
    }

    /// The place with this id; rooms come before people.
    pub(crate) fn place_or_new(&mut self, id: PlaceId) -> usize {
        if let Some(at) = self.find(&id) {
            return at;
        }
        if self.places.len() >= MAX_PLACES {
            self.close_quietest();
        }
        let is_room = |id: &PlaceId| matches!(id, PlaceId::Room(_));
        let at = match is_room(&id) {
            true => self.places.iter().take_while(|place| is_room(&place.id)).count(),
            false => self.places.len(),
        };
        let place = Place {
            id,
            about: Box::default(),
            presence: Presence::default(),
            count: None,
            unread: 0,
            mentioned: false,
            log: Log::default(),
            whole: false,
            seen: None,
            asked: None,
            touched: self.touches,
        };
        self.places.insert(at, place);
        if at <= self.current && self.places.len() > 1 {
            self.current += 1;
        }
        at
    }

    fn close_quietest(&mut self) {
        let here = self.here.clone().map(PlaceId::Room);
        let others = self.places.iter().enumerate();
        let others =
            others.filter(|(at, place)| *at != self.current && Some(&place.id) != here.as_ref());
        if let Some((at, place)) = others.min_by_key(|(_, place)| place.touched) {
            self.closed += place.log.forgotten() + place.log.len() as u64;
            self.close(at);
        }
    }

    fn close(&mut self, at: usize) {
        self.places.remove(at);
        if at < self.current || self.current == self.places.len() {
            self.current = self.current.saturating_sub(1);
        }
        self.look_at(self.current);
    }

    // Actions of the user.

    /// Shows another place.
    pub(crate) fn look_at(&mut self, at: usize) {
        if at < self.places.len() {
            self.current = at;
            (self.places[at].unread, self.places[at].mentioned) = (0, false);
        }
    }

    /// Shows a note at the shown place.
    pub(crate) fn note(&mut self, text: &str) {
        self.add(None, &note(self.time, text));
    }

    /// Hides a member's messages, or shows them again.
    pub(crate) fn ignore(&mut self, name: &str) {
        match self.ignored.iter().position(|ignored| fold(ignored) == fold(name)) {
            _ if name.is_empty() => {}
            Some(at) => drop(self.ignored.remove(at)),
            None if self.ignored.len() < MAX_IGNORED => self.ignored.push(name.into()),
            None => {}
        }
        let language = self.language;
        let names = self.ignored.join(&say_in!(language, "screen-names-separator"));
        self.note(&match self.ignored.is_empty() {
            true => say_in!(language, "screen-ignoring-nobody"),
            false => say_in!(language, "screen-ignoring", names = &names),
        });
    }

    /// Closes the shown conversation. The current room stays.
    pub(crate) fn close_shown(&mut self) {
        match self.place().id {
            PlaceId::Person(_) if self.places.len() > 1 => self.close(self.current),
            _ => self.note(&say_in!(self.language, "screen-not-closed")),
        }
    }
}

fn is_ignored(ignored: &[String], line: &Line) -> bool {
    line.kind == Kind::Said && ignored.iter().any(|name| fold(name) == fold(&line.sender))
}

fn note(time: WallTime, text: &str) -> Line {
    let (sender, text, position, link) = ("".into(), text.into(), None, None);
    Line { time, kind: Kind::Note, sender, text, position, link }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn said(sender: &str, text: &str) -> Line {
        let (time, position) = (WallTime(75_845), None);
        let (sender, text, link) = (sender.into(), text.into(), None);
        Line { time, kind: Kind::Said, sender, text, position, link }
    }

    pub(crate) fn room(name: &str) -> PlaceId {
        PlaceId::Room(name.into())
    }

    pub(crate) fn people(names: &[&str]) -> Members {
        let people = names.iter().map(ToString::to_string).collect();
        Members { people, ..Members::default() }
    }

    pub(crate) fn person(name: &str) -> PlaceId {
        PlaceId::Person(name.into())
    }

    fn model() -> Model {
        Model::new("127.0.0.1:9999".into(), room(""), |_| String::new(), Language::English)
    }

    #[test]
    fn what_is_said_elsewhere_is_unread_until_one_looks() {
        let mut model = model();
        model.apply(Update::Enter("lobby".into()));
        model.apply(Update::Line(Some(person("狗哥")), said("狗哥", "psst")));
        model.apply(Update::Line(Some(room("lobby")), said("猴哥", "hi")));
        assert_eq!(model.places.iter().map(|p| p.unread).collect::<Vec<_>>(), [0, 1]);
        model.look_at(1);
        model.apply(Update::Line(Some(room("lobby")), said("猴哥", "hi")));
        assert_eq!(model.places.iter().map(|p| p.unread).collect::<Vec<_>>(), [1, 0]);
        assert!(model.is_here());
    }

    #[test]
    fn entering_a_room_shows_it_unless_one_looks_at_a_person() {
        let mut model = model();
        model.apply(Update::Line(Some(room("")), said("a", "before the name is known")));
        model.apply(Update::Enter("lobby".into()));
        assert_eq!((model.places.len(), model.place().log.len()), (1, 1));
        let mut listed = self::model();
        listed.apply(Update::Rooms(vec![("lobby".into(), 3)]));
        listed.apply(Update::Enter("lobby".into()));
        assert_eq!((listed.places.len(), listed.place().count), (1, Some(3)));
        listed.apply(Update::Enter("7b".into()));
        listed.apply(Update::Members(people(&["狗哥"])));
        // Back in a room that was empty when the rooms were counted.
        listed.apply(Update::Rooms(vec![("lobby".into(), 0), ("7b".into(), 1)]));
        listed.apply(Update::Enter("lobby".into()));
        assert_eq!(listed.places.iter().map(|place| place.count).collect::<Vec<_>>(), [None; 2]);
        listed.apply(Update::Members(people(&["狗哥"])));
        assert_eq!(listed.place().count, Some(1));
        model.apply(Update::Enter("7b".into()));
        assert_eq!(model.place().id, room("7b"));
        let at = model.place_or_new(person("狗哥"));
        model.look_at(at);
        model.apply(Update::Enter("8a".into()));
        assert_eq!(model.place().id, person("狗哥"));
        model.apply(Update::Look(room("8a")));
        assert_eq!(model.place().id, room("8a"));
        model.apply(Update::Close(person("狗哥")));
        assert!(model.find(&person("狗哥")).is_none());
    }

    #[test]
    fn a_place_that_is_renamed_keeps_its_lines_unless_the_name_is_taken() {
        let mut model = Model::new("chat".into(), person(""), |_| String::new(), Language::English);
        model.apply(Update::Line(None, said("", "hello")));
        model.apply(Update::Rename(person(""), person("狗哥")));
        assert_eq!((&model.place().id, model.place().log.len()), (&person("狗哥"), 1));
        model.apply(Update::Look(person("")));
        model.apply(Update::Rename(person(""), person("狗哥")));
        let names: Vec<_> = model.places.iter().map(|place| place.id.name()).collect();
        assert_eq!((names, model.current), (vec!["狗哥"], 0));
        // The last place stays, and renaming it to its own name changes nothing.
        model.apply(Update::Rename(person("狗哥"), person("狗哥")));
        model.apply(Update::Close(person("狗哥")));
        assert_eq!(model.places.len(), 1);
    }

    #[test]
    fn rooms_come_and_go_but_not_those_with_something_to_read() {
        let mut model = model();
        model.apply(Update::Enter("lobby".into()));
        model.apply(Update::Rooms(vec![("lobby".into(), 3), ("7b".into(), 2)]));
        model.apply(Update::Line(Some(room("8a")), said("a", "b")));
        model.apply(Update::Rooms(vec![("lobby".into(), 3)]));
        let names: Vec<_> = model.places.iter().map(|place| place.id.name()).collect();
        assert_eq!(names, ["lobby", "8a"]);
        assert_eq!(model.place().id, room("lobby"));
    }

    #[test]
    fn conversations_are_bounded_and_the_quietest_goes() {
        let mut model = model();
        model.apply(Update::Enter("lobby".into()));
        for n in 0..MAX_PLACES + 10 {
            let who = format!("p{n}");
            model.apply(Update::Line(Some(person(&who)), said(&who, "hi")));
        }
        assert_eq!(model.places.len(), MAX_PLACES);
        assert_eq!(model.place().id, room("lobby"));
        assert_eq!(model.forgotten(), 11);
        assert!(model.find(&person("p0")).is_none());
    }

    #[test]
    fn all_lines_together_are_bounded_in_bytes() {
        let mut model = model();
        let long = "x".repeat(65_000);
        let lines = MAX_BYTES / long.len() * 6 / 5;
        for n in 0..lines {
            let place = if n % 3 == 0 { person("狗哥") } else { room("") };
            model.apply(Update::Line(Some(place), said("a", &long)));
        }
        let bytes: usize = model.places.iter().map(|place| place.log.bytes()).sum();
        assert!((MAX_BYTES - 2 * long.len()..=MAX_BYTES).contains(&bytes), "{bytes}");
        let kept: usize = model.places.iter().map(|place| place.log.len()).sum();
        assert_eq!(model.forgotten() as usize + kept, lines);
    }

    #[test]
    fn ten_thousand_lines_of_ordinary_length_are_all_kept() {
        let mut model = model();
        let line = "字".repeat(200);
        (0..10_000).for_each(|_| model.apply(Update::Line(None, said("a", &line))));
        assert_eq!((model.place().log.len(), model.forgotten()), (10_000, 0));
    }
}
