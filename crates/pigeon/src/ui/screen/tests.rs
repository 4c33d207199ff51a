//! The screen without a terminal: snapshots, and the effects of keys.
//!
//! Review changed snapshots and accept them with `INSTA_UPDATE=always cargo test -p pigeon screen`.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use pigeon_proto::{Format, Language};
use proptest::prelude::*;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::keys::{Action, paste, press, take, turn_wheel};
use super::log::{Kind, Line};
use super::model::tests::{people, person, room, said};
use super::model::{Mode, Model};
use super::update::{Members, Presence, Update};
use super::wall_clock::WallTime;
use super::{Look, draw, help};
use crate::base::status::Status;
use crate::ui::keyboard::decoder::Decoder;
use crate::words::say_in;

fn commands(_: Language) -> String {
    "/nick NAME | what others call you\n\
     /search WORDS | what was said\n\
     /ignore NAME | hide what somebody says\n\
     /clear | empty the conversation\n\
     /close | close the conversation\n\
     /bell on|off | whether the bell rings\n\
     /help | this\n\
     quit | leave"
        .to_string()
}

fn line(kind: Kind, sender: &str, text: &str) -> Line {
    Line { kind, ..said(sender, text) }
}

/// A lobby with a conversation.
pub(super) fn lobby() -> Model {
    let mut model = Model::new("hub 127.0.0.1:9999".into(), room(""), commands, Language::English);
    let tell = |model: &mut Model, line| model.apply(Update::Line(Some(room("lobby")), line));
    model.apply(Update::Enter("lobby".into()));
    tell(&mut model, line(Kind::Note, "", "joined 127.0.0.1:9999: a pigeon hub, 3 members"));
    tell(&mut model, line(Kind::Notice, "", "猴哥, sensor-7 joined"));
    tell(&mut model, line(Kind::Mine, "狗哥", "你好，这里是狗哥 👋🏽"));
    tell(&mut model, said("猴哥", "e\u{301}té 👩‍🚀 文字と絵文字 ok"));
    tell(&mut model, said("sensor-7", "temp=21.5"));
    let senders = vec!["sensor-7".to_string()];
    model.apply(Update::Members(Members { senders, ..people(&["狗哥", "猴哥"]) }));
    model.apply(Update::Rooms(vec![("lobby".into(), 3), ("7b".into(), 12)]));
    let text = "last heard 3 s ago, round trip 0.4 ms".into();
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

/// The screen as text, drawn by ratatui's test terminal.
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
    model.apply(Update::Members(Members { more: u64::MAX, ..people(&["狗哥", "猴哥"]) }));
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
    let mut model = Model::new("chat".into(), person(""), commands, Language::English);
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
    // Names without messages complete too.
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
    // Scrolling page by page shows every row, and the last page is full.
    let mut seen = picture(&mut model, 40, 12);
    for _ in 0..20 {
        key(&mut model, KeyCode::PageDown);
        seen.push_str(&picture(&mut model, 40, 12));
    }
    let rows = help::rows(model.commands(), Language::English, 40);
    assert!(rows.iter().all(|row| seen.contains(&row.key) && seen.contains(&row.what)), "{seen}");
    assert!(matches!(model.mode, Mode::Help(at) if at == rows.len() - 9), "{:?}", model.mode);
    assert_eq!(key(&mut model, KeyCode::Char('x')), None);
    assert!(model.input.text() == "x" && matches!(model.mode, Mode::Typing));
    key(&mut model, KeyCode::Backspace);
    // After other text, `?` is a plain character.
    write(&mut model, "how?");
    assert_eq!(model.input.text(), "how?");
}

