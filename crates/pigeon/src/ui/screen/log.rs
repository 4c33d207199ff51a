//! The lines of one conversation, and the visible part.
//!
//! Lines are stored escaped, as shown, because they are searched and measured that way. Wrapping is
//! computed at first display and cached, so ten thousand unseen lines cost nothing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;

use super::wall_clock::WallTime;
use super::wrap::breaks;

/// Maximum number of lines of a conversation; the oldest is dropped first.
pub(crate) const MAX_LINES: usize = 20_000;

/// The largest difference between the hub's clock and ours, in seconds, for matching a live line
/// with a stored one.
const SKEW: i64 = 120;

/// The cost of an entry besides its text, in bytes.
const ENTRY: usize = std::mem::size_of::<Entry>();

/// Shown for an empty message, which an empty datagram is. Without it a line would look like a
/// display error.
const EMPTY: &str = "(empty)";

/// The kind of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Another member's message.
    Said,
    /// The user's own message.
    Mine,
    /// A notice of the hub.
    Notice,
    /// A copy of a private message.
    Private,
    /// A note of the screen about the session.
    Note,
    /// A mark: the lines after it are new since the last visit.
    Mark,
    /// The first line: the hub stores nothing older.
    End,
}

/// A line to show.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) time: WallTime,
    pub(crate) kind: Kind,
    /// The sender; empty for notices.
    pub(crate) sender: Box<str>,
    /// The text as received.
    pub(crate) text: Box<str>,
    /// The message's position in the hub's history, if known.
    pub(crate) position: Option<u64>,
    /// The message's link, unless plain datagrams.
    pub(crate) link: Option<&'static str>,
}

impl Line {
    /// The line's approximate size in bytes.
    pub(crate) fn cost(&self) -> usize {
        ENTRY + self.sender.len() + self.text.len()
    }
}

/// A stored line.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) time: WallTime,
    pub(crate) kind: Kind,
    position: Option<u64>,
    /// `SENDER: TEXT`, or a notice after its mark; escaped.
    pub(crate) shown: Box<str>,
    /// The lengths of the sender's name and of the part before the text, in bytes.
    pub(crate) sender: usize,
    text: usize,
    /// Whether the message is empty, and `shown` says so.
    pub(crate) empty: bool,
    /// The position of the reader's name.
    pub(crate) mention: Option<Range<usize>>,
    /// Cached starts of rows, with their width.
    rows: RefCell<(usize, Box<[u32]>)>,
}

impl Entry {
    /// `me` is the reader's name.
    fn new(line: &Line, me: Option<&str>) -> Entry {
        let sender = pigeon_text::escape(&*line.sender).to_string();
        let empty = line.text.is_empty() && matches!(line.kind, Kind::Said | Kind::Mine);
        let text = pigeon_text::escape(if empty { EMPTY } else { &*line.text });
        let before = match (line.kind, line.link) {
            // No member's line begins like this.
            (Kind::Notice | Kind::Private, _) => "* ".to_string(),
            (Kind::Note | Kind::Mark | Kind::End, _) => "-- ".to_string(),
            (Kind::Said | Kind::Mine, _) if sender.is_empty() => String::new(),
            (Kind::Said | Kind::Mine, None) => format!("{sender}: "),
            (Kind::Said | Kind::Mine, Some(link)) => format!("{sender} ({link}): "),
        };
        let (shown, text) = (format!("{before}{text}"), before.len());
        let rows = RefCell::new((0, Box::default()));
        let (time, kind, position, sender) = (line.time, line.kind, line.position, sender.len());
        let me = me.filter(|_| kind == Kind::Said);
        let mention = me.and_then(|me| mention(&shown, text, me));
        Entry { time, kind, position, shown: shown.into(), sender, text, empty, mention, rows }
    }

    /// The entry's approximate size in bytes, including cached rows.
    fn cost(&self) -> usize {
        ENTRY + self.shown.len()
    }

    /// Whether this line is a stored one: it has the same position, or arrived live at about that
    /// time with the same text.
    fn is_same(&self, kept: &Entry) -> bool {
        if self.position.is_some() || kept.is_mark() {
            return self.position == kept.position && self.is_mark() == kept.is_mark();
        }
        let is_speech = matches!(self.kind, Kind::Said | Kind::Mine);
        // A live line does not contain its link.
        is_speech
            && (self.time.0 - kept.time.0).abs() <= SKEW
            && self.shown[..self.sender] == kept.shown[..kept.sender]
            && self.shown[self.text..] == kept.shown[kept.text..]
    }

