//! Text in rows and columns, by display width. clap breaks rows at spaces only, and Chinese has
//! none.

use clap::builder::Styles;
use pigeon_text::{pad, width};

use super::epilogue::Block;
use crate::ui::screen::wrap::breaks;

/// A last row narrower than this is an orphan.
pub(super) const ORPHAN: usize = 10;

/// Stands for one column of text that must stay in one row. It is neither a space nor an ideograph.
const MASK: char = '\u{2588}';

/// Maximum width of a default that stays in one row.
const MAX_HELD: usize = 24;

/// Maximum width of the term column with its spaces. A longer term gets its own row.
const MAX_TERM: usize = 32;

/// Builds a help text.
pub(super) struct Page<'a> {
    pub(super) columns: usize,
    pub(super) styles: &'a Styles,
    pub(super) text: String,
}

/// A term and its description: paragraphs, each wrapped separately.
#[derive(Default)]
pub(super) struct Entry {
    pub(super) term: String,
    /// Length in bytes of the literal part of the term: `--wait` of `--wait <DURATION>`.
    pub(super) literal: usize,
    pub(super) description: Vec<String>,
}

impl Page<'_> {
    pub(super) fn paragraph(&mut self, text: &str) {
        for row in rows(text, self.columns) {
            self.text += &format!("{row}\n");
        }
    }

    pub(super) fn heading(&mut self, text: &str) {
        let style = self.styles.get_header();
        for row in rows(text, self.columns) {
            self.text += &format!("{style}{row}{style:#}\n");
        }
    }

    /// Adds text after a word (`Usage: …`). Further rows are indented to the first.
    pub(super) fn behind(&mut self, word: &str, text: &str) {
        let style = self.styles.get_usage();
        let blank = if word.is_ascii() { " " } else { "" };
        let indent = width(word) + blank.len();
        let mut head = format!("{style}{word}{style:#}{blank}");
        for row in rows(text, self.columns - indent) {
            self.text += &format!("{head}{row}\n");
            head = " ".repeat(indent);
        }
    }

    /// Adds terms in one column and descriptions in another.
    pub(super) fn entries(&mut self, entries: &[Entry]) {
        let style = self.styles.get_literal();
        let longest = entries.iter().map(|entry| width(&entry.term)).max().unwrap_or(0);
        let column = (longest + 4).min(self.columns / 3).min(MAX_TERM);
        for Entry { term, literal, description } in entries {
            let (typed, value) = term.split_at(*literal);
            let term = match typed {
                "" => format!("  {value}"),
                typed => format!("  {style}{typed}{style:#}{value}"),
            };
            let taken = 2 + width(typed) + width(value);
            let mut rows = description.iter().flat_map(|text| rows(text, self.columns - column));
            let first = rows.next().unwrap_or_default();
            self.text += &match taken + 2 <= column {
                _ if first.is_empty() => format!("{term}\n"),
                true => format!("{term}{:1$}{first}\n", "", column - taken),
                false => format!("{term}\n{:column$}{first}\n", ""),
            };
            for row in rows {
                self.text += &format!("{:column$}{row}\n", "");
            }
        }
    }

    /// Adds the blocks below the options.
    pub(super) fn epilogue(&mut self, blocks: &[Block]) {
        for block in blocks {
            self.text.push('\n');
            match block {
                Block::Paragraph(text) => self.paragraph(text),
                Block::Commands { title, items } => {
                    self.heading(title);
                    self.commands(items);
                }
                Block::Terms { title, items } => {
                    self.heading(title);
                    let entry = |(term, text): &(String, String)| Entry {
                        term: term.clone(),
                        description: vec![text.clone()],
                        ..Entry::default()
                    };
                    self.entries(&items.iter().map(entry).collect::<Vec<_>>());
                }
            }
        }
    }

    /// Adds commands to copy, with comments after them if they fit.
    fn commands(&mut self, items: &[(String, String)]) {
        let commented = || items.iter().filter(|(_, comment)| !comment.is_empty());
        // The column at which most comments can be aligned.
        let aligned = |column: usize| {
            let fits = |(command, comment): &&(String, String)| {
                width(command) <= column && column + width(comment) + 6 <= self.columns
            };
            commented().filter(fits).count()
        };
        let column = commented().map(|(command, _)| width(command)).max_by_key(|it| aligned(*it));
        let column = column.unwrap_or(0);
        for (command, comment) in items {
            let beside = [pad(command, column), command.clone()]
                .map(|command| format!("  {command}  # {comment}\n"))
                .into_iter()
                .find(|row| !comment.is_empty() && width(row.trim_end()) <= self.columns);
            self.text += &beside.unwrap_or_else(|| {
                let below = rows(comment, self.columns - 8).into_iter();
                let below =
                    below.filter(|row| !row.is_empty()).map(|row| format!("      # {row}\n"));
                let command = shell_rows(command, self.columns).join(" \\\n      ");
                format!("  {command}\n{}", below.collect::<String>())
            });
        }
    }
}