#[test]
fn what_is_typed_on_over_a_list_is_typed_whole() {
    let covered: [fn(&mut Model); 5] = [
        |model| {
            write(model, "/help");
            key(model, KeyCode::Enter);
        },
        |model| drop(key(model, KeyCode::F(1))),
        |model| drop(key(model, KeyCode::F(2))),
        |model| model.apply(Update::Sought("今天".into())),
        |model| drop(paste(model, "one\ntwo")),
    ];
    for cover in covered {
        let mut model = lobby();
        cover(&mut model);
        assert!(!matches!(model.mode, Mode::Typing));
        write(&mut model, "/pass 我的密码s");
        let sent = || vec!["/pass 我的密码s".to_string()];
        assert_eq!(key(&mut model, KeyCode::Enter), Some(Action::Say(room("lobby"), sent())));

        // Alt-/ also works directly after Esc, where the terminal makes it of the two keys.
        cover(&mut model);
        assert_eq!(alt(&mut model, '/'), None);
        write(&mut model, "who");
        assert_eq!(model.input.text(), "/who");
        ctrl(&mut model, 'u');
        assert_eq!(alt(&mut model, '/'), None);
        assert_eq!(model.input.text(), "/");
        ctrl(&mut model, 'u');
        cover(&mut model);
        assert_eq!(alt(&mut model, 's'), None);
        assert_eq!(model.input.text(), "s");
        ctrl(&mut model, 'u');

        // A pasted line goes there too; Enter, Esc and the arrows are not text.
        cover(&mut model);
        paste(&mut model, "/msg 猴哥 psst");
        assert_eq!(model.input.text(), "/msg 猴哥 psst");
        ctrl(&mut model, 'u');
        for code in [KeyCode::Esc, KeyCode::Left, KeyCode::Down] {
            cover(&mut model);
            assert_eq!(key(&mut model, code), None);
            key(&mut model, KeyCode::Esc);
            assert!(model.input.is_empty() && matches!(model.mode, Mode::Typing));
        }
        write(&mut model, "draft");
        key(&mut model, KeyCode::F(1));
        assert_eq!(key(&mut model, KeyCode::Enter), None);
        assert_eq!(model.input.text(), "draft");
    }
    // Esc clears a typed line, and Up brings it back.
    let mut model = lobby();
    write(&mut model, "draft");
    assert_eq!(key(&mut model, KeyCode::Esc), None);
    assert!(model.input.is_empty());
    key(&mut model, KeyCode::Esc);
    key(&mut model, KeyCode::Up);
    assert_eq!(model.input.text(), "draft");
    // Search results do not cover a question.
    let mut model = lobby();
    paste(&mut model, "one\ntwo");
    model.apply(Update::Sought("今天".into()));
    assert!(matches!(&model.mode, Mode::Pasted(lines) if lines.len() == 2));
}

