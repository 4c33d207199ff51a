//! A hub's own notices as data, and their control lines.
//!
//! A control line is one datagram, `^hb^ KIND FIELD FIELD…`: UTF-8, single spaces, no newline, at
//! most [`MAX_LINE`] bytes and the text of a message. Readers ignore unknown kinds and additional
//! fields. A control line only informs: it is never acknowledged, and the client decides how to
//! react.
//!
//! ```text
//!   ^hb^ name NAME|- ROOM WORD|-                      who you are, and where
//!   ^hb^ refused COMMAND|say|member REASON [DETAIL]   something refused
//!   ^hb^ roster ROOM VERSION PEOPLE SENDERS FROM NAME…  who is here
//!   ^hb^ notice ROOM VERSION KIND NAME,NAME…[;MORE]   who joined, left or was renamed
//!   ^hb^ rooms FROM TOTAL NAME COUNT…                 the rooms
//!   ^hb^ set SETTING VALUE                            a setting of yours
//!   ^hb^ msg from|to NAME TEXT                        a private message
//!   ^hb^ said POSITION UNIXTIME LINK NAME TEXT        an earlier message
//!   ^hb^ missing POSITION UNIXTIME COUNT              earlier messages that could not be stored
//!   ^hb^ earlier POSITION                             more messages exist before this position
//!   ^hb^ gone kicked|banned|moved|timed-out|stopped   you are no longer a member
//!   ^hb^ hint not-utf-8                               your text is not in UTF-8
//!   ^hb^ help                                         the client should list the commands
//!   ^hb^ probe NONCE                                  a test for programs that echo
//!   ^hb^ probed NONCE                                 another hub's answer to it
//! ```

use std::collections::BTreeMap;

use pigeon_text::{Charset, escape};

use crate::label::Label;
use crate::language::Language;
use crate::name::{Name, RoomName};
use crate::refusal::Refusal;
use crate::words::{PREFIX, Words, maybe, or_none};
use crate::{MAX_LINE, Nonce};

/// Sent at the hub's end to members without control lines.
pub const BYE: &[u8] = b"Bye!";

/// A message's text, safe to show: one line without control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text(Box<str>);

impl Text {
    /// Escapes a member's message. `None` if it is empty.
    pub fn of(bytes: &[u8]) -> Option<Text> {
        (!bytes.is_empty()).then(|| Text(escape(bytes).to_string().into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A part of a room's member list, people first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roster {
    /// The room.
    pub room: RoomName,
    /// The list's version, as in the answer to a heartbeat.
    pub version: u64,
    /// The number of people in the room: members that have a name, or have sent a heartbeat or a
    /// command.
    pub people: u32,
    /// The number of other members: programs that only send.
    pub senders: u32,
    /// How many members precede the first of `names`.
    pub from: u32,
    /// As many members as fit.
    pub names: Vec<Label>,
    /// The link of each member that does not use plain datagrams, by index in `names`.
    pub links: BTreeMap<usize, LinkKind>,
}

/// A change of a room's members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Members joined.
    Joined,
    /// Members left.
    Left,
    /// Members were silent for too long.
    TimedOut,
    /// The operator removed the members.
    Kicked,
    /// The operator banned the members.
    Banned,
    /// Members continue from another address.
    Moved,
    /// Members were renamed: each old name is followed by the new one.
    Renamed,
    /// Members joined or left, too many to list.
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

/// A change of a room's members, as reported to the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// The room.
    pub room: RoomName,
    /// The list's version after the change.
    pub version: u64,
    /// The change.
    pub change: Change,
    /// The members concerned. [`Change::Renamed`] lists pairs.
    pub names: Vec<Label>,
    /// How many more members the notice concerns.
    pub more: u32,
}

/// A setting and its current value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// The member's encoding.
    Encoding(Charset),
    /// The language of notices.
    Language(Language),
    /// Whether notices are off.
    Quiet(bool),
    /// Whether messages are stored. The hub changes this when its disk fails.
    History(bool),
    /// Whether other hubs with the same rooms can be reached.
    Cluster(bool),
}

/// Why a member was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// The operator kicked the member.
    Kicked,
    /// Banned by the operator.
    Banned,
    /// The member's name was reclaimed from another address.
    Moved,
    /// Silent for too long.
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

/// The link on which a message reached the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkKind {
    /// Encrypted, under the member's own key.
    Key,
    /// Plain datagrams.
    Plain,
    /// The web page over https.
    Page,
    /// The web page over http: others on the way can read and change everything. Its messages are
    /// stored as those of [`Page`](LinkKind::Page).
    PageHttp,
    /// IP Messenger.
    IpMessenger,
    /// Imported from a file.
    Import,
}

