//! The screen without a terminal: as cells, and as what a terminal makes of the bytes.
//!
//! A change of the pictures is looked at and accepted with
//! `INSTA_UPDATE=always cargo test -p pigeon screen`.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::keys::{Action, paste, press};
use super::layout::Areas;
use super::log::{Kind, Line};
use super::model::tests::{person, room, said};
use super::model::{Mode, Model, Update};
use super::{Look, draw, paint};

const COMMANDS: &[(&str, &str)] = &[("/nick NAME", "what others call you"), ("quit", "leave")];

fn line(kind: Kind, sender: &str, text: &str) -> Line {
    Line { kind, ..said(sender, text) }
}

/// A lobby in which people talk.
fn lobby() -> Model {
    let mut model = Model::new("hub 127.0.0.1:9999".into(), room(""), COMMANDS);
    let tell = |model: &mut Model, line| model.apply(Update::Line(Some(room("lobby")), line));
    model.apply(Update::Enter("lobby".into()));
    tell(&mut model, line(Kind::Note, "", "joined 127.0.0.1:9999: a pigeon hub, 3 members"));
    tell(&mut model, line(Kind::Notice, "", "猴哥, sensor-7 joined"));
    tell(&mut model, line(Kind::Mine, "狗哥", "你好，这里是狗哥 👋🏽"));
    tell(&mut model, said("猴哥", "e\u{301}té 👩‍🚀 文字と絵文字 ok"));
    tell(&mut model, said("sensor-7", "temp=21.5"));
    let members = ["狗哥", "猴哥", "sensor-7"].map(str::to_string).to_vec();
    model.apply(Update::Members(members, 0));
    model.apply(Update::Rooms(vec![("lobby".into(), 3), ("7b".into(), 12)]));
    let text = "last heard 3 s ago, round trip 0.4 ms, 15 members".into();
    model.apply(Update::Status { text, alarm: false });
    model
}

fn key(model: &mut Model, code: KeyCode) -> Option<Action> {
    press(model, KeyEvent::new(code, KeyModifiers::NONE))
}

fn ctrl(model: &mut Model, c: char) -> Option<Action> {
    press(model, KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL))
}

fn alt(model: &mut Model, c: char) -> Option<Action> {
    press(model, KeyEvent::new(KeyCode::Char(c), KeyModifiers::ALT))
}

fn write(model: &mut Model, text: &str) {
    text.chars().for_each(|c| assert_eq!(key(model, KeyCode::Char(c)), None));
}

/// As ratatui's own terminal shows it.
fn picture(model: &mut Model, width: u16, height: u16) -> String {
    model.size = (width, height);
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let draw_frame = |frame: &mut ratatui::Frame<'_>| {
        let cursor = draw::draw(model, Look { color: true }, frame.buffer_mut());
        if let Some(cursor) = cursor {
            frame.set_cursor_position(cursor);
        }
    };
    terminal.draw(draw_frame).unwrap();
    terminal.backend().to_string()
}

fn cells(model: &mut Model, width: u16, height: u16) -> (Buffer, Option<Position>) {
    model.size = (width, height);
    let mut cells = Buffer::empty(Rect::new(0, 0, width, height));
    let cursor = draw::draw(model, Look { color: true }, &mut cells);
    (cells, cursor)
}

#[test]
fn a_room_in_which_people_talk() {
    insta::assert_snapshot!("lobby", picture(&mut lobby(), 80, 14));
}

#[test]
fn tiny_screens_show_what_matters_most() {
    let mut model = lobby();
    write(&mut model, "你好 there");
    let sizes = [(40, 8), (20, 5), (12, 3), (5, 2), (1, 1)];
    let pictures = sizes.map(|(width, height)| {
        format!("{width} x {height}\n{}", picture(&mut model, width, height))
    });
    insta::assert_snapshot!("tiny", pictures.join("\n"));
    assert_eq!(picture(&mut model, 80, 14), {
        let mut model = lobby();
        write(&mut model, "你好 there");
        picture(&mut model, 80, 14)
    });
}

#[test]
fn unread_conversations_are_marked() {
    let mut model = lobby();
    for n in 0..3 {
        model.apply(Update::Line(Some(person("猴哥")), said("猴哥", &format!("psst {n}"))));
    }
    insta::assert_snapshot!("unread", picture(&mut model, 80, 12));
    alt(&mut model, 'a');
    assert_eq!(model.place().id, person("猴哥"));
    insta::assert_snapshot!("one_person", picture(&mut model, 80, 12));
}

#[test]
fn the_keys_explain_themselves() {
    let mut model = lobby();
    key(&mut model, KeyCode::Char('?'));
    insta::assert_snapshot!("help", picture(&mut model, 90, 30));
    insta::assert_snapshot!("help_narrow", picture(&mut model, 40, 12));
    key(&mut model, KeyCode::Down);
    assert!(matches!(model.mode, Mode::Help(1)));
    assert_eq!(key(&mut model, KeyCode::Char('x')), None);
    assert!(model.input.is_empty() && matches!(model.mode, Mode::Typing));
    // Behind other text it is a question mark.
    write(&mut model, "how?");
    assert_eq!(model.input.text(), "how?");
}

