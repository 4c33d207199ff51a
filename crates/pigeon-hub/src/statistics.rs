//! A hub's counters, and the reasons it counts by.

use pigeon_proto::{Change, Gone};

/// Why a member left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// The member sent `quit`.
    Quit,
    /// The member was silent for longer than the time-out.
    TimedOut,
    /// Kicked by the operator.
    Kicked,
    /// Banned by the operator.
    Banned,
    /// The member's name was reclaimed from another address with its resume token.
    Moved,
    /// The member was heard only once, and was displaced by a newcomer when the hub was full.
    Displaced,
}

impl Left {
    /// Every reason, in the order of [`Statistics`].
    pub const ALL: [Left; 6] =
        [Left::Quit, Left::TimedOut, Left::Kicked, Left::Banned, Left::Moved, Left::Displaced];

    /// The reason's text in logs and JSON.
    pub fn describe(self) -> &'static str {
        match self {
            Left::Quit => "left",
            Left::TimedOut => "timed out",
            Left::Kicked => "removed by the operator",
            Left::Banned => "banned by the operator",
            Left::Moved => "moved to another address",
            Left::Displaced => "gave way to a newcomer",
        }
    }

    /// The change reported to the other members of its room.
    pub(crate) fn change(self) -> Change {
        match self {
            Left::Quit => Change::Left,
            Left::TimedOut => Change::TimedOut,
            Left::Kicked => Change::Kicked,
            Left::Banned => Change::Banned,
            Left::Moved => Change::Moved,
            Left::Displaced => Change::Left,
        }
    }

    /// The notice to the member itself. `None` for one that asked to leave, and for one that was
    /// heard only once: most of those are forged.
    pub(crate) fn gone(self) -> Option<Gone> {
        match self {
            Left::Quit | Left::Displaced => None,
            Left::TimedOut => Some(Gone::TimedOut),
            Left::Kicked => Some(Gone::Kicked),
            Left::Banned => Some(Gone::Banned),
            Left::Moved => Some(Gone::Moved),
        }
    }
}

/// Why a datagram had no effect, or not the intended one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Port 0, a multicast or broadcast address, or the hub itself.
    BadSource,
    /// The sender's network is banned.
    Banned,
    /// The operator kicked the sender less than ten minutes ago.
    Kicked,
    /// Larger than the receive buffer.
    Truncated,
    /// A reply (`^hb^ …`, `/here …`): answering or relaying it could start a loop.
    Reply,
    /// The sender was proved to answer automatically, and sent another text less than a second ago.
    AnswersByItself,
    /// The sender has not proved its address.
    Unproved,
    /// An invalid or expired proof.
    BadProof,
    /// The hub has its maximum of members.
    HubFull,
    /// The IP address has its maximum of members.
    AddressFull,
    /// Members use more of the hub's own addresses than it can distinguish.
    LocalsFull,
    /// The room has its maximum of members.
    RoomFull,
    /// The room does not exist, and the hub has its maximum of rooms.
    TooManyRooms,
    /// The room carries raw data, and the member reads lines.
    RawRoom,
    /// The member has not sent the hub's password.
    NoPassword,
    /// A password after too many wrong ones.
    GuessLimited,
    /// The member is muted.
    Muted,
    /// The room is in slow mode, and the member sent a message a moment ago.
    TooSoon,
    /// The member exceeds its rate.
    RateLimited,
    /// All members together exceed the hub's rate.
    HubRateLimited,
    /// The hub spends as much work on that address as it may while others wait.
    WorkLimited,
    /// A heartbeat of a member that requests answers too often.
    HeartbeatUnanswered,
    /// The room has its maximum of encodings.
    EncodingsFull,
    /// The text exceeds the longest message.
    TextTooLong,
    /// A repeated discovery request: the same one arrives on every interface.
    AskedBefore,
    /// A discovery request from a network that cannot reach the hub.
    OutOfReach,
    /// Not a discovery request, but sent to a group or a broadcast address.
    NotAQuestion,
    /// A discovery request while too many are pending.
    QuestionsFull,
    /// `quit` from a sender that is not a member.
    NotMember,
    /// The batch had more messages than fit the outgoing buffer.
    BatchFull,
    /// The batch had more answers than fit the outgoing buffer: this one was not sent.
    AnswersFull,
}

