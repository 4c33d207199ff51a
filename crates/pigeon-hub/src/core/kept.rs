//! What outlives a restart besides messages: names and their words, bans, mutes, slow rooms.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use pigeon_proto::{Name, RoomName};

/// A change of what outlives a restart. The driver writes each down and, at the next start, hands
/// what was written to [`Hub::restore`](crate::Hub::restore).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Somebody has a name.
    Name(KeptName),
    /// The name of this grant is nobody's any more.
    NameGone(u32),
    /// Grants up to this number may have been given out, and are never given out again.
    Grants(u32),
    /// A network is banned.
    Ban(IpNet),
    /// A ban is lifted.
    BanGone(IpNet),
    /// A name may not speak.
    Mute(Name),
    /// A name may speak again.
    MuteGone(Name),
    /// In a room one must wait between two messages.
    Slow(RoomName, Duration),
    /// A room is as any other again.
    SlowGone(RoomName),
}

/// A name, its holder's place, and the number of the grant that its resume word speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptName {
    /// The number of the grant.
    pub grant: u32,
    /// The name.
    pub name: Name,
    /// The room that its holder is in.
    pub room: RoomName,
    /// Its holder's address.
    pub ip: IpAddr,
    /// Whether its holder's client brings the resume word by itself.
    pub resumes: bool,
    /// Whether its holder has left, and anybody may take it.
    pub is_free: bool,
}