#[test]
fn several_pasted_lines_are_asked_about() {
    let mut model = lobby();
    write(&mut model, "look: ");
    paste(&mut model, "one\r\ntwo\x1b[31m\n\nthree\n");
    insta::assert_snapshot!("pasted", picture(&mut model, 80, 14));
    assert_eq!(key(&mut model, KeyCode::Char('x')), None);
    let Some(Action::Say(place, lines)) = key(&mut model, KeyCode::Char('s')) else { panic!() };
    assert_eq!(
        (place, lines),
        (room("lobby"), ["look: one", "two[31m", "three"].map(str::to_string).to_vec())
    );

    paste(&mut model, "a\nb");
    key(&mut model, KeyCode::Char('j'));
    assert_eq!(model.input.text(), "a b");
    paste(&mut model, "c\nd");
    key(&mut model, KeyCode::Esc);
    assert_eq!(model.input.text(), "a b");
    paste(&mut model, " one line\n");
    assert_eq!(model.input.text(), "a b one line");
    let many = "x\n".repeat(5_000);
    paste(&mut model, &many);
    assert_eq!(key(&mut model, KeyCode::Char('s')), None);
    assert!(matches!(&model.mode, Mode::Pasted(lines) if lines.len() == 5_000));
    key(&mut model, KeyCode::Char('c'));
    paste(&mut model, &"x".repeat(70_000));
    assert_eq!(model.input.text(), "a b one line");
}

#[test]
fn search_marks_what_it_finds_and_comes_back() {
    let mut model = lobby();
    model.size = (80, 14);
    for n in 0..100 {
        model.apply(Update::Line(Some(room("lobby")), said("猴哥", &format!("line {n}"))));
    }
    ctrl(&mut model, 'f');
    write(&mut model, "LINE 42");
    insta::assert_snapshot!("search", picture(&mut model, 80, 14));
    let (cells, _) = cells(&mut model, 80, 14);
    // The two lowest rows are not the messages'.
    let marked = cells.content[..80 * 12].iter().filter(|cell| {
        cell.modifier.contains(ratatui::style::Modifier::REVERSED) && cell.symbol() == "4"
    });
    assert_eq!(marked.count(), 1);
    key(&mut model, KeyCode::Esc);
    assert!(model.place().log.follows());

    write(&mut model, "/search nothing like it");
    assert_eq!(key(&mut model, KeyCode::Enter), None);
    assert!(picture(&mut model, 80, 14).contains("nothing found: "));
    ctrl(&mut model, 'u');
    write(&mut model, "line 1");
    for expected in ["line 18", "line 17", "line 16"] {
        key(&mut model, KeyCode::Up);
        assert!(picture(&mut model, 80, 14).contains(expected));
    }
    key(&mut model, KeyCode::Enter);
    assert!(!model.place().log.follows() && matches!(model.mode, Mode::Typing));
}

#[test]
fn what_is_typed_goes_where_one_looks() {
    let mut model = lobby();
    write(&mut model, "hello");
    let hello = || vec!["hello".to_string()];
    assert_eq!(key(&mut model, KeyCode::Enter), Some(Action::Say(room("lobby"), hello())));
    assert_eq!(key(&mut model, KeyCode::Enter), None);
    model.apply(Update::Line(Some(person("猴哥")), said("猴哥", "psst")));
    alt(&mut model, 'a');
    key(&mut model, KeyCode::Up);
    assert_eq!(key(&mut model, KeyCode::Enter), Some(Action::Say(person("猴哥"), hello())));
    // A room that one is not in hears nothing, and the line is not lost.
    alt(&mut model, '2');
    assert_eq!(model.place().id, room("7b"));
    write(&mut model, "hello");
    assert_eq!(key(&mut model, KeyCode::Enter), None);
    assert_eq!(model.input.text(), "hello");
    assert!(picture(&mut model, 80, 14).contains("not sent: you are in lobby; /join 7b"));
    ctrl(&mut model, 'u');
    write(&mut model, "/join 7b");
    assert!(matches!(key(&mut model, KeyCode::Enter), Some(Action::Say(..))));
}

#[test]
fn leaving_takes_an_empty_line_or_ctrl_c() {
    let mut model = lobby();
    write(&mut model, "ab");
    key(&mut model, KeyCode::Home);
    assert_eq!(ctrl(&mut model, 'd'), None);
    assert_eq!(model.input.text(), "b");
    assert_eq!(ctrl(&mut model, 'c'), Some(Action::Leave { interrupted: true }));
    ctrl(&mut model, 'd');
    assert_eq!(ctrl(&mut model, 'd'), Some(Action::Leave { interrupted: false }));
    assert_eq!(ctrl(&mut model, 'z'), Some(Action::Suspend));
}

