//! Who is where, as far as a hub's lines in the chat format tell: for a list beside the messages.
//!
//! The lines are made for people, and any program can read them; so does this one. What it cannot
//! read it passes over: a wrong list would be worse than a short one.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_datagram::Instant;

use crate::Contact;

/// The most names kept. A longer list is of no use to a person; the rest is counted.
const MAX_NAMES: usize = 1_000;

/// The longest text taken for a name, in bytes: 32 characters of four.
const MAX_NAME: usize = 128;

/// The least time between two questions of our own.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// How long a list is believed where nothing speaks against it. News gets lost like everything else,
/// and rooms too large for it get none.
const DOUBT_AFTER: Duration = Duration::from_secs(60);

/// How long an answer to a question of our own may take. A later one is shown like any other.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How a room's news ends that tells of members gone.
const GONE: [&str; 5] = [
    " left",
    " timed out",
    " removed by the operator",
    " banned by the operator",
    " moved to another address",
];

/// How news ends that is too much to be told.
const UNCOUNTED: &str = " more came or went";

/// A line that came from a hub, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken<'a> {
    /// `NAME: TEXT`, said to the room.
    Said {
        /// A name, or an address.
        name: &'a str,
        /// What was said.
        text: &'a str,
    },
    /// `NAME (to you): TEXT`.
    ToYou {
        /// Who said it.
        name: &'a str,
        /// What was said.
        text: &'a str,
    },
    /// `you (to NAME): TEXT`: our own words, on their way to one.
    FromYou {
        /// To whom.
        name: &'a str,
        /// What was said.
        text: &'a str,
    },
    /// `* TEXT`: the hub's own.
    Notice(&'a str),
    /// Anything else.
    Other(&'a str),
}

impl<'a> Spoken<'a> {
    /// Reads a line. In the classic and raw formats nearly all are [`Spoken::Other`].
    pub fn parse(line: &'a str) -> Spoken<'a> {
        if let Some(text) = line.strip_prefix("* ") {
            return Spoken::Notice(text);
        }
        let Some((name, text)) = line.split_once(": ") else { return Spoken::Other(line) };
        if is_name(name) {
            return Spoken::Said { name, text };
        }
        if let Some(name) = name.strip_suffix(" (to you)").filter(|name| is_name(name)) {
            return Spoken::ToYou { name, text };
        }
        let to = name.strip_prefix("you (to ").and_then(|rest| rest.strip_suffix(')'));
        match to.filter(|name| is_name(name)) {
            Some(name) => Spoken::FromYou { name, text },
            None => Spoken::Other(line),
        }
    }

    /// Whether this is a notice of who came and went, and not the answer to a command.
    pub fn is_news(&self) -> bool {
        matches!(self, Spoken::Notice(text) if is_news(text))
    }
}

/// Whether a notice tells a room who came and went, and is not the answer to a command.
fn is_news(notice: &str) -> bool {
    let tells = |news: &str| {
        let verb = news.ends_with(" joined") || GONE.iter().any(|verb| news.ends_with(verb));
        verb || news.contains(" is now ") || news.ends_with(UNCOUNTED)
    };
    notice.split("; ").all(tells)
}

/// Whether a hub would call somebody this: one word without `:`, or an address.
fn is_name(text: &str) -> bool {
    let word = !text.is_empty() && text.len() <= MAX_NAME && !text.contains(char::is_whitespace);
    word && (!text.contains(':') || text.parse::<SocketAddr>().is_ok())
}

/// Who is in our room, and which rooms there are.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    me: Option<String>,
    room: Option<String>,
    members: BTreeSet<String>,
    /// Members that were counted but not named.
    more: u64,
    rooms: Vec<(String, u64)>,
    /// Whether the hub has shown that it understands commands.
    answers: bool,
    /// Whether the lists may be wrong.
    stale: bool,
    version: u64,
    asked: Option<Instant>,
    /// Answers to our own questions that are still to come: to `/who`, to `/rooms`.
    awaited: [bool; 2],
}

impl Roster {
    /// What the hub calls us, if it has said so.
    pub fn me(&self) -> Option<&str> {
        self.me.as_deref()
    }

    /// The room we are in, if the hub has said so.
    pub fn room(&self) -> Option<&str> {
        self.room.as_deref()
    }

    /// The members of our room that we know of, in order.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.members.iter().map(String::as_str)
    }

    /// How many more members our room has than we know by name.
    pub fn more(&self) -> u64 {
        self.more
    }

    /// The rooms that the hub has told of, and how many members they had then.
    pub fn rooms(&self) -> &[(String, u64)] {
        &self.rooms
    }

    /// A number that grows with every change of what can be seen here.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The hub was away, or we were: what we knew may be wrong.
    pub fn doubt(&mut self) {
        self.stale = true;
    }

    /// Takes in a line. False if it answers a question that only this roster has asked, so that
    /// nobody needs to see it.
    pub fn hear(&mut self, now: Instant, line: Spoken<'_>) -> bool {
        match line {
            Spoken::Said { name, .. } if name != "hub" => self.meet(name),
            Spoken::Notice(text) => {
                self.version += 1;
                return !self.hear_notice(now, text);
            }
            _ => {}
        }
        true
    }

    /// The person is about to send a line. Its answer is for the person.
    pub fn typed(&mut self, line: &str) {
        match line.split_ascii_whitespace().next() {
            Some("/who") => self.awaited[0] = false,
            Some("/rooms") => self.awaited[1] = false,
            _ => {}
        }
    }

    /// What to ask the hub, if its lists are wanted. Nothing until the hub has answered some
    /// command: a server that knows none would publish the question to everybody. And nothing while
    /// the hub is away, or has sent us away: whoever asks is a member again.
    pub fn questions(&mut self, now: Instant, contact: Contact) -> Option<[&'static str; 2]> {
        let asked_within = |time| self.asked.is_some_and(|asked| now - asked < time);
        let wanted = self.stale || !asked_within(DOUBT_AFTER);
        let reachable = matches!(contact, Contact::Answering | Contact::Plain);
        if !self.answers || !wanted || !reachable || asked_within(ASK_EVERY) {
            return None;
        }
        self.stale = false;
        self.asked = Some(now);
        self.awaited = [true, true];
        Some(["/who", "/rooms"])
    }

    /// Whether the notice answers a question of our own.
    fn hear_notice(&mut self, now: Instant, text: &str) -> bool {
        let known = self.asked.is_some_and(|asked| now - asked < ANSWER_WITHIN);
        if let Some((count, rest)) = text.split_once(" in ").filter(|(c, _)| counts(c, "member"))
            && let Some((room, names)) = rest.split_once(": ")
        {
            self.answers = true;
            self.members.clear();
            self.enter(room);
            let total = first_number(count);
            split_list(names).0.for_each(|name| self.add(name));
            self.more = total.saturating_sub(self.members.len() as u64);
            self.stale = false;
            return std::mem::take(&mut self.awaited[0]) && known;
        }
        if let Some((_, names)) = text.split_once(": ").filter(|(c, _)| counts(c, "room")) {
            self.answers = true;
            self.rooms = split_list(names).0.filter_map(room_and_count).take(MAX_NAMES).collect();
            return std::mem::take(&mut self.awaited[1]) && known;
        }
        if let Some(rest) = text.strip_prefix("you are ") {
            self.hear_of_me(rest);
        } else if text.starts_with("you were ") || text.starts_with("your name was taken ") {
            self.stale = true;
        } else {
            self.hear_news(text);
        }
        false
    }

    /// `NAME; /resume WORD …`, `NAME again, in ROOM`, `NAME already`, `in ROOM, 3 members`.
    fn hear_of_me(&mut self, rest: &str) {
        let moved = rest.strip_prefix("in ").and_then(|rest| rest.rsplit_once(", "));
        if let Some((room, _)) = moved.filter(|(_, count)| counts(count, "member")) {
            self.enter(room);
            self.members.clear();
            self.more = 0;
        } else if let Some((name, room)) = rest.split_once(" again, in ") {
            self.me = Some(name.to_string());
            self.enter(room);
        } else if let Some((name, _)) = rest.split_once("; /resume ") {
            if let Some(before) = self.me.replace(name.to_string()) {
                self.members.remove(&before);
            }
            self.add(name);
        } else {
            return;
        }
        self.answers = true;
        self.stale = true;
    }

    /// `a, b and 3 more joined; c timed out; d is now e, f is now g`. A line tells what happened in
    /// a second, and whoever it says has come is there at its end: so whoever gave up a name goes
    /// before whoever has it now comes.
    fn hear_news(&mut self, text: &str) {
        let news: Vec<News<'_>> = text.split("; ").filter_map(News::parse).collect();
        if news.is_empty() {
            return;
        }
        news.iter().for_each(|news| self.take_out(news));
        news.iter().for_each(|news| self.bring_in(news));
        // The hub speaks of members, so it knows commands; who was here before is still unknown.
        self.stale |= !self.answers;
        self.answers = true;
    }

    fn take_out(&mut self, news: &News<'_>) {
        match news {
            News::Gone(names, more) => {
                let unknown = names.iter().filter(|name| !self.members.remove(**name)).count();
                self.more = self.more.saturating_sub(more.saturating_add(unknown as u64));
                self.stale |= *more > 0;
            }
            News::Renamed(names, more) => {
                // Until the new name is read they are only counted.
                let known = names.iter().filter(|(from, _)| self.members.remove(*from)).count();
                self.more = self.more.saturating_add(known as u64);
                self.stale |= *more > 0;
            }
            News::Uncounted => self.stale = true,
            News::Joined(..) => {}
        }
    }

    fn bring_in(&mut self, news: &News<'_>) {
        match news {
            News::Joined(names, more) => {
                self.more = self.more.saturating_add(*more);
                names.iter().for_each(|name| self.add(name));
            }
            News::Renamed(names, _) => names.iter().for_each(|(_, to)| self.meet(to)),
            News::Gone(..) | News::Uncounted => {}
        }
    }

    fn enter(&mut self, room: &str) {
        if is_name(room) {
            self.room = Some(room.to_string());
        }
    }

    /// Somebody is here: one of those who were counted without a name, if there are any.
    fn meet(&mut self, name: &str) {
        if is_name(name) && !self.members.contains(name) {
            self.more = self.more.saturating_sub(1);
            self.add(name);
        }
    }

    /// Somebody comes who was not counted.
    fn add(&mut self, name: &str) {
        if !is_name(name) || self.members.contains(name) {
            return;
        }
        self.version += 1;
        if self.members.len() < MAX_NAMES {
            self.members.insert(name.to_string());
        } else {
            self.more = self.more.saturating_add(1);
        }
    }
}