    /// Whether the entry is the screen's own mark, which has no time.
    pub(crate) fn is_mark(&self) -> bool {
        matches!(self.kind, Kind::Mark | Kind::End)
    }

    /// The entry's number of rows at this width.
    pub(crate) fn height(&self, columns: usize) -> usize {
        let mut rows = self.rows.borrow_mut();
        if rows.0 != columns {
            *rows = (columns, breaks(&self.shown, columns).into());
        }
        rows.1.len() + 1
    }

    /// The bytes of one row; call [`Entry::height`] first.
    fn row(&self, row: usize) -> Range<usize> {
        let rows = &self.rows.borrow().1;
        let at = |n: usize| rows.get(n).map_or(self.shown.len(), |&at| at as usize);
        (if row == 0 { 0 } else { at(row - 1) })..at(row)
    }
}

pub(crate) struct Row<'a> {
    pub(crate) entry: &'a Entry,
    /// The bytes of the entry in this row.
    pub(crate) bytes: Range<usize>,
    /// Whether the row is the entry's first.
    pub(crate) first: bool,
}

/// A row's place in the log: the number of its entry, and the row within that entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Anchor {
    entry: u64,
    row: usize,
}

#[derive(Debug)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    /// The number of the first entry. Older ones get smaller numbers.
    first: u64,
    /// Dropped entries.
    forgotten: u64,
    bytes: usize,
    /// The lowest visible row; `None` follows new lines.
    bottom: Option<Anchor>,
}

impl Default for Log {
    fn default() -> Log {
        let entries = VecDeque::new();
        Log { entries, first: 1 << 60, forgotten: 0, bytes: 0, bottom: None }
    }
}

impl Log {
    /// Appends a line; drops the oldest if there are too many. Returns whether it mentions `me`.
    pub(crate) fn push(&mut self, line: &Line, me: Option<&str>) -> bool {
        let entry = Entry::new(line, me);
        let names_me = entry.mention.is_some();
        self.bytes += entry.cost();
        self.entries.push_back(entry);
        if self.entries.len() > MAX_LINES {
            self.forget_oldest();
        }
        names_me
    }

    /// Inserts a stored line: by its position among lines with a position, by its time among the
    /// others. A line already present is not repeated, but a live one gets its position. A full log
    /// accepts no line older than its first.
    pub(crate) fn insert(&mut self, line: &Line, me: Option<&str>) {
        let Some(position) = line.position else { return };
        let entry = Entry::new(line, me);
        if let Some(known) = self.entries.iter_mut().rev().find(|other| other.is_same(&entry)) {
            known.position = Some(position);
            return;
        }
        let is_behind = |other: &Entry| match other.position {
            Some(known) if other.kind == Kind::Mark => known >= position,
            known => known.is_some_and(|known| known > position),
        };
        // Inserts it before the next position, and before later live lines.
        let len = self.entries.len();
        let mut at = self.entries.iter().position(is_behind).unwrap_or(len);
        while at
            .checked_sub(1)
            .and_then(|before| self.entries.get(before))
            .is_some_and(|before| before.position.is_none() && before.time >= entry.time)
        {
            at -= 1;
        }
        if at == 0 && self.entries.len() >= MAX_LINES {
            return;
        }
        self.bytes += entry.cost();
        self.entries.insert(at, entry);
        // Earlier lines are renumbered, so that later ones keep their numbers.
        let number = self.first + at as u64;
        self.first -= 1;
        if let Some(bottom) = self.bottom.as_mut().filter(|bottom| bottom.entry < number) {
            bottom.entry -= 1;
        }
    }

    /// Removes the mark of new lines.
    pub(crate) fn unmark(&mut self) {
        let Some(at) = self.entries.iter().position(|entry| entry.kind == Kind::Mark) else {
            return;
        };
        let number = self.first + at as u64;
        if let Some(entry) = self.entries.remove(at) {
            self.bytes -= entry.cost();
        }
        self.first += 1;
        if let Some(bottom) = self.bottom.as_mut().filter(|bottom| bottom.entry <= number) {
            bottom.entry += 1;
        }
        if self.bottom.is_some_and(|bottom| self.entry(bottom.entry).is_none()) {
            self.bottom = None;
        }
    }

