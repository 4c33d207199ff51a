//! What a hub reports to those around it: logs, a console, other links.

use std::net::SocketAddr;
use std::ops::Range;

use crate::Name;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// An address became a member.
    Joined {
        /// The member.
        address: SocketAddr,
    },
    /// A member is one no more.
    Left {
        /// Who it was.
        address: SocketAddr,
        /// Its name, if it had chosen one.
        name: Option<Name>,
        /// Why.
        reason: Left,
    },
    /// A member took a name.
    Renamed {
        /// The member.
        address: SocketAddr,
        /// Its name from now on.
        name: Name,
    },
    /// What was sent to this address came back: something there answers by itself.
    Echo {
        /// Who.
        address: SocketAddr,
    },
    /// Somebody spoke. Only with [`Config::report_messages`](crate::Config::report_messages).
    Message {
        /// Who; `None` is the operator.
        from: Option<SocketAddr>,
        /// What members receive, as it stands in the hub's outbox until the next batch.
        range: Range<usize>,
    },
}

/// Why a member left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// It said `quit`.
    Quit,
    /// It was silent for longer than the time-out.
    TimedOut,
    /// The operator removed it.
    Kicked,
    /// The operator banned it.
    Banned,
    /// Its name was taken back from another address, with its resume word.
    Moved,
}

impl Left {
    /// Every reason, in the order [`Statistics`](crate::Statistics) counts them.
    pub const ALL: [Left; 5] =
        [Left::Quit, Left::TimedOut, Left::Kicked, Left::Banned, Left::Moved];

    /// As notices, logs and JSON say it.
    pub fn describe(self) -> &'static str {
        match self {
            Left::Quit => "left",
            Left::TimedOut => "timed out",
            Left::Kicked => "removed by the operator",
            Left::Banned => "banned by the operator",
            Left::Moved => "moved to another address",
        }
    }
}
