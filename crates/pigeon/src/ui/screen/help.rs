//! What the help shows: the keys and the commands, cut into rows.

use super::wrap::breaks;

/// The keys, and what they do.
const KEYS: [(&str, &str); 17] = [
    ("Enter", "send the line (an empty one sends nothing)"),
    ("Tab", "complete a name or a command; again: the next"),
    ("Up, Down", "lines typed before"),
    ("PageUp, PageDown", "scroll back; Ctrl-Home the first line, Ctrl-End the last"),
    ("Ctrl-N, Ctrl-P", "the next and the previous conversation (also Alt-Down, Alt-Up, F6, F5)"),
    ("Alt-1 … Alt-9", "a conversation by its number"),
    ("Alt-A", "the next with something unread"),
    ("Ctrl-F", "search (also Ctrl-R, or /search TEXT): Up older, Down newer, Enter stay, Esc back"),
    ("Ctrl-A, Ctrl-E", "to the beginning and the end of the line (also Home, End)"),
    ("Ctrl-Left, Ctrl-Right", "word by word (also Alt-B, Alt-F)"),
    ("Ctrl-W", "cut the word before the cursor"),
    ("Ctrl-U, Ctrl-K", "cut to the beginning, to the end"),
    ("Ctrl-Y", "put back what was cut"),
    ("Ctrl-L", "draw the screen anew"),
    ("Ctrl-Z", "to the shell; `fg` comes back"),
    ("Ctrl-D, Ctrl-C", "leave (Ctrl-D on an empty line)"),
    ("? on an empty line, F1", "these keys; any other key closes them"),
];

/// One row of the help.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct HelpRow {
    /// A key or a command, if it stands in this row.
    pub(crate) key: &'static str,
    /// What it does, as far as it fits.
    pub(crate) what: &'static str,
    /// The column where that begins.
    pub(crate) indent: usize,
}

/// All rows of the help at so many columns.
pub(crate) fn rows(
    commands: &'static [(&'static str, &'static str)],
    columns: usize,
) -> Vec<HelpRow> {
    let all = [("keys", "")].into_iter().chain(KEYS);
    let all: Vec<_> =
        all.chain([("", ""), ("commands", "")]).chain(commands.iter().copied()).collect();
    let first = all.iter().map(|(key, _)| pigeon_text::width(key)).max().unwrap_or(0);
    // On a narrow screen the explanation stands under its key.
    let beside = columns >= first + 30;
    let indent = if beside { first + 2 } else { 2 };
    let mut rows = Vec::new();
    for (key, what) in all {
        let starts = breaks(what, columns.saturating_sub(indent).max(1));
        let starts: Vec<_> = [0].into_iter().chain(starts.iter().map(|&at| at as usize)).collect();
        let ends = starts.iter().copied().skip(1).chain([what.len()]);
        let pieces = starts.iter().zip(ends).map(|(&start, end)| what[start..end].trim_end());
        let mut pieces = pieces.filter(|piece| !piece.is_empty()).peekable();
        let what = if beside { pieces.next().unwrap_or_default() } else { "" };
        rows.push(HelpRow { key, what, indent });
        rows.extend(pieces.map(|what| HelpRow { key: "", what, indent }));
    }
    rows
}