    /// Removes all lines.
    pub(crate) fn clear(&mut self) {
        self.first += self.entries.len() as u64;
        self.entries.clear();
        (self.bytes, self.bottom) = (0, None);
    }

    /// The smallest known position.
    pub(crate) fn oldest_position(&self) -> Option<u64> {
        let lines = self.entries.iter().filter(|entry| !entry.is_mark());
        lines.filter_map(|entry| entry.position).next()
    }

    /// Whether the log has a line of another day than `now`.
    pub(crate) fn is_dated(&self, now: WallTime) -> bool {
        let mut lines = self.entries.iter().filter(|entry| !entry.is_mark());
        lines.next().is_some_and(|oldest| oldest.time.day() != now.day())
    }

    /// Whether the very first row is visible.
    pub(crate) fn is_at_top(&self, columns: usize, height: usize) -> bool {
        let rows = self.rows(columns, height);
        let top = rows.first().map(|row| (std::ptr::from_ref(row.entry), row.bytes.start));
        top == self.entries.front().map(|entry| (std::ptr::from_ref(entry), 0))
    }

    /// Drops the oldest line. Returns false if there is none.
    pub(crate) fn forget_oldest(&mut self) -> bool {
        let Some(entry) = self.entries.pop_front() else { return false };
        self.bytes -= entry.cost();
        self.forgotten += 1;
        self.first += 1;
        let first = self.first;
        if let Some(bottom) = self.bottom.as_mut().filter(|bottom| bottom.entry < first) {
            *bottom = Anchor { entry: first, row: 0 };
        }
        true
    }

    /// The log's approximate size in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The number of lines dropped for newer ones.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The number of lines not fully visible at this width: those below the screen, and one cut by
    /// its end.
    pub(crate) fn below(&self, columns: usize) -> u64 {
        let Some(bottom) = self.bottom.and(self.bottom(columns)) else { return 0 };
        let end = self.first + self.entries.len() as u64;
        let cut = self.entry(bottom.entry).is_some_and(|e| bottom.row + 1 < e.height(columns));
        end - bottom.entry - u64::from(!cut)
    }

