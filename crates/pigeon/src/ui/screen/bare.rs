//! The messages alone, for copying by the terminal's own selection: without borders, names and
//! mouse reports. The terminal wraps long lines itself, so that copying joins them.

use super::draw::time_of;
use super::log::Entry;
use super::model::Model;
use super::wrap::{cautious, clusters};
use crate::words::say_in;

/// Enters this view: the terminal keeps the mouse and wraps lines.
const ENTER: &str = "\x1b[?2026h\x1b[?1006l\x1b[?1000l\x1b[?7h\x1b[?25l\x1b[0m\x1b[H\x1b[2J";

/// Restores the modes for a screen of cells.
pub(crate) const LEAVE: &[u8] = b"\x1b[?7l\x1b[?1000h\x1b[?1006h";

/// The bytes that show as many messages as fit, up to the lowest on the screen, with a hint how to
/// return.
pub(crate) fn paint(model: &Model) -> Vec<u8> {
    let (columns, height) = (usize::from(model.size.0).max(1), usize::from(model.size.1));
    let mut left = height.saturating_sub(1);
    let mut lines = Vec::new();
    for entry in model.shown().upwards(model.pane().0) {
        let line = line(model, entry);
        let wide: usize = clusters(&line).map(|(_, cluster)| cautious(cluster)).sum();
        let rows = wide.div_ceil(columns).max(1);
        // A message longer than the screen is shown with its end.
        if rows > left && !lines.is_empty() {
            break;
        }
        lines.push(line);
        left = left.saturating_sub(rows);
    }
    lines.reverse();
    let hint = say_in!(model.language, "screen-bare");
    let fits = columns >= pigeon_text::width(&hint);
    let hint: String = if fits { hint } else { hint.chars().take(columns / 2).collect() };
    format!("{ENTER}{}\r\n\x1b[2m{hint}\x1b[0m\x1b[?2026l", lines.join("\r\n")).into_bytes()
}

/// A message with its time, escaped.
fn line(model: &Model, entry: &Entry) -> String {
    if entry.is_mark() {
        return entry.shown.to_string();
    }
    let columns = if model.is_dated() { 15 } else { 9 };
    format!("{} {}", time_of(entry.time, model.time, columns), entry.shown)
}

#[cfg(test)]
mod tests {
    use super::super::log::{Kind, Line};
    use super::super::model::tests::{room, said};
    use super::super::tests::{key, lobby};
    use super::super::update::Update;
    use super::*;

    fn screen(model: &mut Model, (width, height): (u16, u16)) -> vt100::Parser {
        model.size = (width, height);
        let size = |n| std::num::NonZero::new(n).unwrap();
        let mut parser = vt100::Parser::new(size(height), size(width), 0);
        parser.process(b"\x1b[?1000h\x1b[?1006h\x1b[?7l");
        parser.process(&paint(model));
        parser
    }

    #[test]
    fn a_long_link_is_one_line_to_the_terminal() {
        let link = format!("https://pigeon.example/{}", "a/b?c=d".repeat(40));
        let mut model = lobby();
        model.apply(Update::Line(Some(room("lobby")), said("猴哥", &format!("看 {link} end"))));
        for size in [(80, 24), (100, 6), (30, 14)] {
            let parser = screen(&mut model, size);
            let shown = parser.screen();
            // This terminal joins rows that it wrapped itself.
            assert!(shown.contents().contains(&link), "{}", shown.contents());
            assert_eq!(shown.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
            assert!(!shown.contents().contains('│'));
        }
        let shown = screen(&mut model, (80, 24)).screen().contents();
        assert!(shown.contains("猴哥: e\u{301}té") && shown.contains("F3"), "{shown}");
    }

    #[test]
    fn what_is_shown_ends_where_the_screen_was_and_is_escaped() {
        let mut model = lobby();
        for n in 0..100 {
            let text = format!("line {n}. \x1b[2J\u{202e}");
            model.apply(Update::Line(Some(room("lobby")), said("\x1b]0;x", &text)));
        }
        let note = Line { kind: Kind::Note, ..said("", "a note") };
        model.apply(Update::Line(Some(room("lobby")), note));
        let shown = screen(&mut model, (80, 10)).screen().contents();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines.len(), 10, "{shown}");
        assert!(lines[8].ends_with("-- a note"), "{shown}");
        assert!(lines[7].ends_with(r"\x1b]0;x: line 99. \x1b[2J\u{202e}"), "{shown}");
        key(&mut model, crossterm::event::KeyCode::PageUp);
        let before = screen(&mut model, (80, 10)).screen().contents();
        assert!(!before.contains("line 99."), "{before}");
    }
}
