//! Everything a hub says of its own, as data; and the control line that carries it.
//!
//! A control line is one datagram, `^hb^ KIND FIELD FIELD…`: UTF-8, single spaces, no newline, at
//! most [`MAX_LINE`] bytes and the text of a message. Readers pass over kinds that
//! they do not know, and over further fields. A control line informs and never commands: nothing is
//! acknowledged, and a client decides for itself what to do about it.
//!
//! ```text
//!   ^hb^ name NAME|- ROOM WORD|-                      who you are, and where
//!   ^hb^ refused COMMAND|say|member REASON [DETAIL]   what was not done
//!   ^hb^ roster ROOM VERSION PEOPLE SENDERS FROM NAME…  who is here
//!   ^hb^ notice ROOM VERSION KIND NAME,NAME…[;MORE]   who came, went or took another name
//!   ^hb^ rooms FROM TOTAL NAME COUNT…                 which rooms there are
//!   ^hb^ set SETTING VALUE                            what you chose
//!   ^hb^ msg from|to NAME TEXT                        what was said to one member
//!   ^hb^ said POSITION UNIXTIME LINK NAME TEXT        what was said before
//!   ^hb^ missing POSITION UNIXTIME COUNT              what was said before and could not be kept
//!   ^hb^ earlier POSITION                             more was said before this position
//!   ^hb^ gone kicked|banned|moved|timed-out|stopped   you are no member any more
//!   ^hb^ hint not-utf-8                               what you send is in another encoding
//!   ^hb^ help                                         the commands, in words of the reader's own
//!   ^hb^ probe NONCE                                  a question to programs that echo
//!   ^hb^ probed NONCE                                 a hub's answer to it
//! ```

use std::collections::BTreeMap;

use pigeon_text::{Charset, escape};

use crate::label::Label;
use crate::language::Language;
use crate::name::{Name, RoomName};
use crate::refusal::Refusal;
use crate::words::{PREFIX, Words, maybe, or_none};
use crate::{MAX_LINE, Nonce};

/// What members that get no control lines receive when the hub stops.
pub const BYE: &[u8] = b"Bye!";

/// The text of a message, made safe to show: one line, without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(Box<str>);

impl Text {
    /// Escapes what a member said. `None` if there is nothing.
    pub fn of(bytes: &[u8]) -> Option<Text> {
        (!bytes.is_empty()).then(|| Text(escape(bytes).to_string().into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Who is in a room: a part of the list, people first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// The room.
    pub room: RoomName,
    /// The roster's version, as in the answer to a heartbeat.
    pub version: u64,
    /// How many people are in the room. A person has sent a heartbeat or a command, or has a name.
    pub people: u32,
    /// How many others are in the room: programs that only send.
    pub senders: u32,
    /// How many members stand before the first of `names`.
    pub from: u32,
    /// As many as fit.
    pub names: Vec<Label>,
    /// By which link those are members that do not speak plain datagrams: places in `names`.
    pub links: BTreeMap<usize, LinkKind>,
}

/// What happened to members of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// They came.
    Joined,
    /// They left of their own accord.
    Left,
    /// They were silent for too long.
    TimedOut,
    /// The operator removed them.
    Kicked,
    /// The operator banned them.
    Banned,
    /// They took their place again from another address.
    Moved,
    /// They took other names: each old one is followed by the new one.
    Renamed,
    /// They came or went; too many to name.
    Other,
}

impl Change {
    /// Every change.
    pub const ALL: [Change; 8] = [
        Change::Joined,
        Change::Left,
        Change::TimedOut,
        Change::Kicked,
        Change::Banned,
        Change::Moved,
        Change::Renamed,
        Change::Other,
    ];

    fn word(self) -> &'static str {
        match self {
            Change::Joined => "joined",
            Change::Left => "left",
            Change::TimedOut => "timed-out",
            Change::Kicked => "kicked",
            Change::Banned => "banned",
            Change::Moved => "moved",
            Change::Renamed => "renamed",
            Change::Other => "other",
        }
    }
}

/// News of a room: who came, went or took another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The room.
    pub room: RoomName,
    /// The roster's version after it.
    pub version: u64,
    /// What happened.
    pub change: Change,
    /// The members it happened to. [`Change::Renamed`] has them in pairs.
    pub names: Vec<Label>,
    /// How many more members it happened to.
    pub more: u32,
}

/// A setting that concerns a member, and what it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// What it reads and writes.
    Encoding(Charset),
    /// The language of its sentences.
    Language(Language),
    /// Whether it gets no notices.
    Quiet(bool),
    /// Whether what is said is kept. This one is the hub's: it changes when its disk fails.
    History(bool),
}