    /// Whether new lines scroll the screen.
    pub(crate) fn follows(&self) -> bool {
        self.bottom.is_none()
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.first)?).ok()?)
    }

    fn end(&self, columns: usize) -> Option<Anchor> {
        let entry = self.entries.back()?;
        let number = self.first + self.entries.len() as u64 - 1;
        Some(Anchor { entry: number, row: entry.height(columns) - 1 })
    }

    fn above(&self, at: Anchor, columns: usize) -> Option<Anchor> {
        if at.row > 0 {
            return Some(Anchor { row: at.row - 1, ..at });
        }
        let number = at.entry.checked_sub(1)?;
        Some(Anchor { entry: number, row: self.entry(number)?.height(columns) - 1 })
    }

    fn beneath(&self, at: Anchor, columns: usize) -> Option<Anchor> {
        if at.row + 1 < self.entry(at.entry)?.height(columns) {
            return Some(Anchor { row: at.row + 1, ..at });
        }
        self.entry(at.entry + 1).map(|_| Anchor { entry: at.entry + 1, row: 0 })
    }

    /// The lowest visible row, adjusted to the current width.
    fn bottom(&self, columns: usize) -> Option<Anchor> {
        let Some(bottom) = self.bottom else { return self.end(columns) };
        let entry = self.entry(bottom.entry)?;
        Some(Anchor { row: bottom.row.min(entry.height(columns) - 1), ..bottom })
    }

    /// The entries from the lowest visible one upwards.
    pub(crate) fn upwards(&self, columns: usize) -> impl Iterator<Item = &Entry> {
        let lowest = self.bottom(columns).map(|bottom| bottom.entry);
        let entries = lowest.map(|lowest| (self.first..=lowest).rev());
        entries.into_iter().flatten().filter_map(|number| self.entry(number))
    }

    /// The visible rows at this size, from the top.
    pub(crate) fn rows(&self, columns: usize, height: usize) -> Vec<Row<'_>> {
        let mut rows = Vec::with_capacity(height);
        let mut at = self.bottom(columns);
        while let Some(anchor) = at.filter(|_| rows.len() < height) {
            if let Some(entry) = self.entry(anchor.entry) {
                // The width may have changed since it was last measured.
                entry.height(columns);
                let (bytes, first) = (entry.row(anchor.row), anchor.row == 0);
                rows.push(Row { entry, bytes, first });
            }
            at = self.above(anchor, columns);
        }
        rows.reverse();
        rows
    }

    /// Scrolls up by rows, at most to the first.
    pub(crate) fn up(&mut self, by: usize, columns: usize, height: usize) {
        let Some(start) = self.bottom(columns) else { return };
        let mut top = start;
        // Finds the row at the top of the screen. If the log has fewer rows than the screen, there
        // is nothing to scroll.
        for _ in 1..height {
            match self.above(top, columns) {
                Some(above) => top = above,
                None => return,
            }
        }
        let mut bottom = start;
        for _ in 0..by {
            let Some(above) = self.above(top, columns) else { break };
            top = above;
            bottom = self.above(bottom, columns).unwrap_or(bottom);
        }
        if bottom != start {
            self.bottom = Some(bottom);
        }
    }

    /// Scrolls down by rows; at the last it follows new lines again.
    pub(crate) fn down(&mut self, by: usize, columns: usize) {
        let Some(mut at) = self.bottom.and(self.bottom(columns)) else { return };
        for _ in 0..by {
            match self.beneath(at, columns) {
                Some(beneath) => at = beneath,
                None => return self.bottom = None,
            }
        }
        let ends = self.beneath(at, columns).is_none();
        self.bottom = (!ends).then_some(at);
    }

    pub(crate) fn go_to_top(&mut self, columns: usize, height: usize) {
        self.bottom = Some(Anchor { entry: self.first, row: 0 });
        for _ in 1..height {
            let at = self.bottom.and_then(|bottom| self.beneath(bottom, columns));
            match at {
                Some(at) => self.bottom = Some(at),
                None => return self.bottom = None,
            }
        }
    }

    /// Follows new lines.
    pub(crate) fn follow(&mut self) {
        self.bottom = None;
    }

    /// The current position, for [`Log::return_to`].
    pub(crate) fn place(&self) -> Option<Anchor> {
        self.bottom
    }

    /// Returns to a position.
    pub(crate) fn return_to(&mut self, place: Option<Anchor>) {
        self.bottom = place.filter(|place| place.entry >= self.first);
    }

    /// The number of the nearest line with `needle` before (or after) line `from`.
    pub(crate) fn find(&self, needle: &str, from: Option<u64>, older: bool) -> Option<u64> {
        let folded = fold(needle);
        let has = |number: &u64| {
            self.entry(*number).is_some_and(|e| find_in(&e.shown, &folded).next().is_some())
        };
        let (first, end) = (self.first, self.first + self.entries.len() as u64);
        match older {
            true => (first..from.unwrap_or(end).clamp(first, end)).rev().find(has),
            false => (from.map_or(first, |from| from + 1).max(first)..end).find(has),
        }
    }

    /// Scrolls a line to the middle of the screen.
    pub(crate) fn show(&mut self, number: u64, columns: usize, height: usize) {
        let Some(entry) = self.entry(number) else { return };
        let row = entry.height(columns) - 1;
        self.bottom = Some(Anchor { entry: number, row });
        self.down(height / 2, columns);
    }
}

/// The position of a name in a line after its first `from` bytes. A name that begins or ends with a
/// letter or digit must not be part of a longer word; in scripts without spaces any occurrence
/// counts.
fn mention(shown: &str, from: usize, me: &str) -> Option<Range<usize>> {
    let name = fold(&pigeon_text::escape(me).to_string());
    let is_word = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    let text = shown.get(from..).filter(|_| !name.is_empty())?;
    let mut places = find_in(text, &name);
    let found = places.find(|place| {
        let begins =
            is_word(name.first().copied()) && is_word(text[..place.start].chars().next_back());
        let ends = is_word(name.last().copied()) && is_word(text[place.end..].chars().next());
        !begins && !ends
    })?;
    Some(found.start + from..found.end + from)
}

/// Folds case.
pub(crate) fn fold(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// The positions of a folded needle in a text, in bytes, without overlaps.
pub(crate) fn find_in<'a>(
    text: &'a str,
    needle: &'a [char],
) -> impl Iterator<Item = Range<usize>> + 'a {
    let mut next = 0;
    let starts = text.char_indices().map(|(at, _)| at);
    starts.filter_map(move |at| {
        if at < next {
            return None;
        }
        next = at + match_at(&text[at..], needle)?;
        Some(at..next)
    })
}