impl LinkKind {
    /// Every kind.
    pub const ALL: [LinkKind; 6] = [
        LinkKind::Key,
        LinkKind::Plain,
        LinkKind::Page,
        LinkKind::PageHttp,
        LinkKind::IpMessenger,
        LinkKind::Import,
    ];

    /// The link as messages name it.
    pub fn of_messages(self) -> LinkKind {
        match self {
            LinkKind::PageHttp => LinkKind::Page,
            other => other,
        }
    }

    /// The link's name in control lines.
    pub fn word(self) -> &'static str {
        match self {
            LinkKind::Key => "key",
            LinkKind::Plain => "plain",
            LinkKind::Page => "page",
            LinkKind::PageHttp => "page-http",
            LinkKind::IpMessenger => "ipmsg",
            LinkKind::Import => "import",
        }
    }
}

/// A notice: everything that a hub itself says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The reader's name and room: the answer to `/nick`, `/resume`, `/join`, `/leave`, `/pass`.
    Name {
        /// The name.
        name: Option<Name>,
        /// The room.
        room: RoomName,
        /// The resume token, which reclaims the name from another address.
        word: Option<Box<str>>,
    },
    /// A request was refused.
    Refused(Refusal),
    /// The members of the reader's room: the answer to `/who`.
    Roster(Roster),
    /// Members joined, left or were renamed.
    News(News),
    /// The rooms with their numbers of members: the answer to `/rooms`.
    Rooms {
        /// How many rooms precede the first of `rooms`.
        from: u32,
        /// The number of all rooms.
        total: u32,
        /// As many rooms as fit.
        rooms: Vec<(RoomName, u32)>,
    },
    /// A setting of the reader.
    Set(Setting),
    /// A private message to the reader.
    MsgFrom {
        /// The sender.
        name: Label,
        /// The message.
        text: Text,
    },
    /// Acknowledges a private message of the reader.
    MsgTo {
        /// The recipient.
        name: Label,
        /// The message.
        text: Text,
    },
    /// An earlier message.
    Said {
        /// The message's position in the hub's order.
        position: u64,
        /// The message's time, in seconds since the Unix epoch.
        time: u64,
        /// The message's link.
        link: LinkKind,
        /// The message's sender.
        name: Label,
        /// The message.
        text: Text,
    },
    /// Earlier messages that the hub relayed but could not store.
    Missing {
        /// The position of the missing messages in the hub's order.
        position: u64,
        /// The time of the first of them, in seconds since the Unix epoch.
        time: u64,
        /// The number of missing messages.
        count: u64,
    },
    /// More earlier messages exist before this position, which `/history` accepts.
    Earlier {
        /// The position of the oldest message sent.
        position: u64,
    },
    /// The reader is no longer a member.
    Gone(Gone),
    /// The reader's text is not valid UTF-8, so others see escapes. Sent once.
    NotUtf8,
    /// The reader asked for help.
    Help,
    /// A test: programs that echo their input answer it, clients do not.
    Probe(Box<str>),
    /// A hub's answer to such a test from one of its members. Nothing answers it.
    Probed(Box<str>),
}

impl Roster {
    /// The names, with the link of each member that does not use plain datagrams.
    pub fn members(&self) -> impl Iterator<Item = (&Label, Option<LinkKind>)> {
        let link = |place: usize| self.links.get(&place).copied();
        self.names.iter().enumerate().map(move |(place, name)| (name, link(place)))
    }

    /// A part of a member list, with as many of `labels` as fit one line.
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
    /// Maximum number of names in one line.
    const SPELLED: usize = 12;

    /// A change of the members `names`, in pairs if they were renamed. Counts names that do not fit
    /// the line.
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
    /// The rooms from index `from` on, as many as fit one line.
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
            Notice::Set(Setting::Cluster(on)) => format!("set cluster {}", on_off(*on)),
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

    /// Parses a control line. `None` for other datagrams, and for unknown kinds or values.
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
                ("cluster", "on") => Setting::Cluster(true),
                ("cluster", "off") => Setting::Cluster(false),
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
        // Ignores an unknown link.
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
