//! The help: commands and keys, split into rows.

use pigeon_proto::Language;

use super::wrap::breaks;
use crate::words::say_in;

/// A key or a command with its description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) what: String,
}

/// Parses a table: `KEY | WHAT` in each line.
pub(crate) fn entries(table: &str) -> Vec<Entry> {
    // A key may be `on|off`: only a bar between blanks separates.
    let halves = table.lines().filter_map(|line| line.split_once(" | "));
    halves.map(|(key, what)| Entry { key: key.into(), what: what.into() }).collect()
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct HelpRow {
    /// A key or a command, if it is in this row.
    pub(crate) key: String,
    /// A part of the description.
    pub(crate) what: String,
    /// The description's column.
    pub(crate) indent: usize,
}

/// The help's rows at this width.
pub(crate) fn rows(commands: &[Entry], language: Language, columns: usize) -> Vec<HelpRow> {
    let heading = |key: String| Entry { key, what: String::new() };
    let mut all = vec![heading(say_in!(language, "screen-help-commands"))];
    all.extend_from_slice(commands);
    all.extend([Entry::default(), heading(say_in!(language, "screen-help-keys"))]);
    all.extend(entries(&say_in!(language, "screen-keys")));
    let first = all.iter().map(|entry| pigeon_text::width(&entry.key)).max().unwrap_or(0);
    // On a narrow screen the description is below its key.
    let beside = columns >= first + 30;
    let indent = if beside { first + 2 } else { 2 };
    let mut rows = Vec::new();
    for Entry { key, what } in all {
        let starts = breaks(&what, columns.saturating_sub(indent).max(1));
        let starts: Vec<_> = [0].into_iter().chain(starts.iter().map(|&at| at as usize)).collect();
        let ends = starts.iter().copied().skip(1).chain([what.len()]);
        let pieces = starts.iter().zip(ends).map(|(&start, end)| what[start..end].trim_end());
        let pieces = pieces.filter(|piece| !piece.is_empty()).map(str::to_string);
        let mut pieces = pieces.peekable();
        let what = if beside { pieces.next().unwrap_or_default() } else { String::new() };
        rows.push(HelpRow { key, what, indent });
        rows.extend(pieces.map(|what| HelpRow { key: String::new(), what, indent }));
    }
    rows
}