#[test]
fn names_and_commands_complete() {
    let mut model = lobby();
    write(&mut model, "sen");
    key(&mut model, KeyCode::Tab);
    assert_eq!(model.input.text(), "sensor-7: ");
    ctrl(&mut model, 'u');
    write(&mut model, "/n");
    key(&mut model, KeyCode::Tab);
    assert_eq!(model.input.text(), "/nick ");
    ctrl(&mut model, 'u');
    write(&mut model, "hi 7");
    key(&mut model, KeyCode::Tab);
    assert_eq!(model.input.text(), "hi 7b ");
    ctrl(&mut model, 'u');
    model.apply(Update::Members(["ada", "adb"].map(str::to_string).to_vec(), 0));
    write(&mut model, "ad");
    for expected in ["ada: ", "adb: ", "ada: "] {
        key(&mut model, KeyCode::Tab);
        assert_eq!(model.input.text(), expected);
    }
    key(&mut model, KeyCode::BackTab);
    assert_eq!(model.input.text(), "adb: ");
    ctrl(&mut model, 'u');
    write(&mut model, "zzz");
    key(&mut model, KeyCode::Tab);
    assert_eq!(model.input.text(), "zzz");
}

#[test]
fn scrolling_back_stays_where_it_is_while_messages_come() {
    let mut model = lobby();
    model.size = (80, 14);
    for n in 0..1_000 {
        model.apply(Update::Line(Some(room("lobby")), said("猴哥", &format!("line {n}."))));
    }
    key(&mut model, KeyCode::PageUp);
    key(&mut model, KeyCode::PageUp);
    let before = picture(&mut model, 80, 14);
    assert!(before.contains("line 979.") && before.contains("20 lines below"), "{before}");
    model.apply(Update::Line(Some(room("lobby")), said("猴哥", "new")));
    assert_eq!(picture(&mut model, 80, 14), before.replace("20 lines below", "21 lines below"));
    press(&mut model, KeyEvent::new(KeyCode::End, KeyModifiers::CONTROL));
    assert!(picture(&mut model, 80, 14).contains("猴哥: new"));
}

#[test]
fn losses_are_shown() {
    let mut model = lobby();
    model.dropped = 7;
    let text = "not answering since 12 s".into();
    model.apply(Update::Status { text, alarm: true });
    (0..25_000).for_each(|_| model.apply(Update::Line(None, said("a", "b"))));
    assert!(picture(&mut model, 100, 10).contains("7 lines lost: too fast"));
    key(&mut model, KeyCode::PageUp);
    let picture = picture(&mut model, 130, 10);
    assert!(picture.contains("5005 old lines gone | 7 lines lost: too fast"), "{picture}");
    assert!(picture.contains("not answering since 12 s"));
}

/// Everything that could do harm, as messages, names, and words being typed.
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
    // Where marks have letters to stand on.
    let marked = ('\u{300}'..'\u{3000}').flat_map(|c| ['a', c, '中']);
    texts.push(marked.collect());
    texts
}

/// Every Unicode scalar that is shown as itself, two thousand a text.
fn every_character() -> Vec<String> {
    let shown =
        |c: &char| pigeon_text::escape(c.encode_utf8(&mut [0; 4])).to_string() == c.to_string();
    let scalars: Vec<char> = ('\0'..=char::MAX).filter(shown).collect();
    assert!(scalars.len() > 150_000);
    scalars.chunks(2_000).map(|chunk| chunk.iter().collect()).collect()
}

/// What a terminal shows that was given all the bytes.
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

    /// Asserts that nothing has moved: the border is where it belongs, and so are the status line
    /// and the line being typed; no cell holds what is no character.
    #[track_caller]
    fn assert_intact(&self, model: &Model, cursor: Option<Position>, about: &str) {
        let screen = self.parser.screen();
        let (height, width) = self.size();
        let areas = Areas::of((width, height), model.side_width());
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
        assert!(self.row(areas.status.y).trim_end().ends_with("? keys"), "{about}");
        assert!(self.row(areas.input.y).starts_with("> "), "{about}: {}", self.row(areas.input.y));
        let at = cursor.unwrap();
        assert_eq!(screen.cursor_position(), (at.y, at.x), "{about}");
    }
}

#[test]
fn every_character_keeps_to_its_place() {
    // All the others are escapes.
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
        // As members, rooms and people too; and all of it goes away without a trace.
        let names: Vec<String> =
            hostile_texts().iter().map(|t| t.chars().take(9).collect()).collect();
        for name in &names {
            model.apply(Update::Line(Some(person(name)), said(name, "x")));
        }
        model.apply(Update::Members(names, 3));
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
                // This terminal draws the parts of joined emoji side by side, and the cells behind
                // them cover some; the rest is the same.
                if !row.contains(['👩', '👋']) {
                    assert_eq!(row, expected.split(' ').collect::<String>(), "{width}x{height}");
                }
            }
        }
    }
}
