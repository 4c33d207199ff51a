//! A chat's events, results of input lines, and errors.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_text::{Charset, UnknownLabel, Unwritable, escape};

/// A received message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The sender.
    pub peer: SocketAddr,
    /// The sender's name, if it is a contact.
    pub name: Option<Box<str>>,
    /// The decoded text, with escapes for invalid bytes. Escape it for display.
    pub text: String,
    /// The bytes received, cut to the buffer's size.
    pub payload: Box<[u8]>,
    /// The original length in bytes.
    pub length: usize,
    /// The local address that the message was sent to, if the system reports it.
    pub local: Option<std::net::IpAddr>,
    /// The kernel's time of arrival, since the Unix epoch.
    pub wall: Option<Duration>,
}

impl Message {
    /// `狗哥 (192.168.1.103:8080)`, or the address alone; escaped.
    pub fn title(&self) -> String {
        title(self.name.as_deref(), self.peer)
    }
}

/// `狗哥 (192.168.1.103:8080)`, escaped.
pub(super) fn title(name: Option<&str>, peer: SocketAddr) -> String {
    match name {
        Some(name) => format!("{} ({peer})", escape(name)),
        None => peer.to_string(),
    }
}

/// An event of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A new peer wrote; the message follows.
    Appeared {
        /// The peer.
        peer: SocketAddr,
        /// Whether this selected the peer's conversation, because no other existed.
        chosen: bool,
    },
    /// A message.
    Received(Message),
    /// The peer's port is closed: the last message is lost. The conversation continues.
    Refused(SocketAddr),
    /// The system did not send the last message to this peer. The driver's counters have the
    /// reason.
    Unsent(SocketAddr),
    /// The last message did not reach this peer: a firewall, or no route. The driver's counters
    /// have the reason.
    Undelivered(SocketAddr),
    /// A stranger's conversation was dropped for another one.
    Forgotten(SocketAddr),
    /// The chat has ended.
    Over,
}

/// The result of an input line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Empty input: nothing is sent.
    Nothing,
    /// A message was sent.
    Sent {
        /// The recipient.
        peer: SocketAddr,
        /// The message. Escape it for display.
        text: Box<str>,
    },
    /// This peer's conversation is now selected.
    Chosen(SocketAddr),
    /// The host must look this name up, then call [`Chat::open`](super::Chat::open) and
    /// [`Chat::choose`](super::Chat::choose).
    LookUp(String),
    /// The host must list the conversations.
    List,
    /// The host must show the commands: [`HELP`].
    Help,
    /// The selected peer's encoding, changed or not.
    Encoding(Charset),
    /// The conversation was left; none is selected.
    Left(SocketAddr),
    /// The chat has ended.
    Quit,
}

/// The commands in `/help`, with descriptions.
pub const HELP: [(&str, &str); 6] = [
    ("/to NAME, ENDPOINT or NUMBER", "whom to write to"),
    ("/list", "the conversations"),
    ("/encoding LABEL", "how this peer is read and written"),
    ("/quit, or quit", "leave the conversation; once more, the chat"),
    ("//TEXT", "send a text that begins with /"),
    ("/help", "this"),
];

/// Why a line did nothing. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No conversation is selected.
    NobodyChosen,
    /// The message exceeds one datagram.
    TooLong {
        /// The length of the encoded message in bytes.
        length: usize,
        /// The largest datagram to this peer.
        most: usize,
    },
    /// The peer's encoding lacks a character.
    Unwritable(Unwritable),
    /// The command does not exist.
    UnknownCommand(Box<str>),
    /// The encoding does not exist.
    UnknownEncoding(UnknownLabel),
    /// No conversation has this number.
    NoSuchNumber(u32),
    /// `/to` without an argument.
    ToWhom,
    /// The socket does not support this IP version.
    OtherFamily(SocketAddr),
    /// Port 0 is not valid.
    NoPort(SocketAddr),
    /// The maximum of conversations opened or answered by the user is reached.
    Full(usize),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NobodyChosen => {
                write!(f, "not sent: nobody is chosen; /to NAME or ENDPOINT chooses, /list shows")
            }
            Error::TooLong { length, most } => {
                write!(f, "not sent: {length} bytes, and a datagram carries at most {most}")
            }
            Error::Unwritable(why) => write!(f, "not sent: {why}"),
            Error::UnknownCommand(word) => write!(
                f,
                "there is no command /{}; /help shows them, and // sends a text that begins with /",
                escape(word.as_bytes())
            ),
            Error::UnknownEncoding(why) => why.fmt(f),
            Error::NoSuchNumber(number) => {
                write!(f, "no conversation has the number {number}; /list shows them")
            }
            Error::ToWhom => write!(f, "to whom? /to NAME, /to HOST:PORT, or a number of /list"),
            Error::OtherFamily(peer) => {
                let other = if peer.is_ipv4() { "IPv6" } else { "IPv4" };
                write!(f, "{peer} cannot be reached: this chat is bound to {other} only")
            }
            Error::NoPort(peer) => write!(f, "nobody can be reached at port 0 of {}", peer.ip()),
            Error::Full(most) => {
                write!(f, "{most} conversations are open; leave one with /quit first")
            }
        }
    }
}

impl std::error::Error for Error {}