/// Why somebody is a member no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The operator removed it.
    Kicked,
    /// The operator banned it.
    Banned,
    /// Its name was taken back from another address.
    Moved,
    /// It was silent for too long.
    TimedOut,
    /// The hub stops.
    Stopped,
}

impl Gone {
    /// Every reason.
    pub const ALL: [Gone; 5] =
        [Gone::Kicked, Gone::Banned, Gone::Moved, Gone::TimedOut, Gone::Stopped];

    fn word(self) -> &'static str {
        match self {
            Gone::Kicked => "kicked",
            Gone::Banned => "banned",
            Gone::Moved => "moved",
            Gone::TimedOut => "timed-out",
            Gone::Stopped => "stopped",
        }
    }
}

/// By which link a message reached the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// Under the member's own key.
    Key,
    /// By plain datagrams.
    Plain,
    /// From the page.
    Page,
    /// From IP Messenger.
    IpMessenger,
    /// From a file.
    Import,
}

impl LinkKind {
    /// Every kind.
    pub const ALL: [LinkKind; 5] =
        [LinkKind::Key, LinkKind::Plain, LinkKind::Page, LinkKind::IpMessenger, LinkKind::Import];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            LinkKind::Key => "key",
            LinkKind::Plain => "plain",
            LinkKind::Page => "page",
            LinkKind::IpMessenger => "ipmsg",
            LinkKind::Import => "import",
        }
    }
}

/// What a hub says of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// Who the reader is, and where: the answer to `/nick`, `/resume`, `/join`, `/leave`, `/pass`.
    Name {
        /// Its name, if it has one.
        name: Option<Name>,
        /// Its room.
        room: RoomName,
        /// The word that takes the name back from another address.
        word: Option<Box<str>>,
    },
    /// Something was not done.
    Refused(Refusal),
    /// Who is in the reader's room: the answer to `/who`.
    Roster(Roster),
    /// Who came, went or took another name.
    News(News),
    /// Which rooms there are, and how many members each has: the answer to `/rooms`.
    Rooms {
        /// How many rooms stand before the first of `rooms`.
        from: u32,
        /// How many there are in all.
        total: u32,
        /// As many as fit.
        rooms: Vec<(RoomName, u32)>,
    },
    /// What the reader chose.
    Set(Setting),
    /// Somebody said something to the reader alone.
    MsgFrom {
        /// Who.
        name: Label,
        /// What.
        text: Text,
    },
    /// What the reader said to somebody alone: its acknowledgement.
    MsgTo {
        /// The recipient.
        name: Label,
        /// What.
        text: Text,
    },
    /// A message of before.
    Said {
        /// Its place in the hub's order.
        position: u64,
        /// When, in seconds since the Unix epoch.
        time: u64,
        /// By which link it came.
        link: LinkKind,
        /// Who said it.
        name: Label,
        /// What.
        text: Text,
    },
    /// Messages of before that the hub relayed and could not keep.
    Missing {
        /// Where they would stand in the hub's order.
        position: u64,
        /// When the first of them was said, in seconds since the Unix epoch.
        time: u64,
        /// How many there were.
        count: u64,
    },
    /// Not everything of before was sent: the rest stands before this position, which is what
    /// `/history` takes.
    Earlier {
        /// The position of the oldest message that was sent.
        position: u64,
    },
    /// The reader is a member no more.
    Gone(Gone),
    /// What the reader sent is not UTF-8, which is what it is read in: others see escapes. Said
    /// once.
    NotUtf8,
    /// The reader asked for help.
    Help,
    /// A question that programs answer which send back what they get. No client answers it.
    Probe(Box<str>),
    /// The answer of a hub that was asked such a question by one of its members. Nothing answers it.
    Probed(Box<str>),
}

impl Roster {
    /// The names, and of each that does not speak plain datagrams its link.
    pub fn members(&self) -> impl Iterator<Item = (&Label, Option<LinkKind>)> {
        let link = |place: usize| self.links.get(&place).copied();
        self.names.iter().enumerate().map(move |(place, name)| (name, link(place)))
    }

    /// A part of a list, with as many of `labels` as fit one line.
    pub fn fill(
        room: RoomName,
        version: u64,
        (people, senders): (u32, u32),
        from: u32,
        members: impl Iterator<Item = (Label, LinkKind)>,
    ) -> Roster {
        let (names, links) = (Vec::new(), BTreeMap::new());
        let mut roster = Roster { room, version, people, senders, from, names, links };
        let mut length = Notice::Roster(roster.clone()).to_bytes().len();
        for (place, (label, link)) in members.enumerate() {
            let is_plain = link == LinkKind::Plain;
            length += 1 + label.as_str().len() + if is_plain { 0 } else { 1 + link.word().len() };
            if length > MAX_LINE {
                break;
            }
            roster.names.push(label);
            if !is_plain {
                roster.links.insert(place, link);
            }
        }
        roster
    }
}

