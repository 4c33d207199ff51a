//! The core's output to links: data, addressed to a member or a room.

use pigeon_proto::{Label, Language, Name, Notice};

use super::history::Lookup;
use super::id::{MemberId, RoomId};
use super::kept::Keep;
use super::presence::Gathered;
use crate::event::Remark;
use crate::statistics::Left;

/// An output, in order of occurrence.
pub(crate) enum Output {
    /// A new member. Its room is `None` until it has sent the password.
    Joined { member: MemberId, room: Option<RoomId> },
    /// A member changed rooms.
    Moved { member: MemberId, from: Option<RoomId>, to: RoomId },
    /// A member left. Its link must remove it before the next output.
    Left {
        member: MemberId,
        /// The member's label at its link.
        label: Label,
        name: Option<Name>,
        /// The member's language.
        language: Language,
        room: Option<RoomId>,
        reason: Left,
    },
    /// A member took a name.
    Renamed { member: MemberId, name: Name },
    /// A message in the batch, by number.
    Message { room: RoomId, number: u32 },
    /// A notice to one member.
    Reply { to: MemberId, notice: Notice },
    /// An earlier message for one member, with its time as text.
    Said { to: MemberId, notice: Notice, when: Box<str> },
    /// A member requests earlier messages.
    Lookup(Lookup),
    /// A remark about a member for the operator.
    Remark { member: MemberId, remark: Remark },
    /// Persistent state has changed.
    Keep(Keep),
    /// Joins, leaves and renamings in a room.
    News { room: RoomId, gathered: Gathered },
}