/// What a part of a line tells of a room; the numbers are of those whom it does not name.
enum News<'a> {
    Joined(Vec<&'a str>, u64),
    Gone(Vec<&'a str>, u64),
    Renamed(Vec<(&'a str, &'a str)>, u64),
    /// `3 more came or went`
    Uncounted,
}

impl<'a> News<'a> {
    /// `None` if it tells of nobody, or of somebody whom no hub would call so.
    fn parse(text: &'a str) -> Option<News<'a>> {
        if text.ends_with(UNCOUNTED) {
            return Some(News::Uncounted);
        }
        let gone = GONE.iter().find_map(|verb| text.strip_suffix(verb));
        if let Some(list) = text.strip_suffix(" joined").or(gone) {
            let (names, more) = split_list(list);
            let names: Vec<&str> = names.collect();
            let news = if gone.is_some() { News::Gone } else { News::Joined };
            return names.iter().all(|name| is_name(name)).then(|| news(names, more));
        }
        let (names, more) = split_list(text);
        let pair = |item: &'a str| {
            item.split_once(" is now ").filter(|(from, to)| is_name(from) && is_name(to))
        };
        Some(News::Renamed(names.map(pair).collect::<Option<_>>()?, more))
    }
}

/// Whether this is `1 WHAT` or `12 WHATs`.
fn counts(text: &str, what: &str) -> bool {
    let Some((number, unit)) = text.split_once(' ') else { return false };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    digits && unit.strip_suffix('s').unwrap_or(unit) == what
}

fn first_number(text: &str) -> u64 {
    text.split(' ').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// The items of `a, b and 3 more`, and how many are only counted.
fn split_list(text: &str) -> (impl Iterator<Item = &str>, u64) {
    let counted = text
        .rsplit_once(" and ")
        .and_then(|(names, rest)| Some((names, rest.strip_suffix(" more")?.parse::<u64>().ok()?)));
    let (names, more) = counted.unwrap_or((text, 0));
    (names.split(", "), more)
}

/// `lobby (3)`
fn room_and_count(text: &str) -> Option<(String, u64)> {
    let (room, count) = text.split_once(" (")?;
    let count = count.strip_suffix(')')?.parse().ok()?;
    is_name(room).then(|| (room.to_string(), count))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = Instant::ORIGIN;

    fn hear(roster: &mut Roster, line: &str) -> bool {
        roster.hear(NOW, Spoken::parse(line))
    }

    fn members(roster: &Roster) -> Vec<&str> {
        roster.members().collect()
    }

    #[test]
    fn lines_are_told_apart() {
        let said = |name, text| Spoken::Said { name, text };
        assert_eq!(Spoken::parse("狗哥: 你好: 再见"), said("狗哥", "你好: 再见"));
        assert_eq!(Spoken::parse("[::1]:5000: x"), said("[::1]:5000", "x"));
        assert_eq!(Spoken::parse("* a left"), Spoken::Notice("a left"));
        let text = "psst";
        assert_eq!(Spoken::parse("dog (to you): psst"), Spoken::ToYou { name: "dog", text });
        assert_eq!(Spoken::parse("you (to dog): psst"), Spoken::FromYou { name: "dog", text });
        for other in ["Ack HI. from 127.0.0.1:1", "two words: x", "a:b: x", "temp=21.5", ": x", ""]
        {
            assert_eq!(Spoken::parse(other), Spoken::Other(other));
        }
    }

    #[test]
    fn news_changes_the_list() {
        let mut roster = Roster::default();
        hear(&mut roster, "* 2 members in lobby: dog, 127.0.0.1:5000");
        assert_eq!(
            (roster.room(), members(&roster)),
            (Some("lobby"), vec!["127.0.0.1:5000", "dog"])
        );
        hear(&mut roster, "* 狗哥, 猴哥 joined; 127.0.0.1:5000 timed out; dog is now cat");
        assert_eq!(members(&roster), ["cat", "狗哥", "猴哥"]);
        hear(&mut roster, "* a, b and 7 more joined; 猴哥 removed by the operator");
        assert_eq!((members(&roster), roster.more()), (vec!["a", "b", "cat", "狗哥"], 7));
        assert!(Spoken::parse("* a, b and 7 more joined; c is now d").is_news());
        assert!(!Spoken::parse("* nobody here is called dog; /who lists who is").is_news());
        // Words that only look like news.
        hear(&mut roster, "* the whole class left");
        hear(&mut roster, "* nobody here is called dog; /who lists who is");
        assert_eq!(members(&roster).len(), 4);
        hear(&mut roster, "* 3 rooms: lobby (3), 7b (2), 8a (1)");
        assert_eq!(roster.rooms()[1], ("7b".to_string(), 2));
    }

    #[test]
    fn nothing_is_asked_of_a_server_that_knows_no_commands() {
        let mut roster = Roster::default();
        roster.doubt();
        hear(&mut roster, "Ack HELLO. from 127.0.0.1:5000");
        hear(&mut roster, "dog: /who");
        assert_eq!(roster.questions(NOW, Contact::Answering), None);
        hear(&mut roster, "* you are dog; /resume 1-abc takes the name back");
        assert_eq!(roster.me(), Some("dog"));
        assert_eq!(roster.questions(NOW, Contact::Answering), Some(["/who", "/rooms"]));
        assert_eq!(roster.questions(NOW + ASK_EVERY, Contact::Answering), None);
        assert!(roster.questions(NOW + DOUBT_AFTER, Contact::Answering).is_some());
        assert_eq!(roster.questions(NOW + 2 * DOUBT_AFTER, Contact::Silent), None);
    }

    #[test]
    fn answers_to_its_own_questions_need_not_be_shown() {
        let mut roster = Roster::default();
        assert!(hear(&mut roster, "* you are dog; /resume 1-abc takes the name back"));
        roster.questions(NOW, Contact::Answering).unwrap();
        assert!(!hear(&mut roster, "* 1 member in lobby: dog"));
        assert!(!hear(&mut roster, "* 1 room: lobby (1)"));
        assert!(hear(&mut roster, "* 1 member in lobby: dog"));
        roster.doubt();
        let later = NOW + ASK_EVERY;
        roster.questions(later, Contact::Answering).unwrap();
        roster.typed("/who");
        assert!(roster.hear(later, Spoken::parse("* 1 member in lobby: dog")));
        // Too late to be the answer to ours.
        assert!(roster.hear(later + ANSWER_WITHIN, Spoken::parse("* 1 room: lobby (1)")));
    }

    #[test]
    fn news_of_one_second_is_read_as_it_stands_at_its_end() {
        let mut roster = Roster::default();
        hear(&mut roster, "* 3 members in lobby: ape, cat, dog");
        hear(&mut roster, "* ape is now 猴哥, dog is now 狗哥");
        assert_eq!(members(&roster), ["cat", "狗哥", "猴哥"]);
        // Names change hands: who is told to have come is there.
        hear(&mut roster, "* cat joined; cat moved to another address");
        assert_eq!(members(&roster), ["cat", "狗哥", "猴哥"]);
        hear(&mut roster, "* cat joined; cat is now tom, 狗哥 is now 猴哥, 猴哥 is now 狗哥");
        assert_eq!(members(&roster), ["cat", "tom", "狗哥", "猴哥"]);
        hear(&mut roster, "* tom left; 3 more came or went");
        assert!(roster.questions(NOW, Contact::Answering).is_some());
        // A name that nobody could have is no news of anybody.
        hear(&mut roster, "* cat is now two words");
        assert_eq!((members(&roster).len(), roster.more()), (3, 0));
    }

    #[test]
    fn whoever_was_counted_and_speaks_is_not_counted_twice() {
        let mut roster = Roster::default();
        hear(&mut roster, "* 5 members in lobby: a, b and 3 more");
        for _ in 0..3 {
            hear(&mut roster, "c: hi");
            hear(&mut roster, "d: hi");
        }
        assert_eq!((members(&roster), roster.more()), (vec!["a", "b", "c", "d"], 1));
        hear(&mut roster, "* 18446744073709551615 members in lobby: a");
        hear(&mut roster, "* a, b and 18446744073709551615 more joined");
        assert_eq!(roster.more(), u64::MAX);
    }

    #[test]
    fn the_list_is_bounded() {
        let mut roster = Roster::default();
        for n in 0..MAX_NAMES + 5 {
            hear(&mut roster, &format!("m{n}: hi"));
        }
        // Nobody knows how many of the rest have spoken twice.
        assert_eq!((roster.members().count(), roster.more()), (MAX_NAMES, 1));
        let names: Vec<String> = (0..5).map(|n| format!("new{n}")).collect();
        hear(&mut roster, &format!("* {} joined", names.join(", ")));
        assert_eq!((roster.members().count(), roster.more()), (MAX_NAMES, 6));
    }
}
