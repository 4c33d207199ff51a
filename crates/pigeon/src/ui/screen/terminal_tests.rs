//! The screen's bytes in a terminal emulator: hostile text, and every size.

use crossterm::event::KeyCode;
use ratatui::buffer::Buffer;
use ratatui::layout::Position;

use super::layout::Areas;
use super::model::tests::{person, room, said};
use super::model::{Mode, Model};
use super::paint;
use super::tests::{cells, key, lobby};
use super::update::{Members, Update};
use super::{Action, Look, Screen};

/// Harmful texts, as messages, names and input.
fn hostile_texts() -> Vec<String> {
    let mut texts = vec![
        "\x1b]0;title\x07 \x1b]52;c;AAAA\x07 \x1b[2J\x1b[H\x1b[31m \x1b[?1049l \x1b[?25l \x1bc"
            .into(),
        "\u{9b}2J \u{90}q\u{9c} \u{85}next \u{84}".into(),
        (0..=0x1f_u8).chain(0x7f..=0x9f).map(char::from).collect(),
        "abc\u{202e}fed\u{2066}x\u{2069} \u{200f}\u{61c}".into(),
        "\u{200d}".repeat(5_000),
        format!("a{}", "\u{301}".repeat(5_000)),
        "👩\u{200d}".repeat(2_000) + "🚀",
        "👨‍👩‍👧‍👦".repeat(300),
        "❤\u{fe0f}".repeat(300),
        "🇨🇳".repeat(299) + "🇨",
        "x".repeat(65_507),
        "字".repeat(21_835),
        "é\u{1f3fd}\u{20e3}".repeat(500),
        "क्षि".repeat(300),
        "\u{fdfd}".repeat(100),
        "\t\r\n\x0b\x0c".repeat(100),
    ];
    // Marks after letters.
    let marked = ('\u{300}'..'\u{3000}').flat_map(|c| ['a', c, '中']);
    texts.push(marked.collect());
    texts
}

/// Every displayable Unicode scalar, two thousand per text.
fn every_character() -> Vec<String> {
    let shown =
        |c: &char| pigeon_text::escape(c.encode_utf8(&mut [0; 4])).to_string() == c.to_string();
    let scalars: Vec<char> = ('\0'..=char::MAX).filter(shown).collect();
    assert!(scalars.len() > 150_000);
    scalars.chunks(2_000).map(|chunk| chunk.iter().collect()).collect()
}

/// An emulator that was given all bytes.
struct Emulator {
    parser: vt100::Parser,
    shown: Option<Buffer>,
}

impl Emulator {
    fn new(width: u16, height: u16) -> Emulator {
        let size = |n| std::num::NonZero::new(n).unwrap();
        Emulator { parser: vt100::Parser::new(size(height), size(width), 0), shown: None }
    }

    /// Rows and columns.
    fn size(&self) -> (u16, u16) {
        let (height, width) = self.parser.screen().size();
        (height.into(), width.into())
    }

    fn show(&mut self, model: &mut Model) -> (Buffer, Option<Position>) {
        let (height, width) = self.size();
        let (cells, cursor) = cells(model, width, height);
        let mut bytes = Vec::new();
        paint::paint(&mut bytes, self.shown.as_ref(), &cells, cursor);
        self.parser.process(&bytes);
        self.shown = Some(cells.clone());
        (cells, cursor)
    }

    fn row(&self, y: u16) -> String {
        let (_, width) = self.size();
        let cell = |x| self.parser.screen().cell(y, x).map_or("", vt100::Cell::contents);
        (0..width).map(|x| if cell(x).is_empty() { " " } else { cell(x) }).collect()
    }

    /// Asserts that nothing has moved: the border, the status line and the input line are in place,
    /// and every cell is a valid character.
    #[track_caller]
    fn assert_intact(&self, _: &Model, cursor: Option<Position>, about: &str) {
        let screen = self.parser.screen();
        let (height, width) = self.size();
        let areas = Areas::of((width, height));
        for y in 0..height {
            if areas.border.width > 0 && y < areas.border.bottom() {
                let border = screen.cell(y, areas.border.x).unwrap().contents();
                assert_eq!(border, "│", "row {y} of {about}: {}", self.row(y));
            }
            let bad = |c: char| {
                c.is_control()
                    || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
            };
            assert!(!self.row(y).chars().any(bad), "row {y} of {about}");
        }
        assert!(self.row(areas.status.y).contains("last heard 3 s ago"), "{about}");
        assert!(self.row(areas.status.y).trim_end().ends_with("? help"), "{about}");
        assert!(self.row(areas.input.y).starts_with("> "), "{about}: {}", self.row(areas.input.y));
        let at = cursor.unwrap();
        assert_eq!(screen.cursor_position(), (at.y, at.x), "{about}");
    }
}

#[test]
fn every_character_keeps_to_its_place() {
    // All other characters are escaped.
    for c in '\0'..=char::MAX {
        let shown = pigeon_text::escape(c.encode_utf8(&mut [0; 4])).to_string();
        assert!(shown.is_ascii() || shown == c.to_string(), "{shown}");
    }
    let mut emulator = Emulator::new(180, 50);
    let mut model = lobby();
    for text in every_character() {
        model.apply(Update::Line(Some(room("lobby")), said("a", &text)));
        let (_, cursor) = emulator.show(&mut model);
        let about: String = text.escape_unicode().take(20).collect();
        emulator.assert_intact(&model, cursor, &about);
    }
}