/// The length in bytes of a match at the start of `text`.
fn match_at(text: &str, needle: &[char]) -> Option<usize> {
    let mut left = needle;
    for (at, c) in text.char_indices() {
        if left.is_empty() {
            return Some(at).filter(|&at| at > 0);
        }
        for lower in c.to_lowercase() {
            left = left.strip_prefix(&[lower])?;
        }
    }
    (left.is_empty() && !needle.is_empty()).then_some(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        let (time, position) = (WallTime(0), None);
        let (sender, text, link) = ("狗哥".into(), text.into(), None);
        Line { time, kind: Kind::Said, sender, text, position, link }
    }

    fn log(lines: usize) -> Log {
        let mut log = Log::default();
        for n in 0..lines {
            log.push(&line(&format!("{n}")), None);
        }
        log
    }

    /// A stored line.
    fn kept(position: u64, time: i64, text: &str) -> Line {
        Line { time: WallTime(time), position: Some(position), ..line(text) }
    }

    fn shown(log: &Log, columns: usize, height: usize) -> Vec<&str> {
        let rows = log.rows(columns, height).into_iter();
        rows.map(|row| row.entry.shown[row.bytes].trim_end()).collect()
    }

    #[test]
    fn the_screen_follows_until_one_scrolls() {
        let mut log = log(10);
        assert_eq!(shown(&log, 20, 2), ["狗哥: 8", "狗哥: 9"]);
        log.up(3, 20, 2);
        assert_eq!(shown(&log, 20, 2), ["狗哥: 5", "狗哥: 6"]);
        log.push(&line("new"), None);
        assert_eq!(shown(&log, 20, 2), ["狗哥: 5", "狗哥: 6"]);
        assert_eq!((log.below(20), log.follows()), (4, false));
        log.up(100, 20, 2);
        assert_eq!(shown(&log, 20, 2), ["狗哥: 0", "狗哥: 1"]);
        log.down(100, 20);
        assert_eq!((shown(&log, 20, 1), log.follows()), (vec!["狗哥: new"], true));
        log.go_to_top(20, 3);
        assert_eq!(shown(&log, 20, 3), ["狗哥: 0", "狗哥: 1", "狗哥: 2"]);
    }

    #[test]
    fn a_short_conversation_does_not_scroll() {
        let mut log = log(3);
        log.up(5, 20, 10);
        assert!(log.follows());
        log.go_to_top(20, 10);
        assert!(log.follows());
        assert_eq!(shown(&Log::default(), 20, 3), [""; 0]);
    }

    #[test]
    fn long_lines_scroll_row_by_row_and_survive_a_change_of_width() {
        let mut log = log(1);
        log.push(&line("one two three four"), None);
        assert_eq!(shown(&log, 10, 3), ["狗哥: one", "two three", "four"]);
        log.up(1, 10, 3);
        assert_eq!(shown(&log, 10, 3), ["狗哥: 0", "狗哥: one", "two three"]);
        assert_eq!(log.below(10), 1);
        assert_eq!(shown(&log, 40, 3), ["狗哥: 0", "狗哥: one two three four"]);
        assert_eq!(log.below(40), 0);
        for columns in 1..50 {
            for height in 0..10 {
                assert!(shown(&log, columns, height).len() <= height);
            }
        }
    }

    #[test]
    fn the_oldest_lines_are_forgotten_and_counted() {
        let mut log = log(MAX_LINES + 3);
        assert_eq!((log.len(), log.forgotten()), (MAX_LINES, 3));
        log.go_to_top(20, 1);
        assert_eq!(shown(&log, 20, 1), ["狗哥: 3"]);
        log.push(&line("new"), None);
        assert_eq!(shown(&log, 20, 1), ["狗哥: 4"]);
        let mut all = log;
        while all.forget_oldest() {}
        assert_eq!((all.bytes(), all.len()), (0, 0));
        assert_eq!(shown(&all, 20, 1), [""; 0]);
    }

    #[test]
    fn search_finds_older_and_newer_whatever_the_capitals() {
        let mut log = log(100);
        log.push(&line("Straße ΣΟΦΟΣ"), None);
        let at = |number: u64| Some(log.first + number);
        assert_eq!(log.find("5", None, true), at(95));
        assert_eq!(log.find("5", at(95), true), at(85));
        assert_eq!(log.find("5", at(85), false), at(95));
        assert_eq!(log.find("STRASSE", None, true), None);
        assert_eq!(log.find("straße σ", None, true), at(100));
        assert_eq!(log.find("狗", None, true), at(100));
        assert_eq!(log.find("", None, true), None);
        let needle = fold("aa");
        assert_eq!(find_in("aAaA a", &needle).collect::<Vec<_>>(), [0..2, 2..4]);
        log.show(log.first + 50, 20, 5);
        assert!(shown(&log, 20, 5).contains(&"狗哥: 50"));
    }
    #[test]
    fn what_the_hub_keeps_goes_where_it_belongs() {
        let mut log = Log::default();
        log.push(&Line { time: WallTime(1_000), ..line("live") }, None);
        for (position, text) in [(7, "seven"), (5, "five"), (6, "six"), (5, "five")] {
            log.insert(&kept(position, 100, text), None);
        }
        assert_eq!(shown(&log, 20, 9), ["狗哥: five", "狗哥: six", "狗哥: seven", "狗哥: live"]);
        assert_eq!(log.oldest_position(), Some(5));
        // A stored copy of a live line is the same; the same text much later is another.
        log.insert(&Line { link: Some("page"), ..kept(9, 1_003, "live") }, None);
        log.insert(&kept(10, 5_000, "live"), None);
        assert_eq!(log.len(), 5);
        assert_eq!(shown(&log, 20, 2), ["狗哥: live", "狗哥: live"]);
        // Missed while away: inserted by time.
        log.insert(&kept(8, 900, "missed"), None);
        assert_eq!(shown(&log, 20, 3), ["狗哥: missed", "狗哥: live", "狗哥: live"]);
    }

    #[test]
    fn older_lines_move_nothing_that_is_on_the_screen() {
        let mut log = Log::default();
        for n in 10..40 {
            log.insert(&kept(n, 0, &format!("{n}")), None);
        }
        log.go_to_top(20, 3);
        let before = shown(&log, 20, 3).join(" ");
        assert!(log.is_at_top(20, 3));
        for n in [9, 3, 4] {
            log.insert(&kept(n, 0, &format!("{n}")), None);
            assert_eq!(shown(&log, 20, 3).join(" "), before);
        }
        assert!(!log.is_at_top(20, 3));
        log.up(2, 20, 3);
        assert_eq!(shown(&log, 20, 3), ["狗哥: 4", "狗哥: 9", "狗哥: 10"]);
        log.insert(&kept(5, 0, "5"), None);
        assert_eq!(shown(&log, 20, 3), ["狗哥: 5", "狗哥: 9", "狗哥: 10"]);
    }

    #[test]
    fn the_mark_stands_before_what_is_new_until_the_next_one() {
        let mut log = Log::default();
        let mark = |at| Line { kind: Kind::Mark, sender: "".into(), ..kept(at, 0, "new") };
        log.insert(&mark(5), None);
        for n in [4, 6, 5, 7] {
            log.insert(&kept(n, 0, &format!("{n}")), None);
        }
        let expected = ["狗哥: 4", "狗哥: 5", "-- new", "狗哥: 6", "狗哥: 7"];
        assert_eq!(shown(&log, 20, 9), expected);
        log.up(1, 20, 3);
        assert_eq!(shown(&log, 20, 3), expected[1..4]);
        log.unmark();
        assert_eq!(shown(&log, 20, 3), ["狗哥: 4", "狗哥: 5", "狗哥: 6"]);
        log.insert(&mark(6), None);
        assert_eq!(log.len(), 5);
        log.clear();
        assert_eq!((log.len(), log.bytes(), log.follows()), (0, 0, true));
    }

    #[test]
    fn a_name_is_found_where_it_is_a_word() {
        let named = |text: &str, me: &str| {
            let mut log = Log::default();
            log.push(&line(text), Some(me))
        };
        for text in ["dog", "Dog: hi", "hi DOG!", "dogs and dog", "狗dog"] {
            assert!(named(text, "dog"), "{text}");
        }
        for text in ["dogs", "hotdog", "dog_7", "", "do g"] {
            assert!(!named(text, "dog"), "{text}");
        }
        assert!(named("老师叫小明回答", "小明") && !named("小红", "小明"));
        // The speaker's own name does not count as a mention.
        assert!(!named("hi", "狗哥") && !named("hi", ""));
    }
}
