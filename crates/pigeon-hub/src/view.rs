//! What the console and the logs see of a hub.

use std::net::SocketAddr;

use pigeon_datagram::Instant;
use pigeon_proto::{Label, Language, Name, RoomName};

use crate::core::bans::MAX_BANS;
use crate::core::id::MemberId;

/// A member.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// Who it is.
    pub id: MemberId,
    /// What its link calls it.
    pub label: Label,
    /// Where it is, of a plain member.
    pub address: Option<SocketAddr>,
    /// What it is called, if it has chosen.
    pub name: Option<Name>,
    /// The room it is in; `None` for one that has not given the password.
    pub room: Option<RoomName>,
    /// The language of the hub's sentences for it.
    pub language: Language,
    /// When it was last heard, of a plain member.
    pub heard: Option<Instant>,
    /// How many messages a second it has said in the last seconds.
    pub rate: f64,
    /// How much of what it sent was not relayed, or not done.
    pub dropped: u64,
    /// Whether the operator has muted it.
    pub is_muted: bool,
}

/// A room.
#[derive(Clone, Debug)]
pub struct RoomView {
    /// What it is called.
    pub name: RoomName,
    /// How many members are in it.
    pub members: usize,
}

/// A ban that could not be laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BanError {
    /// It is neither a member nor a network.
    Unknown,
    /// The hub itself stands in that network, and its own machine's programs with it.
    Own,
    /// There are too many bans.
    TooMany,
}

impl std::fmt::Display for BanError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            BanError::Unknown => f.write_str("neither a member's name nor a network"),
            BanError::Own => f.write_str("all of this machine would be banned; kick it instead"),
            BanError::TooMany => write!(f, "there are {MAX_BANS} bans already"),
        }
    }
}

impl std::error::Error for BanError {}