impl Dropped {
    /// Every reason, in the order of [`Statistics`].
    pub const ALL: [Dropped; 31] = [
        Dropped::BadSource,
        Dropped::Banned,
        Dropped::Kicked,
        Dropped::Truncated,
        Dropped::Reply,
        Dropped::AnswersByItself,
        Dropped::Unproved,
        Dropped::BadProof,
        Dropped::HubFull,
        Dropped::AddressFull,
        Dropped::LocalsFull,
        Dropped::RoomFull,
        Dropped::TooManyRooms,
        Dropped::RawRoom,
        Dropped::NoPassword,
        Dropped::GuessLimited,
        Dropped::Muted,
        Dropped::TooSoon,
        Dropped::RateLimited,
        Dropped::HubRateLimited,
        Dropped::WorkLimited,
        Dropped::HeartbeatUnanswered,
        Dropped::EncodingsFull,
        Dropped::TextTooLong,
        Dropped::AskedBefore,
        Dropped::OutOfReach,
        Dropped::NotAQuestion,
        Dropped::QuestionsFull,
        Dropped::NotMember,
        Dropped::BatchFull,
        Dropped::AnswersFull,
    ];

    /// The reason's text in logs and on the console.
    pub fn describe(self) -> &'static str {
        match self {
            Dropped::BadSource => "bad source address",
            Dropped::Banned => "banned",
            Dropped::Kicked => "removed lately",
            Dropped::Truncated => "truncated",
            Dropped::Reply => "a reply",
            Dropped::AnswersByItself => "answers by itself",
            Dropped::Unproved => "address not proved",
            Dropped::BadProof => "bad proof",
            Dropped::HubFull => "hub full",
            Dropped::AddressFull => "address full",
            Dropped::LocalsFull => "hub's addresses full",
            Dropped::RoomFull => "room full",
            Dropped::TooManyRooms => "too many rooms",
            Dropped::RawRoom => "raw room",
            Dropped::NoPassword => "no password",
            Dropped::GuessLimited => "too many guesses",
            Dropped::Muted => "muted",
            Dropped::TooSoon => "slow room",
            Dropped::RateLimited => "member's rate",
            Dropped::HubRateLimited => "hub's rate",
            Dropped::WorkLimited => "hub's work",
            Dropped::HeartbeatUnanswered => "heartbeat not answered",
            Dropped::EncodingsFull => "room's encodings full",
            Dropped::TextTooLong => "text too long",
            Dropped::AskedBefore => "asked before",
            Dropped::OutOfReach => "out of reach",
            Dropped::NotAQuestion => "not a question",
            Dropped::QuestionsFull => "questions full",
            Dropped::NotMember => "not a member",
            Dropped::BatchFull => "batch full",
            Dropped::AnswersFull => "answers full",
        }
    }
}

/// Totals since the hub's start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Datagrams received, whatever their outcome.
    pub received: u64,
    /// Heartbeats, plain and padded.
    pub heartbeats: u64,
    /// Relayed messages, each counted once.
    pub messages: u64,
    /// Datagrams sent, counting each member's copy.
    pub sent: u64,
    /// Commands answered.
    pub commands: u64,
    /// Members that joined.
    pub joined: u64,
    /// Requests for a proof of address.
    pub proofs_asked: u64,
    /// Lines withheld from addresses that are not members, because they got one recently.
    pub lines_withheld: u64,
    /// Probes sent in trials.
    pub probes: u64,
    /// Members proved to answer automatically.
    pub proved_to_answer: u64,
    /// Trials postponed because too many were running.
    pub trials_put_off: u64,
    /// Reserved names given up early, because too many were reserved.
    pub names_given_up: u64,
    /// Names of members that timed out, opened to other members early because too many were
    /// reserved for one address.
    pub names_freed: u64,
    /// Kicks dropped early, because there were too many.
    pub kicks_forgotten: u64,
    /// Datagrams that waited until others were served.
    pub held: u64,
    /// Events dropped because the driver did not collect them.
    pub events_lost: u64,
    left: [u64; Left::ALL.len()],
    dropped: [u64; Dropped::ALL.len()],
}

impl Statistics {
    /// The number of members that left for this reason.
    pub fn left(&self, reason: Left) -> u64 {
        self.left[reason as usize]
    }

    /// The number of datagrams dropped for this reason.
    pub fn dropped(&self, reason: Dropped) -> u64 {
        self.dropped[reason as usize]
    }

    pub(crate) fn count_left(&mut self, reason: Left) {
        self.left[reason as usize] += 1;
    }

    pub(crate) fn count_dropped(&mut self, reason: Dropped) {
        self.dropped[reason as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_counts_in_its_own_place() {
        let mut statistics = Statistics::default();
        for reason in Dropped::ALL {
            statistics.count_dropped(reason);
            assert_eq!(statistics.dropped(reason), 1);
        }
        for reason in Left::ALL {
            statistics.count_left(reason);
            assert_eq!(statistics.left(reason), 1);
        }
    }
}
