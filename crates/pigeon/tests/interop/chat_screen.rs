//! `pigeon chat` on real terminals: conversations without a hub.

use std::net::{SocketAddr, UdpSocket};

use crate::book::Book;
use crate::peers::{address_of, installed, python};
use crate::pigeon::address_in;
use crate::ports::ClosedPort;
use crate::process::SOON;
use crate::pty::Terminal;

const SIZE: (u16, u16) = (90, 20);
const ALT_A: &str = "\x1ba";
const CTRL_C: &str = "\x03";
const CTRL_N: &str = "\x0e";

/// A chat with these contacts, and its address.
fn chat(book: &Book, name: &str, args: &[&str]) -> (Terminal, SocketAddr) {
    let args = [&["chat", "--bind", "127.0.0.1:0"], args].concat();
    let terminal = Terminal::start_with(book, name, SIZE, &args);
    let status = |line: &&str| line.contains(", listening on ");
    let screen = terminal.expect("where it listens", |screen| screen.lines().any(|l| status(&l)));
    let at = address_in(screen.lines().find(status).unwrap());
    terminal.assert_taken();
    (terminal, at)
}

/// Whether a row of the list on the left equals this, ignoring white space.
fn has_row(screen: &str, row: &str) -> bool {
    let words = |text: &str| text.split_whitespace().map(str::to_string).collect::<Vec<_>>();
    let left = |line: &str| line.split('│').next().map(words).unwrap_or_default();
    screen.lines().any(|line| left(line) == words(row))
}

#[test]
fn two_people_and_a_gb2312_program_talk_in_chinese() {
    if !installed("python3") {
        return;
    }
    let mut program = python("hand_server.py", &["--encoding", "gb2312"]);
    let program_at = address_of(&program);
    let mine = Book::saying(&format!(
        "\"狗哥\" = {{ endpoint = \"{program_at}\", encoding = \"gb2312\" }}\n"
    ));
    let (ape, ape_at) = chat(&Book::new(), "猴哥", &[]);
    ape.expect_text("nobody chosen");
    let (dog, dog_at) = chat(&mine, "狗", &["狗哥", &ape_at.to_string()]);
    // The first conversation is shown, with name, address and encoding.
    dog.expect("whom one talks to", |screen| {
        screen.contains(&format!("狗哥  {program_at}")) && screen.contains(" gb2312, not heard yet")
    });
    dog.press("你好\r");
    program.expect_line(|line| line == format!("{dog_at} 你好"), SOON);
    dog.expect_text("you: 你好");
    // Not a single byte of the unencodable text is sent.
    dog.press("镕\r");
    dog.expect_text("not sent: ");
    program.say("吃了吗？");
    dog.expect("an answer", |screen| {
        screen.contains("狗哥: 吃了吗？") && has_row(screen, "+ 狗哥")
    });

    // Input goes to the conversation on the screen: now the other one.
    dog.press(CTRL_N);
    dog.expect_text(" utf-8, not heard yet");
    dog.press("猴哥，你好 👋\r");
    ape.expect("a stranger, chosen as the first", |screen| {
        screen.contains(&format!("{dog_at}: 猴哥，你好 👋"))
            && has_row(screen, &format!("+ {dog_at}"))
    });
    ape.press("/to nowhere.invalid:1x\r你也好\r");
    ape.expect_text("you: 你也好");
    dog.expect_text(&format!("{ape_at}: 你也好"));
    // A message in another conversation is marked.
    dog.press("\x1b1");
    dog.expect_text("狗哥: 吃了吗？");
    ape.press("在吗\r");
    dog.expect("a mark", |screen| has_row(screen, &format!("+ {ape_at} (1)")));

    dog.press("draft");
    dog.resize((20, 5));
    dog.expect("a tiny screen", |screen| screen.lines().last() == Some("> draft"));
    dog.resize((1, 1));
    dog.resize(SIZE);
    dog.expect("everything again", |screen| {
        screen.contains("狗哥: 吃了吗？")
            && screen.contains("you: 你好")
            && screen.contains("> draft")
            && has_row(screen, &format!("+ {ape_at} (1)"))
    });
    dog.press(&"\x08".repeat(5));
    dog.press(ALT_A);
    dog.expect_text(&format!("{ape_at}: 在吗"));
}