impl News {
    /// How many names one line spells out.
    const SPELLED: usize = 12;

    /// News of the members `names`, given as pairs where they are renamed. What does not fit one
    /// line is counted.
    pub fn fill(room: RoomName, version: u64, change: Change, names: Vec<Vec<Label>>) -> News {
        let mut news = News { room, version, change, names: Vec::new(), more: u32::MAX };
        let mut length = Notice::News(news.clone()).to_bytes().len();
        let mut spelled = 0;
        for labels in names.iter().take(News::SPELLED) {
            length += labels.iter().map(|label| label.as_str().len() + 1).sum::<usize>();
            if length > MAX_LINE {
                break;
            }
            news.names.extend(labels.iter().cloned());
            spelled += 1;
        }
        news.more = u32::try_from(names.len() - spelled).unwrap_or(u32::MAX);
        news
    }
}

impl Notice {
    /// The rooms from the `from`th on, as many as fit one line.
    pub fn rooms(from: u32, total: u32, rooms: impl Iterator<Item = (RoomName, u32)>) -> Notice {
        let mut length = MAX_LINE - "^hb^ rooms 4294967295 4294967295".len();
        let fits = |(name, count): &(RoomName, u32)| {
            let entry = 2 + name.as_str().len() + count.to_string().len();
            let fits = entry <= length;
            length = length.saturating_sub(entry);
            fits
        };
        Notice::Rooms { from, total, rooms: rooms.take_while(fits).collect() }
    }

    /// Appends the control line.
    pub fn write(&self, out: &mut Vec<u8>) {
        let line = match self {
            Notice::Name { name, room, word } => {
                format!("name {} {room} {}", or_none(name.as_ref()), or_none(word.as_deref()))
            }
            Notice::Refused(refusal) => format!("refused {}", refusal.fields()),
            Notice::Roster(roster) => {
                let Roster { room, version, people, senders, from, .. } = roster;
                let names = roster.members().map(|(name, link)| match link {
                    Some(link) => format!(" {name};{}", link.word()),
                    None => format!(" {name}"),
                });
                let names: String = names.collect();
                format!("roster {room} {version} {people} {senders} {from}{names}")
            }
            Notice::News(News { room, version, change, names, more }) => {
                let names: Vec<&str> = names.iter().map(Label::as_str).collect();
                let more = if *more > 0 { format!(";{more}") } else { String::new() };
                format!("notice {room} {version} {} {}{more}", change.word(), names.join(","))
            }
            Notice::Rooms { from, total, rooms } => {
                let rooms: String =
                    rooms.iter().map(|(name, count)| format!(" {name} {count}")).collect();
                format!("rooms {from} {total}{rooms}")
            }
            Notice::Set(Setting::Encoding(charset)) => format!("set encoding {charset}"),
            Notice::Set(Setting::Language(language)) => format!("set language {}", language.word()),
            Notice::Set(Setting::Quiet(on)) => format!("set quiet {}", on_off(*on)),
            Notice::Set(Setting::History(on)) => format!("set history {}", on_off(*on)),
            Notice::MsgFrom { name, text } => format!("msg from {name} {}", text.as_str()),
            Notice::MsgTo { name, text } => format!("msg to {name} {}", text.as_str()),
            Notice::Said { position, time, link, name, text } => {
                format!("said {position} {time} {} {name} {}", link.word(), text.as_str())
            }
            Notice::Missing { position, time, count } => {
                format!("missing {position} {time} {count}")
            }
            Notice::Earlier { position } => format!("earlier {position}"),
            Notice::Gone(gone) => format!("gone {}", gone.word()),
            Notice::NotUtf8 => "hint not-utf-8".to_string(),
            Notice::Help => "help".to_string(),
            Notice::Probe(nonce) => format!("probe {nonce}"),
            Notice::Probed(nonce) => format!("probed {nonce}"),
        };
        out.extend_from_slice(PREFIX.as_bytes());
        out.extend_from_slice(line.as_bytes());
    }

