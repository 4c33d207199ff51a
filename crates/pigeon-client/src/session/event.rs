//! A session's events for its host.

use std::fmt;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{Answer, Notice, Verb};

/// An event of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server is a pigeon hub, and this session is a member.
    Joined(Answer),
    /// The server sends datagrams but does not answer heartbeats. Messages are sent anyway.
    JoinedPlainly,
    /// Nothing was received since the session began. Messages are sent anyway.
    Unheard,
    /// The hub answered another heartbeat.
    Answered(Answer),
    /// A message to show.
    Received(Box<[u8]>),
    /// A control line of the hub, to show as a sentence.
    Notice(Notice),
    /// A control line that need not be shown: it answers the client's own request, or repeats known
    /// facts. A [`Roster`](crate::Roster) reads it.
    Background(Notice),
    /// The name and room that another connection of the same member has chosen.
    Elsewhere(Notice),
    /// A line that waited for the hub's first answer was not sent.
    NotSent(LineError),
    /// The system did not send a line. The driver's counters have the reason.
    Unsent,
    /// A sent datagram did not arrive. The driver's counters have the reason.
    Undelivered {
        /// Whether the error may be temporary.
        passing: bool,
    },
    /// The hub's port is closed.
    Refused,
    /// The hub has stopped answering.
    Silent {
        /// When the hub was last heard.
        since: Instant,
    },
    /// The hub answers again, and this session is a member again.
    Again {
        /// How long the hub was silent.
        after: Duration,
    },
    /// `quit` is queued; the session ends once it is sent.
    Left,
}

/// The result of an input line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// Empty input: nothing is sent.
    Nothing,
    /// Sent.
    Sent,
    /// Sent, but probably lost, because the hub is away.
    IntoSilence,
    /// Answered by an event of the session; nothing is sent.
    Answered,
    /// The line was `quit` or `/quit`.
    Quit,
}

/// Why a line was not sent. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineError {
    /// The line exceeds one datagram.
    TooLong {
        /// The line's length in bytes.
        length: usize,
        /// The largest datagram to this hub.
        most: usize,
    },
    /// The line begins with `^hb^`, so a hub would treat it as a heartbeat or a control line.
    Control,
    /// A hub would treat these bytes as a heartbeat, a goodbye or an answer.
    Reserved,
    /// The hub's format is raw: members would receive the command as data.
    Raw(Verb),
    /// The line contains a password or a resume token, and the hub's address has changed since it
    /// was entered.
    Moved,
    /// The line begins with a path such as `/dev/null`, which is not a command. A second `/` in
    /// front makes it a message.
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

/// The state of the contact between a session and its hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contact {
    /// The first heartbeat is not answered yet.
    Asking,
    /// Nothing was ever received.
    Unheard,
    /// The server does not answer heartbeats, so its presence is unknown.
    Plain,
    /// The hub answers.
    Answering,
    /// A heartbeat went unanswered, the port is closed, or the hub has stopped.
    Silent,
    /// The hub has removed this session, or given its name to another address.
    Removed,
}
