//! What a session reports to its host.

use std::fmt;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{Answer, Notice, Verb};

/// What a session reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server is a pigeon hub, and this session a member.
    Joined(Answer),
    /// The server sends datagrams but answers no heartbeats. Messages go out all the same.
    JoinedPlainly,
    /// Nothing was heard since the session began. Messages go out all the same.
    Unheard,
    /// The hub answered a heartbeat again.
    Answered(Answer),
    /// A message to show.
    Received(Box<[u8]>),
    /// A control line of the hub, to put into words.
    Notice(Notice),
    /// A control line that nobody needs to see: it answers a question of the client's own, or
    /// repeats what is known. A [`Roster`](crate::Roster) reads it.
    Background(Notice),
    /// A line that had waited for the hub's first answer was not sent.
    NotSent(LineError),
    /// The system did not send a line. The driver's counters have its word.
    Unsent,
    /// The system says of something sent that it did not arrive. The driver's counters have its word.
    Undelivered {
        /// The way may be back in a moment.
        passing: bool,
    },
    /// Nobody listens at the hub's port.
    Refused,
    /// A hub that answered before does not any more.
    Silent {
        /// When something was last heard.
        since: Instant,
    },
    /// The hub is back, and this session is a member again.
    Again {
        /// How long nothing was heard.
        after: Duration,
    },
    /// `quit` is on its way; when it is sent the session is over.
    Left,
}

/// What became of a typed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Nothing was typed, and nothing is sent.
    Nothing,
    /// It is on its way.
    Sent,
    /// It is on its way, but the hub is away: it is probably lost.
    IntoSilence,
    /// The session has answered it with an event; nothing is sent.
    Answered,
    /// It was `quit` or `/quit`.
    Quit,
}

/// A line that was not sent. Nothing has changed by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineError {
    /// More than one datagram carries.
    TooLong {
        /// The line's bytes.
        length: usize,
        /// What a datagram to this hub carries.
        most: usize,
    },
    /// It begins with `^hb^`, so the hub would take it for a heartbeat or a control line.
    Control,
    /// A hub takes these bytes for a heartbeat, a goodbye or an answer of its own.
    Reserved,
    /// The hub's format is raw: members would receive the command as data.
    Raw(Verb),
    /// It holds a password or a resume word, and the hub's address has changed since it was typed.
    Moved,
    /// It begins with `/` and a path, which is not a command. A second `/` before it makes it a
    /// message.
    Path,
}

impl fmt::Display for LineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LineError::TooLong { length, most } => {
                write!(f, "not sent: {length} bytes, and a datagram carries at most {most}")
            }
            LineError::Control => {
                f.write_str("not sent: ^hb^ at the beginning marks a heartbeat, not a message")
            }
            LineError::Reserved => f.write_str(
                "not sent: a hub takes these bytes for a heartbeat or a goodbye, not for data",
            ),
            LineError::Raw(verb) => write!(
                f,
                "not sent: in the raw format everyone would receive /{} as data",
                verb.word()
            ),
            LineError::Moved => f.write_str(
                "not sent: the hub's address has changed since; type the word again if you trust it",
            ),
            LineError::Path => f.write_str(
                "not sent: a line that begins with / is a command; begin it with // to say it",
            ),
        }
    }
}

impl std::error::Error for LineError {}

/// How things stand between a session and its hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// The first heartbeat is not answered yet.
    Asking,
    /// Nothing was ever heard.
    Unheard,
    /// The server answers no heartbeats, so it is unknown whether it is there.
    Plain,
    /// The hub answers.
    Answering,
    /// A heartbeat went unanswered, the network refused, or the hub has stopped.
    Silent,
    /// The hub has removed this session, or given its name to another address.
    Removed,
}