#[test]
fn hostile_text_moves_nothing() {
    for (width, height) in [(80, 24), (61, 10), (45, 12)] {
        let mut emulator = Emulator::new(width, height);
        let mut model = lobby();
        for text in hostile_texts() {
            let about: String = text.escape_unicode().take(60).collect();
            let name: String = text.chars().take(40).collect();
            model.apply(Update::Line(Some(room("lobby")), said(&name, &text)));
            let (drawn, cursor) = emulator.show(&mut model);
            emulator.assert_intact(&model, cursor, &about);
            let control = drawn.content.iter().find(|c| c.symbol().contains(char::is_control));
            assert_eq!(control, None, "{about}");
            for c in text.chars().take(50) {
                key(&mut model, KeyCode::Char(c));
            }
            model.input.insert(&text);
            let (_, cursor) = emulator.show(&mut model);
            emulator.assert_intact(&model, cursor, &about);
            model.input.take();
            model.mode = Mode::Typing;
        }
        // As members, rooms and people too; afterwards no trace remains.
        let names: Vec<String> =
            hostile_texts().iter().map(|t| t.chars().take(9).collect()).collect();
        for name in &names {
            model.apply(Update::Line(Some(person(name)), said(name, "x")));
        }
        model.apply(Update::Members(Members { people: names, more: 3, ..Members::default() }));
        let (_, cursor) = emulator.show(&mut model);
        emulator.assert_intact(&model, cursor, "names");
        let mut fresh = lobby();
        emulator.show(&mut fresh);
        let mut untouched = Emulator::new(width, height);
        untouched.show(&mut fresh);
        for y in 0..height {
            assert_eq!(emulator.row(y), untouched.row(y));
        }
    }
}

#[test]
fn a_terminal_shows_what_was_drawn_through_every_change_of_size() {
    let mut model = lobby();
    for (width, height) in [(80, 24), (20, 5), (1, 1), (2, 2), (60, 4), (200, 60), (80, 24)] {
        let mut emulator = Emulator::new(width, height);
        for n in 0..3 {
            model.apply(Update::Line(None, said("猴哥", &format!("中文 {n} e\u{301}"))));
            let (drawn, _) = emulator.show(&mut model);
            for y in 0..height {
                let cells = (0..width).map(|x| drawn[(x, y)].symbol());
                let mut expected = String::new();
                let mut x = 0;
                for symbol in cells {
                    if x == 0 {
                        expected.push_str(symbol);
                        x = pigeon_text::width(symbol).max(1);
                    }
                    x -= 1;
                }
                let row: String = emulator.row(y).split(' ').collect();
                // This emulator draws the parts of joined emoji side by side, and later cells cover
                // some; the rest is the same.
                if !row.contains(['👩', '👋']) {
                    assert_eq!(row, expected.split(' ').collect::<String>(), "{width}x{height}");
                }
            }
        }
    }
}

/// This emulator gives ❤️ one column, where the screen counts two.
#[test]
fn a_character_narrower_than_thought_uncovers_nothing() {
    let mut emulator = Emulator::new(80, 24);
    let mut model = lobby();
    for _ in 0..60 {
        model.apply(Update::Line(Some(room("lobby")), said("a", &"x".repeat(40))));
        emulator.show(&mut model);
    }
    for _ in 0..60 {
        model.apply(Update::Line(Some(room("lobby")), said("a", "heart ❤\u{fe0f} end 👨‍👩‍👧 end")));
        emulator.show(&mut model);
    }
    let areas = Areas::of((80, 24));
    for y in areas.messages.top()..areas.messages.bottom() {
        let row = emulator.row(y);
        assert!(row.contains("heart ❤") && !row.contains('x'), "{row}");
    }
}

/// Helper process of the other test, on a terminal.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "takes the terminal it runs on"]
fn a_screen_that_panics() {
    let act = |action| match action {
        Action::Leave(status) => std::process::exit(status as i32),
        _ => panic!("a bug"),
    };
    let _screen = Screen::open(lobby(), Look { color: false }, act).unwrap();
    std::thread::sleep(std::time::Duration::from_secs(60));
}

#[cfg(target_os = "linux")]
#[test]
fn a_panic_on_the_screen_is_a_bug_and_no_ctrl_c() {
    use std::io::Read;

    let (mut pty, pts) = pty_process::blocking::open().unwrap();
    let itself = std::env::current_exe().unwrap();
    let test = "ui::screen::terminal_tests::a_screen_that_panics";
    let args = ["--exact", test, "--ignored", "--nocapture"];
    let command = pty_process::blocking::Command::new(itself);
    let mut child = command.args(args).spawn(pts).unwrap();
    // The end of a terminal is an error.
    while let Ok(1..) = pty.read(&mut [0; 4096]) {}
    assert_eq!(child.wait().unwrap().code(), Some(101));
}