/// Wraps a text. If the last row would be an orphan, the rows are made narrower, unless that adds a
/// row.
fn rows(text: &str, columns: usize) -> Vec<String> {
    let (masked, held) = hold(text);
    let first = cut(&masked, columns);
    let is_even = |rows: &Vec<&str>| match rows[..] {
        [] | [_] => true,
        [.., last] => width(last) >= ORPHAN,
    };
    let narrower = (columns / 2..=columns).rev().map(|columns| cut(&masked, columns));
    let even = narrower.take_while(|rows| rows.len() == first.len()).find(is_even);
    let mut held = held.into_iter();
    let mut shown = |row: &str| {
        let (mut text, mut rest) = (String::new(), row);
        while let Some((before, behind)) = rest.split_once(MASK) {
            text += before;
            text += held.next().unwrap_or_default();
            rest = behind.trim_start_matches(MASK);
        }
        text + rest
    };
    even.unwrap_or(first).into_iter().map(&mut shown).collect()
}

/// Replaces quoted text and a short default by masks of the same width, and returns what they
/// replaced.
fn hold(text: &str) -> (String, Vec<&str>) {
    let (mut masked, mut held) = (String::new(), Vec::new());
    let mut rest = text;
    while let Some(at) = rest.find(['`', '[']) {
        let quoted = rest[at..].starts_with('`');
        let end = rest[at + 1..].find(if quoted { '`' } else { ']' }).map(|it| at + it + 2);
        let end = end.unwrap_or(rest.len());
        let one = &rest[at..end];
        masked += &rest[..at];
        match quoted || (end == rest.len() && width(one) <= MAX_HELD) {
            true => {
                masked.extend(std::iter::repeat_n(MASK, width(one)));
                held.push(one);
            }
            false => masked += one,
        }
        rest = &rest[end..];
    }
    (masked + rest, held)
}

fn cut(text: &str, columns: usize) -> Vec<&str> {
    let starts = breaks(text, columns).into_iter().map(|at| at as usize);
    let ends = starts.clone().chain([text.len()]);
    [0].into_iter().chain(starts).zip(ends).map(|(from, to)| text[from..to].trim_end()).collect()
}

/// Splits a command into rows joined by `\`: the first is indented by two columns, the others by
/// six. Splits at spaces outside quotes, preferably before a flag, so that its value follows it.
fn shell_rows(command: &str, columns: usize) -> Vec<&str> {
    let mut rows = Vec::new();
    let (mut rest, mut columns) = (command, columns.saturating_sub(2));
    while width(rest) > columns {
        let mut quoted = false;
        let is_blank = |(_, c): &(usize, char)| {
            quoted ^= *c == '\'';
            *c == ' ' && !quoted
        };
        let blanks = rest.char_indices().filter(is_blank).map(|(at, _)| at);
        let fitting: Vec<usize> = blanks.filter(|at| width(&rest[..*at]) + 2 <= columns).collect();
        let before_flag = fitting.iter().rfind(|at| rest[**at..].starts_with(" -"));
        let Some(&at) = before_flag.or(fitting.last()) else { break };
        rows.push(&rest[..at]);
        rest = &rest[at + 1..];
        columns = columns.saturating_sub(if rows.len() == 1 { 4 } else { 0 });
    }
    rows.push(rest);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_last_row_is_no_left_over_word() {
        let text = "Print replies until this long after the last datagram has left us";
        assert_eq!(cut(text, 62).last(), Some(&"us"));
        assert_eq!(rows(text, 62).len(), 2);
        assert!(width(&rows(text, 62)[1]) >= ORPHAN);
        let text = "最后一个数据报发出之后再等待这么长时间，并打印收到的回复";
        assert_eq!(cut(text, 52).last(), Some(&"回复"));
        assert!(width(&rows(text, 52)[1]) >= ORPHAN);
        assert_eq!(rows("", 20), [""]);
        assert_eq!(rows("one two", 3), ["one", "two"]);
    }

    #[test]
    fn a_long_command_can_still_be_copied() {
        let command = "pigeon replay 'my run' 127.0.0.1:9 --max-pause 5s --port 9";
        let rows = shell_rows(command, 40);
        assert_eq!(rows, ["pigeon replay 'my run' 127.0.0.1:9", "--max-pause 5s --port 9"]);
        assert_eq!(shell_rows(command, 80), [command]);
    }
}
