//! The input line. The cursor moves by clusters, so that é and 👩‍🚀 are one step.
//!
//! Replaces ratatui-textarea, which moves by characters and shows its content unescaped.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_segmentation::GraphemeCursor;

use super::wrap::{clusters, columns};

/// The longest line in bytes: a datagram's maximum.
pub(crate) const MAX_BYTES: usize = 65_507;

/// A line with a cursor.
#[derive(Debug, Default)]
pub(crate) struct Input {
    text: String,
    /// The cursor's position in bytes, at the start of a cluster.
    cursor: usize,
    /// The last cut text, for Ctrl-Y.
    cut: String,
}

/// The visible part of a line, with the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) shown: String,
    /// The cursor's column.
    pub(crate) cursor: usize,
}

impl Input {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The cursor's position in bytes.
    pub(crate) fn cursor(&self) -> usize {
        self.cursor
    }

    /// Handles an editing key. The keys are a shell's.
    pub(crate) fn press(&mut self, key: KeyEvent) {
        let ctrl = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Left if ctrl || alt => self.word_left(),
            KeyCode::Right if ctrl || alt => self.word_right(),
            KeyCode::Left => self.left(),
            KeyCode::Right => self.right(),
            KeyCode::Home => self.home(),
            KeyCode::End => self.end(),
            KeyCode::Backspace if ctrl || alt => self.cut_word(),
            KeyCode::Backspace => self.backspace(),
            KeyCode::Delete => self.delete(),
            KeyCode::Char(c) if ctrl => match c {
                'a' => self.home(),
                'e' => self.end(),
                'b' => self.left(),
                'd' => self.delete(),
                'h' => self.backspace(),
                'w' => self.cut_word(),
                'u' => self.cut_to_start(),
                'k' => self.cut_to_end(),
                'y' => self.paste_cut(),
                _ => {}
            },
            KeyCode::Char('b') if alt => self.word_left(),
            KeyCode::Char('f') if alt => self.word_right(),
            KeyCode::Char(c) if !alt && !c.is_control() => {
                self.insert(c.encode_utf8(&mut [0; 4]));
            }
            _ => {}
        }
    }

    /// Replaces the text, with the cursor at its end.
    pub(crate) fn set(&mut self, text: impl Into<String>) {
        self.text = text.into();
        self.cursor = self.text.len();
    }

    /// Takes the text.
    pub(crate) fn take(&mut self) -> String {
        self.cursor = 0;
        std::mem::take(&mut self.text)
    }

    /// Inserts at the cursor. Returns false, and inserts nothing, if the line would be too long.
    pub(crate) fn insert(&mut self, text: &str) -> bool {
        if self.text.len() + text.len() > MAX_BYTES {
            return false;
        }
        self.text.insert_str(self.cursor, text);
        self.cursor += text.len();
        self.settle();
        true
    }

    /// Replaces the bytes between `from` and the cursor.
    pub(crate) fn replace(&mut self, from: usize, with: &str) {
        if self.text.get(from..self.cursor).is_some() {
            self.text.replace_range(from..self.cursor, with);
            self.cursor = from + with.len();
        }
    }

    /// Moves the cursor to a cluster's boundary: a mark typed after a letter joins it. Examines
    /// only the surroundings of the cursor, because a line may be long.
    fn settle(&mut self) {
        let mut cursor = self.graphemes();
        if cursor.is_boundary(&self.text, 0) == Ok(false) {
            self.cursor = self.behind();
        }
    }

    fn graphemes(&self) -> GraphemeCursor {
        GraphemeCursor::new(self.cursor, self.text.len(), true)
    }

    // The whole text is available, so a boundary can always be found.

    fn before(&self) -> usize {
        self.graphemes().prev_boundary(&self.text, 0).ok().flatten().unwrap_or(0)
    }

    fn behind(&self) -> usize {
        let end = self.text.len();
        self.graphemes().next_boundary(&self.text, 0).ok().flatten().unwrap_or(end)
    }

    /// The start of the word before the cursor.
    fn word_before(&self) -> usize {
        let trimmed = self.text[..self.cursor].trim_end();
        let gap = trimmed.char_indices().rev().find(|(_, c)| c.is_whitespace());
        gap.map_or(0, |(at, c)| at + c.len_utf8())
    }

    /// The end of the word after the cursor.
    fn word_behind(&self) -> usize {
        let rest = &self.text[self.cursor..];
        let skipped = rest.len() - rest.trim_start().len();
        let end = rest[skipped..].find(char::is_whitespace).unwrap_or(rest.len() - skipped);
        self.cursor + skipped + end
    }

    pub(crate) fn left(&mut self) {
        self.cursor = self.before();
    }

    pub(crate) fn right(&mut self) {
        self.cursor = self.behind();
    }

    pub(crate) fn word_left(&mut self) {
        self.cursor = self.word_before();
    }

    pub(crate) fn word_right(&mut self) {
        self.cursor = self.word_behind();
    }

    pub(crate) fn home(&mut self) {
        self.cursor = 0;
    }

    pub(crate) fn end(&mut self) {
        self.cursor = self.text.len();
    }

    pub(crate) fn backspace(&mut self) {
        let before = self.before();
        self.text.replace_range(before..self.cursor, "");
        self.cursor = before;
        self.settle();
    }

    pub(crate) fn delete(&mut self) {
        let behind = self.behind();
        self.text.replace_range(self.cursor..behind, "");
        self.settle();
    }

    pub(crate) fn cut_word(&mut self) {
        let from = self.word_before();
        self.cut = self.text.drain(from..self.cursor).collect();
        self.cursor = from;
        self.settle();
    }

    pub(crate) fn cut_to_start(&mut self) {
        self.cut = self.text.drain(..self.cursor).collect();
        self.cursor = 0;
    }

    pub(crate) fn cut_to_end(&mut self) {
        self.cut = self.text.split_off(self.cursor);
    }

    pub(crate) fn paste_cut(&mut self) {
        let cut = self.cut.clone();
        self.insert(&cut);
    }

    /// The visible part at this width: the cursor, the text before it, and a third of the width for
    /// the text after it. Escaped, because a paste may contain anything. Shows a password as
    /// asterisks, because others may see the screen.
    pub(crate) fn view(&self, most: usize) -> View {
        let most = most.max(1);
        let secret = secret_from(&self.text);
        let shown = |at: usize, cluster: &str| match secret {
            Some(secret) if at >= secret => "*".to_string(),
            _ => pigeon_text::escape(cluster).to_string(),
        };
        let behind = clusters(&self.text[self.cursor..]).map(|(at, c)| shown(self.cursor + at, c));
        // Enough to fill the window; the rest of a long line is skipped.
        let behind: Vec<String> = behind.take(most).collect();
        let behind_columns: usize = behind.iter().map(|cluster| wide(cluster)).sum();
        // A column is kept free for the cursor.
        let room = (most - 1).saturating_sub(behind_columns.min(most / 3));
        let mut before = Vec::new();
        let mut cursor = 0;
        for (at, cluster) in clusters(&self.text[..self.cursor]).rev() {
            let cluster = shown(at, cluster);
            if cursor + wide(&cluster) > room {
                break;
            }
            cursor += wide(&cluster);
            before.push(cluster);
        }
        before.reverse();
        let (mut text, mut column) = (before.concat(), cursor);
        for cluster in behind {
            column += wide(&cluster);
            if column > most {
                break;
            }
            text.push_str(&cluster);
        }
        View { shown: text, cursor }
    }
}

