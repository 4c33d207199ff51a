//! What the core has to say to links: data, addressed by member or by room.

use pigeon_proto::{Label, Language, Name, Notice};

use super::history::Lookup;
use super::id::{MemberId, RoomId};
use super::kept::Keep;
use super::presence::Gathered;
use crate::event::Remark;
use crate::statistics::Left;

/// Something that links have to act on, in the order in which it happened.
pub(crate) enum Output {
    /// Somebody became a member. Its room is `None` until it has given the password.
    Joined { member: MemberId, room: Option<RoomId> },
    /// A member is in another room now.
    Moved { member: MemberId, from: Option<RoomId>, to: RoomId },
    /// A member is one no more. Its link has to forget it before anything else.
    Left {
        member: MemberId,
        /// What its link called it.
        label: Label,
        name: Option<Name>,
        /// In which it was spoken to.
        language: Language,
        room: Option<RoomId>,
        reason: Left,
    },
    /// A member took a name.
    Renamed { member: MemberId, name: Name },
    /// Somebody spoke: the message has this number in the batch.
    Message { room: RoomId, number: u32 },
    /// The hub says something to one member.
    Reply { to: MemberId, notice: Notice },
    /// One member hears again what was said at a time, which stands in words in `when`.
    Said { to: MemberId, notice: Notice, when: Box<str> },
    /// A member wants to hear what was said before.
    Lookup(Lookup),
    /// The operator may want to know this of a member.
    Remark { member: MemberId, remark: Remark },
    /// Something has changed that outlives a restart.
    Keep(Keep),
    /// Members of a room came, went or took other names.
    News { room: RoomId, gathered: Gathered },
}
