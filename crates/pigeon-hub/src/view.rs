//! A hub's state as shown by the console and logs.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{Label, Language, LinkKind, Name, RoomName};

use crate::core::bans::MAX_BANS;
use crate::core::id::MemberId;

/// A kick that still holds.
#[derive(Clone, Copy, Debug)]
pub struct KickView<'a> {
    /// The kicked member's label at its link.
    pub label: &'a Label,
    /// The member's name.
    pub name: Option<&'a Name>,
    /// The address, if all of it is locked out.
    pub address: Option<IpAddr>,
    /// How long it still holds.
    pub left: Duration,
}

/// A member.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// The member's id.
    pub id: MemberId,
    /// The member's label at its link.
    pub label: Label,
    /// The member's link.
    pub link: LinkKind,
    /// A plain member's address.
    pub address: Option<SocketAddr>,
    /// The IP address by which the member is counted, limited and banned.
    pub ip: IpAddr,
    /// The author of the member's key, if it has one.
    pub author: Option<u128>,
    /// The member's name.
    pub name: Option<Name>,
    /// The member's room; `None` until it has sent the password.
    pub room: Option<RoomName>,
    /// The language of the member's notices.
    pub language: Language,
    /// When a plain member was last heard.
    pub heard: Option<Instant>,
    /// The member's messages per second.
    pub rate: f64,
    /// The member's dropped inputs.
    pub dropped: u64,
    /// Whether the member is muted.
    pub is_muted: bool,
    /// Whether it is a person, and no program that only sends.
    pub is_person: bool,
}

/// A room.
#[derive(Clone, Debug)]
pub struct RoomView {
    /// The room's name.
    pub name: RoomName,
    /// The room's number of members.
    pub members: usize,
}

/// The members of a room.
#[derive(Clone, Debug)]
pub struct RosterView {
    /// The number of people, who come first in `members`.
    pub people: usize,
    /// The number of all members.
    pub total: usize,
    /// The first members, each with its link.
    pub members: Vec<(Label, LinkKind)>,
}

/// Why a ban was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BanError {
    /// The text is neither a member, a network nor a key.
    Unknown,
    /// The member is at another hub, which alone knows its address.
    Elsewhere,
    /// The network contains the hub itself, and so its own host's programs.
    Own,
    /// There are too many bans.
    TooMany,
}

impl std::fmt::Display for BanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BanError::Unknown => f.write_str("neither a member's name, a network nor a key"),
            BanError::Elsewhere => f.write_str("a member of another hub; ban it there"),
            BanError::Own => f.write_str("all of this machine would be banned; kick it instead"),
            BanError::TooMany => write!(f, "there are {MAX_BANS} bans already"),
        }
    }
}

impl std::error::Error for BanError {}