/// The start of the password in a `/pass` line.
fn secret_from(text: &str) -> Option<usize> {
    let command = text.trim_start().strip_prefix(['/', '／'])?.strip_prefix("pass")?;
    command.starts_with(char::is_whitespace).then(|| text.len() - command.len() + 1)
}

/// The columns of a cluster's escaped form.
fn wide(shown: &str) -> usize {
    clusters(shown).map(|(_, cluster)| columns(cluster)).sum()
}

/// Earlier lines, newest last.
#[derive(Debug, Default)]
pub(crate) struct History {
    lines: Vec<String>,
    /// The line shown, and the previous draft.
    at: Option<(usize, String)>,
}

impl History {
    /// Maximum number of lines kept; the oldest is dropped first.
    const MAX_LINES: usize = 500;

    /// Adds a line, unless it repeats the last.
    pub(crate) fn push(&mut self, line: &str) {
        self.at = None;
        if self.lines.last().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == Self::MAX_LINES {
            self.lines.remove(0);
        }
        self.lines.push(line.to_string());
    }

    /// Shows an older line in the input.
    pub(crate) fn older(&mut self, input: &mut Input) {
        let (at, draft) = match self.at.take() {
            Some((at, draft)) => (at.saturating_sub(1), draft),
            None if self.lines.is_empty() => return,
            None => (self.lines.len() - 1, input.text().to_string()),
        };
        input.set(self.lines[at].as_str());
        self.at = Some((at, draft));
    }

    /// Shows the next older line that contains the draft.
    pub(crate) fn search(&mut self, input: &mut Input) {
        let is_shown =
            |(at, _): &(usize, String)| self.lines.get(*at).is_some_and(|l| l == input.text());
        let (at, draft) = match self.at.take().filter(is_shown) {
            Some(at) => at,
            None => (self.lines.len(), input.text().to_string()),
        };
        let found = self.lines[..at].iter().rposition(|line| line.contains(&draft));
        if let Some(found) = found {
            input.set(self.lines[found].as_str());
        }
        // Without an older match the last one stays.
        self.at = found.or((at < self.lines.len()).then_some(at)).map(|at| (at, draft));
    }