    /// The control line.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    /// Reads a control line. `None` for anything else, and for a kind or a value that is not known.
    pub fn parse(payload: &[u8]) -> Option<Notice> {
        let text = std::str::from_utf8(payload).ok()?;
        let mut words = Words::of(text.strip_prefix(PREFIX)?.trim_end_matches(['\r', '\n']));
        let words = &mut words;
        let text_of = |words: &Words<'_>| Text::of(words.rest().as_bytes());
        Some(match words.word()? {
            "name" => Notice::Name {
                name: maybe(words.word()?, |word| Name::parse(word.as_bytes()).ok())?,
                room: room(words)?,
                word: maybe(words.word()?, |word| Some(Box::from(word)))?,
            },
            "refused" => Notice::Refused(Refusal::parse(words)?),
            "roster" => Notice::Roster(roster(words)?),
            "notice" => Notice::News(news(words)?),
            "rooms" => Notice::Rooms {
                from: words.number()?,
                total: words.number()?,
                rooms: std::iter::from_fn(|| Some((room(words)?, words.number()?))).collect(),
            },
            "set" => Notice::Set(match (words.word()?, words.word()?) {
                ("encoding", label) => Setting::Encoding(Charset::for_label(label).ok()?),
                ("language", word) => Setting::Language(Language::parse(word)?),
                ("quiet", "on") => Setting::Quiet(true),
                ("quiet", "off") => Setting::Quiet(false),
                ("history", "on") => Setting::History(true),
                ("history", "off") => Setting::History(false),
                _ => return None,
            }),
            "msg" => match (words.word()?, Label::parse(words.word()?)?) {
                ("from", name) => Notice::MsgFrom { name, text: text_of(words)? },
                ("to", name) => Notice::MsgTo { name, text: text_of(words)? },
                _ => return None,
            },
            "said" => Notice::Said {
                position: words.number()?,
                time: words.number()?,
                link: word_of(LinkKind::ALL, LinkKind::word, words.word()?)?,
                name: Label::parse(words.word()?)?,
                text: text_of(words)?,
            },
            "missing" => Notice::Missing {
                position: words.number()?,
                time: words.number()?,
                count: words.number()?,
            },
            "earlier" => Notice::Earlier { position: words.number()? },
            "gone" => Notice::Gone(word_of(Gone::ALL, Gone::word, words.word()?)?),
            "hint" => match words.word()? {
                "not-utf-8" => Notice::NotUtf8,
                _ => return None,
            },
            "help" => Notice::Help,
            "probe" => {
                let nonce = Nonce::new(words.word()?.as_bytes())?;
                Notice::Probe(nonce.as_str().into())
            }
            "probed" => {
                let nonce = Nonce::new(words.word()?.as_bytes())?;
                Notice::Probed(nonce.as_str().into())
            }
            _ => return None,
        })
    }
}

/// `ROOM VERSION PEOPLE SENDERS FROM NAME[;LINK]…`.
fn roster(words: &mut Words<'_>) -> Option<Roster> {
    let mut roster = Roster {
        room: room(words)?,
        version: words.number()?,
        people: words.number()?,
        senders: words.number()?,
        from: words.number()?,
        names: Vec::new(),
        links: BTreeMap::new(),
    };
    while let Some(word) = words.word() {
        let (name, link) = word.split_once(';').unwrap_or((word, ""));
        let Some(name) = Label::parse(name) else { break };
        // A link that is not known yet says nothing.
        if let Some(link) = word_of(LinkKind::ALL, LinkKind::word, link) {
            roster.links.insert(roster.names.len(), link);
        }
        roster.names.push(name);
    }
    Some(roster)
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn room(words: &mut Words<'_>) -> Option<RoomName> {
    RoomName::parse(words.word()?.as_bytes()).ok()
}

/// `ROOM VERSION KIND NAME,NAME…[;MORE]`.
fn news(words: &mut Words<'_>) -> Option<News> {
    let (room, version) = (room(words)?, words.number()?);
    let change = word_of(Change::ALL, Change::word, words.word()?)?;
    let list = words.word()?;
    let (names, more) = match list.split_once(';') {
        Some((names, more)) => (names, Words::of(more).number()?),
        None => (list, 0),
    };
    let names = names.split(',').filter(|name| !name.is_empty());
    let names: Vec<Label> = names.map(Label::parse).collect::<Option<_>>()?;
    let in_pairs = change != Change::Renamed || names.len().is_multiple_of(2);
    in_pairs.then_some(News { room, version, change, names, more })
}

/// The value that a word stands for.
fn word_of<T: Copy, const N: usize>(
    all: [T; N],
    word: impl Fn(T) -> &'static str,
    wanted: &str,
) -> Option<T> {
    all.into_iter().find(|&value| word(value) == wanted)
}
