//! What a hub has counted since it began, and the reasons it counts by.

use pigeon_proto::{Change, Gone};

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
    /// It was heard once, and gave way to a newcomer when the hub was full.
    Displaced,
}

impl Left {
    /// Every reason, in the order [`Statistics`] counts them.
    pub const ALL: [Left; 6] =
        [Left::Quit, Left::TimedOut, Left::Kicked, Left::Banned, Left::Moved, Left::Displaced];

    /// As logs and JSON say it.
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

    /// As the others in its room hear of it.
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

    /// As the member itself hears of it. `None` for one that asked to leave, and for one that was
    /// heard once: most of those are forged.
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

/// Why a datagram had no effect, or not the effect that its sender meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// From port 0, a multicast or broadcast address, or the hub itself.
    BadSource,
    /// From a network the operator has banned.
    Banned,
    /// From a member that the operator removed less than ten minutes ago.
    Kicked,
    /// Larger than the receive buffer.
    Truncated,
    /// Somebody's reply (`^hb^ …`, `/here …`): answering or relaying it could start a loop.
    Reply,
    /// From a member that is proved to answer by itself, within a second of what it said before.
    AnswersByItself,
    /// From an address that has not proved that it receives there.
    Unproved,
    /// A proof that is not valid, or not valid any more.
    BadProof,
    /// The hub has reached its limit of members.
    HubFull,
    /// That IP address has reached its limit of members.
    AddressFull,
    /// Members speak to more of the hub's own addresses than it can distinguish.
    LocalsFull,
    /// That room has reached its limit of members.
    RoomFull,
    /// The room does not exist, and the hub has reached its limit of rooms.
    TooManyRooms,
    /// That room carries raw data, and the member's door writes lines.
    RawRoom,
    /// From a member that has not given the hub's password.
    NoPassword,
    /// A password that came after too many wrong ones.
    GuessLimited,
    /// The operator has muted the member.
    Muted,
    /// The operator has slowed the room down, and the member spoke a moment ago.
    TooSoon,
    /// The member says more than its rate allows.
    RateLimited,
    /// All members together say more than the hub's rate allows.
    HubRateLimited,
    /// The hub works on as much from that address as it may while others wait.
    WorkLimited,
    /// A heartbeat of a member that asks for answers more often than it gets them.
    HeartbeatUnanswered,
    /// The room has reached its limit of encodings.
    EncodingsFull,
    /// The text exceeds the greatest length of a message.
    TextTooLong,
    /// A question for hubs that had been asked before: the same question arrives over every
    /// interface.
    AskedBefore,
    /// A question for hubs from a network in which the hub cannot be reached.
    OutOfReach,
    /// Something else than a question for hubs, to a group or a broadcast address.
    NotAQuestion,
    /// A question for hubs that came when too many waited for an answer.
    QuestionsFull,
    /// `quit` from someone who was no member.
    NotMember,
    /// One batch held more messages than fit the outgoing buffer.
    BatchFull,
    /// One batch asked for more answers than fit the outgoing buffer: this one was not given.
    AnswersFull,
}

impl Dropped {
    /// Every reason, in the order [`Statistics`] counts them.
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

    /// As logs and the console say it.
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

/// Totals since the hub began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Datagrams received, whatever became of them.
    pub received: u64,
    /// Heartbeats, plain and padded.
    pub heartbeats: u64,
    /// Messages relayed, each counted once.
    pub messages: u64,
    /// Datagrams sent, each member's copy counted.
    pub sent: u64,
    /// Commands answered.
    pub commands: u64,
    /// Members that joined.
    pub joined: u64,
    /// Proofs of address asked for.
    pub proofs_asked: u64,
    /// Lines not sent to those who are not members, because they had one lately.
    pub lines_withheld: u64,
    /// Probes sent to find out who answers by itself.
    pub probes: u64,
    /// Times when a member was proved to answer by itself.
    pub proved_to_answer: u64,
    /// Trials put off because too many were going on.
    pub trials_put_off: u64,
    /// Names of members that had gone, given up before their time because too many waited.
    pub names_given_up: u64,
    /// Names that were kept for members that timed out and that anybody may take before their time,
    /// because too many were kept for one address.
    pub names_freed: u64,
    /// Kicks forgotten before their time, because there were too many.
    pub kicks_forgotten: u64,
    /// Datagrams that waited until others were served.
    pub held: u64,
    /// Events that nobody collected in time.
    pub events_lost: u64,
    left: [u64; Left::ALL.len()],
    dropped: [u64; Dropped::ALL.len()],
}

impl Statistics {
    /// How many members left for this reason.
    pub fn left(&self, reason: Left) -> u64 {
        self.left[reason as usize]
    }

    /// How many datagrams were dropped for this reason.
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