    /// Shows a newer line, and finally the draft.
    pub(crate) fn newer(&mut self, input: &mut Input) {
        let Some((at, draft)) = self.at.take() else { return };
        match self.lines.get(at + 1) {
            Some(line) => {
                input.set(line.as_str());
                self.at = Some((at + 1, draft));
            }
            None => input.set(draft),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_goes_back_through_lines_that_hold_what_was_typed() {
        let mut history = History::default();
        ["stats", "kick 狗", "members", "kick 猴"].iter().for_each(|line| history.push(line));
        let mut input = typed("kick");
        for found in ["kick 猴", "kick 狗", "kick 狗"] {
            history.search(&mut input);
            assert_eq!(input.text(), found);
        }
        input.set("st");
        history.search(&mut input);
        assert_eq!(input.text(), "stats");
        history.newer(&mut input);
        assert_eq!(input.text(), "kick 狗");
    }

    fn typed(text: &str) -> Input {
        let mut input = Input::default();
        assert!(input.insert(text));
        input
    }

    #[test]
    fn one_step_is_one_character_as_people_see_it() {
        let mut input = typed("a👩‍🚀e\u{301}");
        input.left();
        input.left();
        assert_eq!(&input.text()[..input.cursor()], "a");
        input.delete();
        assert_eq!(input.text(), "ae\u{301}");
        input.end();
        input.backspace();
        assert_eq!(input.text(), "a");
        // A separate mark, as from an input method, joins the letter.
        input.insert("\u{301}");
        input.left();
        assert_eq!(input.cursor(), 0);
    }

    #[test]
    fn words_are_cut_and_put_back() {
        let mut input = typed("one two  three");
        input.cut_word();
        assert_eq!(input.text(), "one two  ");
        input.paste_cut();
        input.word_left();
        input.word_left();
        assert_eq!(input.cursor(), 4);
        input.word_right();
        assert_eq!(input.cursor(), 7);
        input.cut_to_end();
        assert_eq!(input.text(), "one two");
        input.cut_to_start();
        assert!(input.is_empty());
        input.backspace();
        input.delete();
        input.cut_word();
        assert_eq!(input.view(10), View { shown: String::new(), cursor: 0 });
    }

    #[test]
    fn the_cursor_is_always_in_the_window() {
        let mut input = typed("你好，世界：这一行比窗口长");
        assert_eq!(input.view(10), View { shown: "比窗口长".into(), cursor: 8 });
        input.home();
        assert_eq!(input.view(10), View { shown: "你好，世界".into(), cursor: 0 });
        for most in 0..40 {
            for _ in 0..20 {
                let view = input.view(most);
                assert!(view.cursor < most.max(1), "{view:?} in {most}");
                input.right();
            }
            input.home();
        }
    }

    #[test]
    fn what_is_pasted_is_shown_escaped_and_kept_as_it_is() {
        let input = typed("a\u{202e}b\x1b[0m");
        assert_eq!(input.view(40).shown, r"a\u{202e}b\x1b[0m");
        assert_eq!(input.text(), "a\u{202e}b\x1b[0m");
    }

    #[test]
    fn a_line_is_no_longer_than_a_datagram() {
        let mut input = typed(&"x".repeat(MAX_BYTES));
        assert!(!input.insert("y"));
        assert_eq!(input.view(10).cursor, 9);
    }

    #[test]
    fn history_keeps_what_was_being_typed() {
        let (mut history, mut input) = (History::default(), typed("draft"));
        history.older(&mut input);
        assert_eq!(input.text(), "draft");
        ["one", "two", "two"].iter().for_each(|line| history.push(line));
        for expected in ["two", "one", "one"] {
            history.older(&mut input);
            assert_eq!(input.text(), expected);
        }
        for expected in ["two", "draft", "draft"] {
            history.newer(&mut input);
            assert_eq!(input.text(), expected);
        }
    }

    #[test]
    fn nobody_reads_a_password_over_a_shoulder() {
        let mut input = Input::default();
        let shown = |input: &Input, most| input.view(most).shown;
        for line in ["/pass 芝麻开门", " ／pass sesame"] {
            input.set(line);
            assert!(!shown(&input, 40).contains(['门', 'm']), "{line}");
            assert_eq!(shown(&input, 4), "***");
        }
        input.home();
        assert_eq!(shown(&input, 40), " ／pass ******");
        for line in ["/passage x", "pass x", "/pas x"] {
            input.set(line);
            assert_eq!(shown(&input, 40), line);
        }
    }
}
