//! The lines of one conversation, and which of them are on the screen.
//!
//! Kept as they are shown, escaped, because they are searched and measured as shown. How a line
//! wraps is worked out when it is first seen and remembered, so that ten thousand lines that nobody
//! looks at cost nothing.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ops::Range;

use super::wrap::breaks;

/// The most lines kept of a conversation; the oldest goes first.
pub(crate) const MAX_LINES: usize = 20_000;

/// What an entry costs beside its text, in bytes.
const ENTRY: usize = std::mem::size_of::<Entry>();

/// Shown in place of an empty message: an empty datagram is a message too. Without this a line
/// would look like a slip of the screen.
const EMPTY: &str = "(empty)";

/// What kind of line it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Somebody's words.
    Said,
    /// Our own.
    Mine,
    /// The hub's own words.
    Notice,
    /// Ours, about the session.
    Note,
}

/// A line to show.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Local seconds since midnight.
    pub(crate) time: u32,
    pub(crate) kind: Kind,
    /// Who said it; empty for notices.
    pub(crate) sender: Box<str>,
    /// What was said, as it came.
    pub(crate) text: Box<str>,
}

impl Line {
    /// About how many bytes it takes.
    pub(crate) fn cost(&self) -> usize {
        ENTRY + self.sender.len() + self.text.len()
    }
}

/// A line as it is kept.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) time: u32,
    pub(crate) kind: Kind,
    /// `SENDER: TEXT`, or a notice behind its mark; escaped.
    pub(crate) shown: Box<str>,
    /// How many bytes of it are the sender's name.
    pub(crate) sender: usize,
    /// Whether there was nothing in it, and `shown` says so.
    pub(crate) empty: bool,
    /// Row beginnings, and the columns they hold for.
    rows: RefCell<(usize, Box<[u32]>)>,
}

impl Entry {
    fn new(line: &Line) -> Entry {
        let sender = pigeon_text::escape(&*line.sender).to_string();
        let empty = line.text.is_empty() && matches!(line.kind, Kind::Said | Kind::Mine);
        let text = pigeon_text::escape(if empty { EMPTY } else { &*line.text });
        let shown = match line.kind {
            Kind::Notice => format!("* {text}"),
            Kind::Note => format!("-- {text}"),
            Kind::Said | Kind::Mine if sender.is_empty() => text.to_string(),
            Kind::Said | Kind::Mine => format!("{sender}: {text}"),
        };
        let rows = RefCell::new((0, Box::default()));
        let (time, kind, sender) = (line.time, line.kind, sender.len());
        Entry { time, kind, shown: shown.into(), sender, empty, rows }
    }

    /// About how many bytes it takes, beside the beginnings of its rows if it was ever seen.
    fn cost(&self) -> usize {
        ENTRY + self.shown.len()
    }

    /// How many rows it takes at so many columns.
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

/// One row on the screen.
pub(crate) struct Row<'a> {
    pub(crate) entry: &'a Entry,
    /// Which bytes of the entry it shows.
    pub(crate) bytes: Range<usize>,
    /// Whether the entry begins here.
    pub(crate) first: bool,
}

/// A row by its entry's number and its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Anchor {
    entry: u64,
    row: usize,
}

/// A conversation's lines.
#[derive(Debug, Default)]
pub(crate) struct Log {
    entries: VecDeque<Entry>,
    /// Entries that have gone; also the number of the first that is there.
    forgotten: u64,
    bytes: usize,
    /// The lowest row on the screen; `None` follows what comes.
    bottom: Option<Anchor>,
}

impl Log {
    /// Appends a line. The oldest goes if there are too many.
    pub(crate) fn push(&mut self, line: &Line) {
        let entry = Entry::new(line);
        self.bytes += entry.cost();
        self.entries.push_back(entry);
        if self.entries.len() > MAX_LINES {
            self.forget_oldest();
        }
    }

    /// Drops the oldest line. False if there is none.
    pub(crate) fn forget_oldest(&mut self) -> bool {
        let Some(entry) = self.entries.pop_front() else { return false };
        self.bytes -= entry.cost();
        self.forgotten += 1;
        let first = self.forgotten;
        if let Some(bottom) = self.bottom.as_mut().filter(|bottom| bottom.entry < first) {
            *bottom = Anchor { entry: first, row: 0 };
        }
        true
    }

    /// About the bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many lines were dropped for newer ones.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many lines are not to be read to their end on a screen of so many columns: those below
    /// it, and one that it cuts.
    pub(crate) fn below(&self, columns: usize) -> u64 {
        let Some(bottom) = self.bottom.and(self.bottom(columns)) else { return 0 };
        let end = self.forgotten + self.entries.len() as u64;
        let cut = self.entry(bottom.entry).is_some_and(|e| bottom.row + 1 < e.height(columns));
        end - bottom.entry - u64::from(!cut)
    }

    /// Whether the screen follows what comes.
    pub(crate) fn follows(&self) -> bool {
        self.bottom.is_none()
    }

    fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number.checked_sub(self.forgotten)?).ok()?)
    }

    fn end(&self, columns: usize) -> Option<Anchor> {
        let entry = self.entries.back()?;
        let number = self.forgotten + self.entries.len() as u64 - 1;
        Some(Anchor { entry: number, row: entry.height(columns) - 1 })
    }

    /// The row above.
    fn above(&self, at: Anchor, columns: usize) -> Option<Anchor> {
        if at.row > 0 {
            return Some(Anchor { row: at.row - 1, ..at });
        }
        let number = at.entry.checked_sub(1)?;
        Some(Anchor { entry: number, row: self.entry(number)?.height(columns) - 1 })
    }

    /// The row beneath.
    fn beneath(&self, at: Anchor, columns: usize) -> Option<Anchor> {
        if at.row + 1 < self.entry(at.entry)?.height(columns) {
            return Some(Anchor { row: at.row + 1, ..at });
        }
        self.entry(at.entry + 1).map(|_| Anchor { entry: at.entry + 1, row: 0 })
    }

    /// The lowest row on the screen, where it is after a change of width.
    fn bottom(&self, columns: usize) -> Option<Anchor> {
        let Some(bottom) = self.bottom else { return self.end(columns) };
        let entry = self.entry(bottom.entry)?;
        Some(Anchor { row: bottom.row.min(entry.height(columns) - 1), ..bottom })
    }

    /// The rows on a screen of so many columns and rows, from the top.
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

    /// Moves up by so many rows, no further than to the first.
    pub(crate) fn up(&mut self, by: usize, columns: usize, height: usize) {
        let Some(start) = self.bottom(columns) else { return };
        let mut top = start;
        // The screen stays full: its top row can go no higher than the first.
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

    /// Moves down by so many rows; at the last it follows again.
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

    /// To the very first line.
    pub(crate) fn go_to_top(&mut self, columns: usize, height: usize) {
        self.bottom = Some(Anchor { entry: self.forgotten, row: 0 });
        for _ in 1..height {
            let at = self.bottom.and_then(|bottom| self.beneath(bottom, columns));
            match at {
                Some(at) => self.bottom = Some(at),
                None => return self.bottom = None,
            }
        }
    }

    /// Follows what comes.
    pub(crate) fn follow(&mut self) {
        self.bottom = None;
    }

    /// Where the screen is, to come back to.
    pub(crate) fn place(&self) -> Option<Anchor> {
        self.bottom
    }

    /// Back to a place.
    pub(crate) fn return_to(&mut self, place: Option<Anchor>) {
        self.bottom = place.filter(|place| place.entry >= self.forgotten);
    }

    /// The number of the nearest line with `needle` before (or behind) line `from`.
    pub(crate) fn find(&self, needle: &str, from: Option<u64>, older: bool) -> Option<u64> {
        let folded = fold(needle);
        let has = |number: &u64| {
            self.entry(*number).is_some_and(|e| find_in(&e.shown, &folded).next().is_some())
        };
        let (first, end) = (self.forgotten, self.forgotten + self.entries.len() as u64);
        match older {
            true => (first..from.unwrap_or(end).clamp(first, end)).rev().find(has),
            false => (from.map_or(first, |from| from + 1).max(first)..end).find(has),
        }
    }

    /// Puts a line into the middle of the screen.
    pub(crate) fn show(&mut self, number: u64, columns: usize, height: usize) {
        let Some(entry) = self.entry(number) else { return };
        let row = entry.height(columns) - 1;
        self.bottom = Some(Anchor { entry: number, row });
        self.down(height / 2, columns);
    }
}

/// A text without the difference of capitals.
pub(crate) fn fold(text: &str) -> Vec<char> {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// Where a folded needle stands in a text, in bytes. Matches do not overlap.
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

/// How many bytes at the beginning of `text` are the needle.
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
        Line { time: 0, kind: Kind::Said, sender: "狗哥".into(), text: text.into() }
    }

    fn log(lines: usize) -> Log {
        let mut log = Log::default();
        (0..lines).for_each(|n| log.push(&line(&format!("{n}"))));
        log
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
        log.push(&line("new"));
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
        log.push(&line("one two three four"));
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
        log.push(&line("new"));
        assert_eq!(shown(&log, 20, 1), ["狗哥: 4"]);
        let mut all = log;
        while all.forget_oldest() {}
        assert_eq!((all.bytes(), all.len()), (0, 0));
        assert_eq!(shown(&all, 20, 1), [""; 0]);
    }

    #[test]
    fn search_finds_older_and_newer_whatever_the_capitals() {
        let mut log = log(100);
        log.push(&line("Straße ΣΟΦΟΣ"));
        assert_eq!(log.find("5", None, true), Some(95));
        assert_eq!(log.find("5", Some(95), true), Some(85));
        assert_eq!(log.find("5", Some(85), false), Some(95));
        assert_eq!(log.find("STRASSE", None, true), None);
        assert_eq!(log.find("straße σ", None, true), Some(100));
        assert_eq!(log.find("狗", None, true), Some(100));
        assert_eq!(log.find("", None, true), None);
        let needle = fold("aa");
        assert_eq!(find_in("aAaA a", &needle).collect::<Vec<_>>(), [0..2, 2..4]);
        log.show(50, 20, 5);
        assert!(shown(&log, 20, 5).contains(&"狗哥: 50"));
    }
}
