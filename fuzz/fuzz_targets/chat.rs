//! Random inputs to a chat, compared with a small model of the open conversations.
//!
//! The chat never panics. It sends only input lines, complete, to the selected peer, and nothing on
//! its own. Its conversations are bounded, their names are safe to show, and its counters agree
//! with its events.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use pigeon_client::chat::{Chat, Config, Event, Known, Said};
use pigeon_datagram::{Instant, Machine, Received, SocketId};
use pigeon_fuzz::addresses::{is_bad, person};
use pigeon_fuzz::drain::drain;
use pigeon_text::Charset;

const MAX_OPERATIONS: usize = 200;

#[derive(Arbitrary, Debug)]
struct Input {
    charset: Label,
    few: bool,
    filtered: bool,
    operations: Vec<Operation>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Label {
    Utf8,
    Gb2312,
    Big5,
    Utf16,
    Auto,
}

#[derive(Arbitrary, Debug)]
enum Operation {
    Datagram { from: u8, bytes: Vec<u8> },
    Grown { from: u8, byte: u8, times: u16 },
    Line(Vec<u8>),
    Text(String),
    Command(Command, u8),
    Long(u16),
    Know { who: u8, name: bool, charset: Label },
    Open(u8),
    Choose(u8),
    ChooseNobody,
    Refused(u8),
    Leave,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Command {
    To,
    Number,
    Encoding(Label),
    List,
    Help,
    Quit,
    Slashes,
    Unknown,
}

fn charset(label: Label) -> Charset {
    Charset::for_label(name(label)).expect("a known label")
}

fn name(label: Label) -> &'static str {
    match label {
        Label::Utf8 => "utf-8",
        Label::Gb2312 => "gb2312",
        Label::Big5 => "big5",
        Label::Utf16 => "utf-16le",
        Label::Auto => "auto",
    }
}

fuzz_target!(|input: Input| {
    let most = if input.few { 3 } else { 1_000 };
    let config = Config {
        charset: charset(input.charset),
        from: if input.filtered { vec!["10.0.0.0/8".parse().expect("a network")] } else { vec![] },
        max_conversations: most,
        ipv4: true,
        ipv6: true,
    };
    let mut chat = Chat::new(config);
    let now = Instant::ORIGIN;
    let mut kept = 0;
    for operation in input.operations.into_iter().take(MAX_OPERATIONS) {
        let mut due = None;
        match operation {
            Operation::Datagram { from, bytes } => {
                chat.handle_datagram(now, &Received::new(person(from), &bytes));
            }
            Operation::Grown { from, byte, times } => {
                let bytes = vec![byte; usize::from(times)];
                chat.handle_datagram(now, &Received::new(person(from), &bytes));
            }
            Operation::Line(line) => due = say(&mut chat, &line),
            Operation::Text(text) => due = say(&mut chat, text.as_bytes()),
            Operation::Command(command, which) => {
                let line = match command {
                    Command::To => format!("/to {}", person(which)),
                    Command::Number => format!("/to {which}"),
                    Command::Encoding(label) => format!("/encoding {}", name(label)),
                    Command::List => "/list".into(),
                    Command::Help => "/help".into(),
                    Command::Quit => "quit".into(),
                    Command::Slashes => "//slash".into(),
                    Command::Unknown => format!("/unknown {which}"),
                };
                due = say(&mut chat, line.as_bytes());
            }
            Operation::Long(length) => due = say(&mut chat, &vec![b'x'; usize::from(length)]),
            Operation::Know { who, name, charset: label } => {
                let name = name.then(|| "狗哥".into());
                chat.know(person(who), Known { name, charset: Some(charset(label)) });
            }
            Operation::Open(who) if !is_bad(person(who)) => {
                kept += usize::from(chat.open(person(who), Known::default()).is_ok());
            }
            Operation::Open(_) => {}
            Operation::Choose(who) => {
                let chosen = chat.choose(person(who));
                assert_eq!(chosen, chat.conversation(person(who)).is_some());
            }
            Operation::ChooseNobody => {
                chat.choose_nobody();
                assert!(chat.chosen().is_none());
            }
            Operation::Refused(who) => chat.handle_refused_by(now, SocketId::FIRST, person(who)),
            Operation::Leave => chat.leave(),
        }
        let sent = drain(&mut chat);
        match due {
            Some(to) => assert!(matches!(&sent[..], [(at, _)] if *at == to), "{sent:?}"),
            None => assert!(sent.is_empty(), "{sent:?} was not typed"),
        }
        while let Some(event) = chat.poll_event() {
            if let Event::Received(message) = event {
                assert!(message.payload.len() <= message.length);
            }
        }
        let conversations = chat.conversations();
        assert!(conversations.len() <= most + kept, "{} conversations", conversations.len());
        for conversation in conversations {
            let title = chat.title(conversation.peer);
            assert_eq!(title, pigeon_text::escape(&title).to_string(), "a title as it is shown");
        }
        assert_eq!(chat.poll_timeout(), None, "a chat has no timers");
    }
});

/// Enters a line. Returns the recipient if it was sent.
fn say(chat: &mut Chat, line: &[u8]) -> Option<std::net::SocketAddr> {
    let chosen = chat.chosen().map(|conversation| conversation.peer);
    match chat.handle_line(line) {
        Ok(Said::Sent { peer, .. }) => {
            assert_eq!(Some(peer), chosen, "it goes to whom was chosen");
            Some(peer)
        }
        Ok(_) => None,
        Err(error) => {
            let why = error.to_string();
            assert_eq!(why, pigeon_text::escape(&why).to_string(), "a reason is safe to show");
            None
        }
    }
}