#[test]
fn several_pasted_lines_are_asked_about() {
    let mut model = lobby();
    write(&mut model, "look: ");
    paste(&mut model, "one\r\ntwo\x1b[31m\n\nthree\n");
    insta::assert_snapshot!("pasted", picture(&mut model, 80, 14));
    assert_eq!(key(&mut model, KeyCode::Enter), None);
    assert_eq!(ctrl(&mut model, 's'), None);
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
    // Excludes the two lowest rows, which are not messages.
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
    // A room that the user is not in gets nothing, and the line is kept.
    alt(&mut model, '2');
    assert_eq!(model.place().id, room("7b"));
    model.time = WallTime(3_661);
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
    model.apply(Update::Members(people(&["ada", "adb"])));
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
    // The screen has two rows of messages, and a page keeps one of them.
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

/// A class: forty people, the user among them, and twelve sensors.
fn class() -> Model {
    let mut model = lobby();
    let people: Vec<String> = (1..=40).map(|n| format!("学生{n:02}")).collect();
    let senders = (0..12).map(|n| format!("192.168.1.103:400{n:02}")).collect();
    model.apply(Update::Members(Members { people, senders, more: 0 }));
    model
}

#[test]
fn of_a_class_everybody_is_in_sight_or_one_key_away() {
    let mut model = class();
    let is_shown = |picture: &str, n: usize| picture.contains(&format!("学生{n:02}"));
    for (width, height, named) in [(120, 40, 33), (80, 24, 17)] {
        let before = picture(&mut model, width, height);
        assert!((1..=named).all(|n| is_shown(&before, n)) && !is_shown(&before, 40), "{before}");
        let left = 40 - named;
        assert!(before.contains(&format!("and {left} more: F2")), "{before}");
        assert!(before.contains("40 people") && before.contains("12 senders"), "{before}");
        assert!(!before.contains("192.168.1.103"), "{before}");
        key(&mut model, KeyCode::F(2));
        let all = picture(&mut model, width, height);
        assert!((1..=40).all(|n| is_shown(&all, n)), "{all}");
        assert!((0..12).all(|n| all.contains(&format!("103:400{n:02}"))), "{all}");
        key(&mut model, KeyCode::Esc);
        // Scrolling works too.
        press(&mut model, KeyEvent::new(KeyCode::PageDown, KeyModifiers::ALT));
        press(&mut model, KeyEvent::new(KeyCode::PageDown, KeyModifiers::ALT));
        assert!(is_shown(&picture(&mut model, width, height), 40));
        press(&mut model, KeyEvent::new(KeyCode::PageUp, KeyModifiers::ALT));
        press(&mut model, KeyEvent::new(KeyCode::PageUp, KeyModifiers::ALT));
        assert_eq!(picture(&mut model, width, height), before);
    }
    insta::assert_snapshot!("class", picture(&mut model, 80, 24));
    key(&mut model, KeyCode::F(2));
    insta::assert_snapshot!("class_people", picture(&mut model, 80, 24));
    key(&mut model, KeyCode::Esc);
    // On a screen without names a key shows them.
    assert!(picture(&mut model, 50, 20).contains("40 people: F2"));
}

#[test]
fn what_is_shown_changes_no_width() {
    let border = |model: &mut Model| {
        let (cells, _) = cells(model, 80, 24);
        (0..80).find(|&x| cells[(x, 0)].symbol() == "│").unwrap()
    };
    let mut model = lobby();
    let before = border(&mut model);
    for name in ["a", "一个非常非常非常非常长的名字", "[fe80::1234:5678:9abc:def0%wlp0s20f3]:65535"]
    {
        model.apply(Update::Members(people(&[name])));
        model.apply(Update::Line(Some(person(name)), said(name, "hi")));
        assert_eq!(border(&mut model), before);
    }
}

#[test]
fn a_mention_is_marked_and_rings_wherever_one_looks() {
    let mut model = lobby();
    model.apply(Update::Me("小明".into()));
    let tell = |model: &mut Model, sender: &str, text: &str| {
        model.apply(Update::Line(Some(room("lobby")), said(sender, text)));
        std::mem::take(&mut model.rings)
    };
    assert!(!tell(&mut model, "老师", "大家好"));
    assert!(tell(&mut model, "老师", "请小明回答"));
    let (shown, _) = cells(&mut model, 80, 14);
    let marked: String = shown.content[..80 * 12]
        .iter()
        .filter(|cell| {
            cell.modifier
                .contains(ratatui::style::Modifier::REVERSED | ratatui::style::Modifier::BOLD)
        })
        .map(ratatui::buffer::Cell::symbol)
        .collect();
    assert_eq!(marked.replace(' ', ""), "小明");
    assert!(picture(&mut model, 80, 14).contains("!老师: 请小明回答"));
    // The user's own messages and old ones ring no bell.
    model.apply(Update::Line(Some(room("lobby")), line(Kind::Mine, "小明", "小明在")));
    let kept = Line { position: Some(3), ..said("老师", "小明呢？") };
    model.apply(Update::Kept(room("lobby"), kept));
    assert!(!model.rings);
    // Elsewhere they are unread, with a mark; private messages ring as well.
    alt(&mut model, '2');
    assert!(tell(&mut model, "老师", "小明？"));
    assert!(picture(&mut model, 80, 14).contains("(1!)"));
    model.apply(Update::Line(Some(person("小红")), said("小红", "psst")));
    assert!(std::mem::take(&mut model.rings) && model.bell);
    assert_eq!(model.window_title(), "(2) 7b - pigeon");
    write(&mut model, "／bell off");
    assert_eq!(key(&mut model, KeyCode::Enter), None);
    assert!(!model.bell);
}

#[test]
fn a_whisper_shows_where_one_looks_and_in_its_conversation() {
    let mut model = lobby();
    model.apply(Update::Me("狗哥".into()));
    model.apply(Update::Language(Language::Chinese));
    let whisper = |model: &mut Model, kind, sender: &str, text: &str| {
        model.apply(Update::Whisper(person("小红"), line(kind, sender, text)));
    };
    whisper(&mut model, Kind::Mine, "狗哥", "借我笔记");
    whisper(&mut model, Kind::Said, "小红", "给你");
    let shown = picture(&mut model, 80, 20);
    for words in ["* 你 → 小红（私聊）：借我笔记", "* 小红 → 你（私聊）：给你"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert!(std::mem::take(&mut model.rings));
    // In their own conversations each name appears once.
    alt(&mut model, 'a');
    whisper(&mut model, Kind::Said, "小红", "看完还我");
    let shown = picture(&mut model, 80, 20);
    assert!(shown.contains("小红: 看完还我") && !shown.contains("私聊"), "{shown}");
    // Ignored messages appear in neither.
    write(&mut model, "/ignore 小红");
    key(&mut model, KeyCode::Enter);
    whisper(&mut model, Kind::Said, "小红", "unheard");
    alt(&mut model, '1');
    assert!(!picture(&mut model, 80, 20).contains("unheard"));
}

#[test]
fn a_room_is_not_marked_as_ours_before_the_hub_lets_us_in() {
    let mut model = Model::new("hub".into(), room(""), commands, Language::English);
    model.apply(Update::IsIn(false));
    assert!(picture(&mut model, 80, 8).contains("\"  not joined"));
    model.apply(Update::IsIn(true));
    assert!(picture(&mut model, 80, 8).contains("\"# here"));
}

#[test]
fn the_screens_own_commands_stay_here() {
    let mut model = lobby();
    let run = |model: &mut Model, line: &str| {
        write(model, line);
        assert_eq!(key(model, KeyCode::Enter), None, "{line}");
        assert!(model.input.is_empty());
    };
    run(&mut model, "/ignore 猴哥");
    model.apply(Update::Line(Some(room("lobby")), said("猴哥", "unheard")));
    model.apply(Update::Line(Some(person("猴哥")), said("猴哥", "unheard")));
    model.apply(Update::Line(Some(room("lobby")), said("狗哥", "heard")));
    let shown = picture(&mut model, 80, 20);
    assert!(!shown.contains("unheard") && shown.contains("狗哥: heard"), "{shown}");
    assert!(shown.contains("you ignore 猴哥"), "{shown}");
    run(&mut model, "/ignore 猴哥");
    model.apply(Update::Line(Some(person("猴哥")), said("猴哥", "psst")));
    alt(&mut model, 'a');
    assert_eq!(model.place().id, person("猴哥"));
    run(&mut model, "/close");
    assert_eq!(model.place().id, room("7b"));
    run(&mut model, "/close");
    assert!(picture(&mut model, 80, 20).contains("only a conversation with one person"));
    alt(&mut model, '1');
    run(&mut model, "/clear");
    assert_eq!(model.place().log.len(), 0);
    run(&mut model, "/help");
    assert!(matches!(model.mode, Mode::Help(0)));
}

#[test]
fn the_screen_speaks_chinese_too() {
    let mut model = class();
    model.apply(Update::Language(Language::Chinese));
    let shown = picture(&mut model, 80, 24);
    for words in ["40 人", "另有 23 人：F2", "12 个只发送的程序", "? 帮助"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    key(&mut model, KeyCode::F(1));
    let rows = help::rows(model.commands(), Language::Chinese, 60);
    assert!(rows.iter().any(|row| row.what.contains("翻页")));
    assert!(picture(&mut model, 80, 24).contains("补全名字或命令"));
}

#[test]
fn the_keys_are_the_same_in_every_language() {
    let keys = |language| {
        let entries = help::entries(&say_in!(language, "screen-keys"));
        entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(Language::English).len(), 22);
    assert_eq!(keys(Language::English), keys(Language::Chinese));
}

/// The terminal's content, without the marks of [`picture`] for wide characters.
fn page(model: &mut Model, width: u16, height: u16) -> String {
    let (cells, _) = cells(model, width, height);
    let row = |y| {
        let mut row = String::new();
        let mut x = 0;
        while x < width {
            row.push_str(cells[(x, y)].symbol());
            x += u16::try_from(pigeon_text::width(cells[(x, y)].symbol()).max(1)).unwrap();
        }
        format!("{}\n", row.trim_end())
    };
    format!("{width} x {height}\n{}", (0..height).map(row).collect::<String>())
}

/// A hub that stores messages, with an unread conversation and a private message.
fn chinese_class() -> Model {
    let commands = |language| say_in!(language, "join-commands");
    let language = Language::Chinese;
    let title = say_in!(language, "screen-title", hub = "192.168.1.20:9999");
    let mut model = Model::new(title, room(""), commands, language);
    model.apply(Update::Enter("lobby".into()));
    model.apply(Update::Me("小明".into()));
    model.apply(Update::Keeps(true));
    let people: Vec<String> = (1..=40).map(|n| format!("学生{n:02}")).collect();
    let senders = (0..12).map(|n| format!("192.168.1.103:400{n:02}")).collect();
    model.apply(Update::Members(Members { people, senders, more: 0 }));
    model.apply(Update::Rooms(vec![("lobby".into(), 52), ("第二组".into(), 12)]));
    model.apply(Update::Seen(room("lobby"), 1));
    for (position, text) in [(1, "昨天的作业"), (2, "今天交作业")] {
        let kept = Line { position: Some(position), ..said("老师", text) };
        model.apply(Update::Kept(room("lobby"), kept));
    }
    let joined = say_in!(
        language,
        "join-joined",
        hub = "192.168.1.20:9999",
        members = 0,
        format = Format::Chat.word(),
    );
    model.apply(Update::Line(None, line(Kind::Note, "", &joined)));
    model.apply(Update::Line(None, said("老师", "小明，请回答第一题")));
    model.apply(Update::Line(None, line(Kind::Mine, "小明", "好的 👋")));
    model.apply(Update::Whisper(person("小红"), said("小红", "借我笔记")));
    model.apply(Update::Line(Some(room("第二组")), said("小李", "在吗")));
    model
}

/// A class in Chinese in a sequence of screens: the room, the members, the help, a search, a
/// question about pasted lines, an absent hub.
#[test]
fn a_class_in_chinese_fits_every_screen() {
    let language = Language::Chinese;
    let status = |model: &mut Model, text, alarm| model.apply(Update::Status { text, alarm });
    for (name, width, height) in
        [("chinese_narrow", 60, 16), ("chinese", 80, 24), ("chinese_wide", 120, 40)]
    {
        let mut model = chinese_class();
        let time = "0.4 ms";
        let heard = say_in!(language, "join-status-round-trip", time = time);
        status(&mut model, heard, false);
        let mut pages = vec![page(&mut model, width, height)];
        key(&mut model, KeyCode::F(2));
        pages.push(page(&mut model, width, height));
        key(&mut model, KeyCode::Esc);
        key(&mut model, KeyCode::F(1));
        loop {
            pages.push(page(&mut model, width, height));
            let Mode::Help(before) = model.mode else { panic!() };
            key(&mut model, KeyCode::PageDown);
            if matches!(model.mode, Mode::Help(at) if at == before) {
                break;
            }
        }
        key(&mut model, KeyCode::Esc);
        ctrl(&mut model, 'f');
        write(&mut model, "没有的");
        pages.push(page(&mut model, width, height));
        key(&mut model, KeyCode::Esc);
        paste(&mut model, "第一行\n第二行\n第三行");
        let away = say_in!(language, "join-status-silent", ago = "12 秒");
        status(&mut model, away, true);
        pages.push(page(&mut model, width, height));
        insta::assert_snapshot!(name, pages.join("\n"));
    }
}

#[test]
fn the_help_begins_with_the_commands_and_says_that_there_is_more() {
    let mut model = lobby();
    key(&mut model, KeyCode::F(1));
    let shown = picture(&mut model, 80, 14);
    assert!(shown.contains("/nick NAME") && shown.contains("rows below: PageDown"), "{shown}");
    (0..9).for_each(|_| drop(key(&mut model, KeyCode::PageDown)));
    let shown = picture(&mut model, 80, 14);
    assert!(!shown.contains("below"), "{shown}");
}

#[test]
fn a_search_that_finds_nothing_names_the_one_in_the_history() {
    let mut model = lobby();
    model.apply(Update::Keeps(true));
    ctrl(&mut model, 'f');
    write(&mut model, "作业");
    let shown = picture(&mut model, 80, 14);
    assert!(shown.contains("not shown (/search asks the hub): "), "{shown}");
}

#[test]
fn the_wheel_scrolls_what_it_is_over() {
    let mut model = class();
    model.size = (80, 24);
    for n in 0..100 {
        model.apply(Update::Line(Some(room("lobby")), said("猴哥", &format!("line {n}."))));
    }
    turn_wheel(&mut model, true, 60);
    assert!(picture(&mut model, 80, 24).contains("3 messages below"));
    turn_wheel(&mut model, false, 60);
    assert!(model.place().log.follows());
    turn_wheel(&mut model, false, 3);
    let shown = picture(&mut model, 80, 24);
    assert!(!shown.contains("学生03") && shown.contains("学生04"), "{shown}");
    turn_wheel(&mut model, true, 3);
    key(&mut model, KeyCode::F(1));
    turn_wheel(&mut model, false, 60);
    assert!(matches!(model.mode, Mode::Help(3)));
}

#[test]
fn reading_back_goes_on_into_what_the_hub_keeps() {
    let mut model = lobby();
    model.size = (80, 14);
    let page_up = |model: &mut Model| key(model, KeyCode::PageUp);
    assert_eq!(page_up(&mut model), None, "the hub keeps nothing");
    model.apply(Update::Keeps(true));
    assert_eq!(page_up(&mut model), Some(Action::Older(None)));
    assert_eq!(page_up(&mut model), None, "asked just now");
    let kept = |position: u64, text: &str| {
        // A line of the day before.
        Line { time: WallTime(-10_000), position: Some(position), ..said("老师", text) }
    };
    model.apply(Update::Seen(room("lobby"), 6));
    for (position, text) in [(5, "作业"), (6, "明天交"), (7, "别忘了")] {
        model.apply(Update::Kept(room("lobby"), kept(position, text)));
    }
    insta::assert_snapshot!("kept", picture(&mut model, 80, 14));
    assert_eq!(page_up(&mut model), Some(Action::Older(Some(5))));
    model.time = WallTime(OLDER_AGAIN);
    assert_eq!(page_up(&mut model), Some(Action::Older(Some(5))), "no answer came");
    model.apply(Update::Oldest(room("lobby")));
    assert_eq!(page_up(&mut model), None);
    assert!(picture(&mut model, 80, 16).contains("-- nothing older is kept"));
    // Another room's history is requested in that room.
    alt(&mut model, '2');
    assert_eq!(page_up(&mut model), None);
}

/// When older lines are requested again.
const OLDER_AGAIN: i64 = 60;

#[test]
fn what_the_hub_finds_is_a_list_of_its_own() {
    let mut model = lobby();
    model.size = (80, 14);
    write(&mut model, "/search 作业");
    assert_eq!(key(&mut model, KeyCode::Enter), None);
    assert!(matches!(model.mode, Mode::Search(_)), "nothing is kept: in what is shown");
    key(&mut model, KeyCode::Esc);
    model.apply(Update::Keeps(true));
    write(&mut model, "/search 作业");
    assert!(matches!(key(&mut model, KeyCode::Enter), Some(Action::Say(..))));
    model.apply(Update::Sought("作业".into()));
    for (position, day) in [(9, -3), (2, -400)] {
        let time = WallTime(day * 86_400 + 3_600);
        let link = (position == 2).then_some("page");
        let hit = Line { time, position: Some(position), link, ..said("老师", "交作业") };
        // A repeated request is answered twice.
        model.apply(Update::Hit(hit.clone()));
        model.apply(Update::Hit(hit));
    }
    insta::assert_snapshot!("hits", picture(&mut model, 80, 14));
    key(&mut model, KeyCode::Esc);
    assert!(matches!(model.mode, Mode::Typing) && !picture(&mut model, 80, 14).contains("交作业"));
    model.apply(Update::Sought("nothing".into()));
    model.apply(Update::NoHits("no message in this room contains that".into()));
    assert!(picture(&mut model, 80, 14).contains("-- no message in this room"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_bytes_lock_the_screen(
        pieces in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..20),
                proptest::sample::select(vec![
                    b"\x1b[200~".to_vec(), b"\x1b[201~".to_vec(), b"\x1b[<64;9;9M".to_vec(),
                    b"\x1bOR".to_vec(), b"\x1bOP".to_vec(), b"\x1bOQ".to_vec(), b"\x06".to_vec(),
                    b"\x1b[5~".to_vec(), b"/search x\r".to_vec(), b"a\rb".to_vec(), b"\x1b]".to_vec(),
                ]),
            ],
            0..40,
        ),
        silences in proptest::collection::vec(any::<bool>(), 40),
    ) {
        let mut model = lobby();
        let mut decoder = Decoder::default();
        for (piece, silent) in pieces.iter().zip(silences) {
            decoder.feed(piece, &mut |input| drop(take(&mut model, input)));
            if silent {
                for _ in 0..2 {
                    decoder.give_up(&mut |input| drop(take(&mut model, input)));
                }
            }
            cells(&mut model, 70, 12);
        }
        let mut last = None;
        decoder.feed(b"\x03", &mut |input| last = take(&mut model, input));
        (0..2).for_each(|_| decoder.give_up(&mut |input| last = take(&mut model, input)));
        prop_assert_eq!(last, Some(Action::Leave(Status::Interrupted)));
    }
}
