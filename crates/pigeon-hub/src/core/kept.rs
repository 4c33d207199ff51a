//! Persistent state besides messages: names with their grants, bans, mutes, slow rooms.

use std::net::IpAddr;
use std::time::Duration;

use pigeon_proto::{Label, Name, RoomName};

use super::bans::Banned;

/// A change of persistent state. The driver stores each, and passes the stored ones to
/// [`Hub::restore`](crate::Hub::restore) at the next start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// A member has a name.
    Name(KeptName),
    /// The name of this grant is free.
    NameGone(u32),
    /// Grants up to this number may have been issued, and must not be issued again.
    Grants(u32),
    /// A network or a key is banned.
    Ban(Banned),
    /// A ban is lifted.
    BanGone(Banned),
    /// A member is kicked.
    Kick(KeptKick),
    /// The kick of this label is over or lifted.
    KickGone(Label),
    /// A name is muted.
    Mute(Name),
    /// A name is no longer muted.
    MuteGone(Name),
    /// A room is in slow mode.
    Slow(RoomName, Duration),
    /// A room is no longer in slow mode.
    SlowGone(RoomName),
}

/// A kicked member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptKick {
    /// The member's label at its link.
    pub label: Label,
    /// The member's name.
    pub name: Option<Name>,
    /// The number of the grant of its name.
    pub grant: Option<u32>,
    /// The member's address.
    pub ip: IpAddr,
    /// Whether the whole address is locked out.
    pub is_alone: bool,
    /// When the kick ends, by the wall clock.
    pub until: Duration,
}

/// A name with its holder's state and grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptName {
    /// The grant's number.
    pub grant: u32,
    /// The name.
    pub name: Name,
    /// The holder's room.
    pub room: RoomName,
    /// The holder's address.
    pub ip: IpAddr,
    /// The author of the holder's key, if it has one.
    pub author: Option<u128>,
    /// Whether the holder's client sends the resume token automatically.
    pub resumes: bool,
    /// Whether the holder has left and other members may take the name.
    pub is_free: bool,
}
