//! What a chat says to those around it: events, what became of a line, and why a line was refused.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_text::{Charset, UnknownLabel, Unwritable, escape};

/// A message that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Who sent it.
    pub peer: SocketAddr,
    /// The sender's name, if it is a contact.
    pub name: Option<Box<str>>,
    /// The text, with escapes where the bytes do not decode. To be escaped where it is shown.
    pub text: String,
    /// The bytes that fitted the buffer.
    pub payload: Box<[u8]>,
    /// The true length in bytes.
    pub length: usize,
    /// Which of our addresses it came to, if the system reports it.
    pub local: Option<std::net::IpAddr>,
    /// When the kernel received it, since the Unix epoch.
    pub wall: Option<Duration>,
}

impl Message {
    /// `狗哥 (192.168.1.103:8080)`, or the address alone; safe to show.
    pub fn title(&self) -> String {
        title(self.name.as_deref(), self.peer)
    }
}

/// `狗哥 (192.168.1.103:8080)`, safe to show.
pub(super) fn title(name: Option<&str>, peer: SocketAddr) -> String {
    match name {
        Some(name) => format!("{} ({peer})", escape(name)),
        None => peer.to_string(),
    }
}

/// What a chat reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A peer without a conversation wrote; the message follows.
    Appeared {
        /// Who.
        peer: SocketAddr,
        /// Whether what is typed goes there from now on, as it is the first of all.
        chosen: bool,
    },
    /// A message.
    Received(Message),
    /// Nobody listens at the peer's port: what was sent last is lost. The conversation goes on.
    Refused(SocketAddr),
    /// The system did not send the last message to this peer. The driver's counters have its word.
    Unsent(SocketAddr),
    /// The system says that the last message did not reach this peer: a firewall, no route. The
    /// driver's counters have its word.
    Undelivered(SocketAddr),
    /// A stranger's conversation was forgotten to make room for another.
    Forgotten(SocketAddr),
    /// The chat is over.
    Over,
}

/// What became of a typed line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing was typed, nothing is sent.
    Nothing,
    /// A message is on its way.
    Sent {
        /// The recipient.
        peer: SocketAddr,
        /// What it says. To be escaped where it is shown.
        text: Box<str>,
    },
    /// What is typed goes to this peer from now on.
    Chosen(SocketAddr),
    /// The host must look this name up, then call [`Chat::open`](super::Chat::open) and
    /// [`Chat::choose`](super::Chat::choose).
    LookUp(String),
    /// The conversations are to be shown.
    List,
    /// The commands are to be shown: [`HELP`].
    Help,
    /// How the chosen peer is read and written, changed or not.
    Encoding(Charset),
    /// This conversation is over; no other is chosen.
    Left(SocketAddr),
    /// The chat is over.
    Quit,
}

/// What `/help` shows: commands, and what they do.
pub const HELP: [(&str, &str); 6] = [
    ("/to NAME, ENDPOINT or NUMBER", "whom to write to"),
    ("/list", "the conversations"),
    ("/encoding LABEL", "how this peer is read and written"),
    ("/quit, or quit", "leave the conversation; once more, the chat"),
    ("//TEXT", "send a text that begins with /"),
    ("/help", "this"),
];

/// A line that did nothing. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Nobody is chosen to write to.
    NobodyChosen,
    /// More bytes than one datagram carries.
    TooLong {
        /// The message's bytes, encoded.
        length: usize,
        /// What a datagram to this peer carries.
        most: usize,
    },
    /// The peer's encoding cannot carry it.
    Unwritable(Unwritable),
    /// There is no such command.
    UnknownCommand(Box<str>),
    /// There is no such encoding.
    UnknownEncoding(UnknownLabel),
    /// No conversation has this number.
    NoSuchNumber(u32),
    /// `/to` without a word behind it.
    ToWhom,
    /// The chat's socket reaches no address of this IP version.
    OtherFamily(SocketAddr),
    /// Port 0 is no port.
    NoPort(SocketAddr),
    /// As many conversations as there may be were opened or answered already.
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