#[test]
fn a_refused_peer_is_marked_and_the_chat_goes_on() {
    let closed = ClosedPort::new();
    let dead = closed.at();
    let book = Book::saying(&format!("\"狗哥\" = \"{dead}\"\n"));
    let (friend, friend_at) = chat(&Book::new(), "friend", &[]);
    let (dog, _) = chat(&book, "dog", &["狗哥"]);
    dog.press("hello?\r");
    dog.expect("what became of it", |screen| {
        screen.contains("refused: nobody listens there") && has_row(screen, "! 狗哥")
    });
    dog.press(&format!("/to {friend_at}\rare you there?\r"));
    friend.expect_text(": are you there?");
    dog.expect("both", |screen| {
        has_row(screen, "! 狗哥") && has_row(screen, &friend_at.to_string())
    });
}

#[test]
fn quit_leaves_the_conversation_and_then_the_chat() {
    let peers = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    let [first, second] = peers.each_ref().map(|peer| peer.local_addr().unwrap().to_string());
    let (mut dog, at) = chat(&Book::new(), "dog", &[&first, &second]);
    dog.press("quit\r");
    dog.expect("nobody", |screen| {
        screen.contains("quit again ends the chat")
            && screen.contains("nobody chosen")
            && has_row(screen, "nobody")
            && !has_row(screen, &first)
    });
    // Input goes nowhere now, neither to the other conversation nor to a peer that writes at this
    // moment.
    peers[0].send_to(b"wait", at).unwrap();
    dog.expect("who was left writes", |screen| has_row(screen, &format!("+ {first} (1)")));
    dog.press("secret\r");
    dog.expect_text("not sent: nobody is chosen");
    peers[0].set_nonblocking(true).unwrap();
    peers[1].set_nonblocking(true).unwrap();
    assert!(peers.iter().all(|peer| peer.recv(&mut [0; 9]).is_err()));
    dog.press("quit\r");
    assert_eq!(dog.expect_end(), 0);
    dog.assert_given_back();
}

#[test]
fn commands_choose_and_names_complete() {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = peer.local_addr().unwrap();
    peer.set_read_timeout(Some(SOON)).unwrap();
    let book = Book::saying(&format!("\"镜子\" = \"{at}\"\n"));
    let (mut dog, _) = chat(&book, "dog", &[]);
    dog.press("/to 镜\t");
    dog.expect_text("> /to 镜子");
    // Typed ahead, before the screen can show the recipient.
    dog.press("\rone\r/encoding gbk\r你\r");
    for expected in [b"one".as_slice(), b"\xc4\xe3"] {
        let mut buffer = [0; 9];
        let length = crate::process::uninterrupted(|| peer.recv(&mut buffer)).unwrap();
        assert_eq!(&buffer[..length], expected);
    }
    dog.expect("whom one talks to", |screen| {
        screen.contains(&format!("镜子  {at}"))
            && screen.contains(" gbk, not heard yet")
            && !has_row(screen, "nobody")
    });
    dog.press("/help\r");
    dog.expect_text("//TEXT");
    dog.press("/to 镜字\r");
    dog.expect_text("did you mean 镜子?");
    dog.press(CTRL_C);
    assert_eq!(dog.expect_end(), 130);
    dog.assert_given_back();
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let (mut dog, _) = chat(&Book::new(), "dog", &["127.0.0.1:9"]);
    dog.signal("TERM");
    assert_eq!(dog.expect_end(), 143);
    dog.assert_given_back();
}

#[test]
fn lines_are_for_the_asking() {
    let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
    let at = peer.local_addr().unwrap().to_string();
    let book = Book::new();
    let mut dog = Terminal::start_with(&book, "dog", SIZE, &["chat", "--line", &at]);
    dog.expect_text("what you type goes to ");
    dog.press("hello\r");
    let mut buffer = [0; 9];
    peer.set_read_timeout(Some(SOON)).unwrap();
    let (length, from) = crate::process::uninterrupted(|| peer.recv_from(&mut buffer)).unwrap();
    assert_eq!(&buffer[..length], b"hello");
    peer.send_to("你好".as_bytes(), from).unwrap();
    dog.expect_text(&format!("] {at}: 你好"));
    assert!(!dog.screen().contains('│'));
    dog.press("quit\rquit\r");
    assert_eq!(dog.expect_end(), 0);
    dog.assert_given_back();
}
