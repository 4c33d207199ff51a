//! The screen without a terminal: pictures of it, and what keys do to it.
//!
//! A change of the pictures is looked at and accepted with
//! `INSTA_UPDATE=always cargo test -p pigeon screen`.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::keys::{Action, paste, press};
use super::log::{Kind, Line};
use super::model::tests::{person, room, said};
use super::model::{Mode, Model};
use super::update::{Presence, Update};
use super::{Look, draw};
use crate::base::status::Status;

const COMMANDS: &[(&str, &str)] = &[("/nick NAME", "what others call you"), ("quit", "leave")];

fn line(kind: Kind, sender: &str, text: &str) -> Line {
    Line { kind, ..said(sender, text) }
}

/// A lobby in which people talk.
pub(super) fn lobby() -> Model {
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

pub(super) fn key(model: &mut Model, code: KeyCode) -> Option<Action> {
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

pub(super) fn cells(model: &mut Model, width: u16, height: u16) -> (Buffer, Option<Position>) {
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
fn no_count_of_a_hub_is_too_large() {
    let mut model = lobby();
    let members = ["狗哥", "猴哥"].map(str::to_string).to_vec();
    model.apply(Update::Members(members, u64::MAX));
    assert!(picture(&mut model, 80, 14).contains("1844674407"));
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
fn people_without_a_hub_are_marked_by_what_is_known_of_them() {
    let mut model = Model::new("chat".into(), person(""), COMMANDS);
    assert!(picture(&mut model, 80, 8).contains("nobody"));
    model.apply(Update::Rename(person(""), person("狗哥")));
    model.apply(Update::About(person("狗哥"), "192.168.1.103:8080".into()));
    model.apply(Update::Presence(person("狗哥"), Presence::Here));
    model.apply(Update::Presence(person("猴哥"), Presence::Refused));
    model.apply(Update::Line(Some(person("狗哥")), said("狗哥", "你好")));
    model.apply(Update::Line(Some(person("狗哥")), line(Kind::Mine, "you", "吃了吗？")));
    model.apply(Update::Line(Some(person("10.0.0.7:40001")), said("10.0.0.7:40001", "hi")));
    let text = "gb2312, last heard 3 s ago, listening on 0.0.0.0:8080".into();
    model.apply(Update::Status { text, alarm: false });
    insta::assert_snapshot!("peers", picture(&mut model, 80, 10));
    // Names that nobody has written under yet complete too.
    model.apply(Update::Names(vec!["镜子".into()]));
    write(&mut model, "/to 镜");
    key(&mut model, KeyCode::Tab);
    assert_eq!(model.input.text(), "/to 镜子 ");
}

#[test]
fn the_keys_explain_themselves() {
    let mut model = lobby();
    key(&mut model, KeyCode::Char('?'));
    insta::assert_snapshot!("help", picture(&mut model, 90, 30));
    insta::assert_snapshot!("help_narrow", picture(&mut model, 40, 12));
    key(&mut model, KeyCode::Down);
    assert!(matches!(model.mode, Mode::Help(1)));
    key(&mut model, KeyCode::PageUp);
    // Page by page down to the end every row is seen, and the last page is full.
    let mut seen = picture(&mut model, 40, 12);
    for _ in 0..20 {
        key(&mut model, KeyCode::PageDown);
        seen.push_str(&picture(&mut model, 40, 12));
    }
    let rows = super::help::rows(model.commands, 40);
    assert!(rows.iter().all(|row| seen.contains(row.key) && seen.contains(row.what)), "{seen}");
    assert!(matches!(model.mode, Mode::Help(at) if at == rows.len() - 9), "{:?}", model.mode);
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
    model.time = 3_661;
    write(&mut model, "hello");
    assert_eq!(key(&mut model, KeyCode::Enter), None);
    assert_eq!(model.input.text(), "hello");
    assert!(
        picture(&mut model, 80, 14).contains("01:01:01 -- not sent: you are in lobby; /join 7b")
    );
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
    assert_eq!(ctrl(&mut model, 'c'), Some(Action::Leave(Status::Interrupted)));
    ctrl(&mut model, 'd');
    assert_eq!(ctrl(&mut model, 'd'), Some(Action::Leave(Status::Done)));
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
    assert!(before.contains("line 979.") && before.contains("20 messages below"), "{before}");
    model.apply(Update::Line(Some(room("lobby")), said("猴哥", "new")));
    assert_eq!(
        picture(&mut model, 80, 14),
        before.replace("20 messages below", "21 messages below")
    );
    press(&mut model, KeyEvent::new(KeyCode::End, KeyModifiers::CONTROL));
    assert!(picture(&mut model, 80, 14).contains("猴哥: new"));
    // Two rows of messages, of which a page leaves one.
    model.size = (80, 5);
    key(&mut model, KeyCode::PageUp);
    assert!(picture(&mut model, 80, 5).contains(" 1 message below "));
}

#[test]
fn an_empty_datagram_is_told_from_no_message() {
    let mut model = lobby();
    model.apply(Update::Line(None, said("猴哥", "")));
    assert!(picture(&mut model, 80, 14).contains("猴哥: (empty) "));
}

#[test]
fn losses_are_shown() {
    let mut model = lobby();
    model.dropped = 4;
    model.apply(Update::Missed(3));
    let text = "not answering since 12 s".into();
    model.apply(Update::Status { text, alarm: true });
    (0..25_000).for_each(|_| model.apply(Update::Line(None, said("a", "b"))));
    assert!(picture(&mut model, 100, 10).contains("7 messages lost: too fast"));
    key(&mut model, KeyCode::PageUp);
    let picture = picture(&mut model, 130, 10);
    assert!(picture.contains("5005 old messages gone | 7 messages lost: too fast"), "{picture}");
    assert!(picture.contains("not answering since 12 s"));
}
