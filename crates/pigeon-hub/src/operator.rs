//! What stands around a hub: what can be seen of it, and what its operator can do.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use pigeon_datagram::Instant;

use crate::admission::MAX_BANS;
use crate::hub::Hub;
use crate::members::Slot;
use crate::rooms::{PORCH, Room};
use crate::{Config, Dropped, Left, Name, Statistics};

/// A member as the console and the logs see it.
#[derive(Clone, Debug)]
pub struct MemberView {
    /// Where it is.
    pub address: SocketAddr,
    /// What it is called, if it has chosen.
    pub name: Option<Name>,
    /// The room it is in; `None` for one that has not given the password.
    pub room: Option<Name>,
    /// When it was last heard.
    pub heard: Instant,
}

/// A room as the console sees it.
#[derive(Clone, Debug)]
pub struct RoomView {
    /// What it is called.
    pub name: Name,
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

/// What can be seen.
impl Hub {
    /// How many members there are.
    pub fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Every member, longest silent first.
    pub fn members(&self) -> impl Iterator<Item = MemberView> + '_ {
        self.members.iter().map(|slot| {
            let room = Some(self.members.room(slot)).filter(|&room| room != PORCH);
            MemberView {
                address: self.members.address(slot),
                name: self.members.name(slot).cloned(),
                room: room.and_then(|room| Some(self.rooms.get(room)?.name.clone())),
                heard: self.members.heard(slot),
            }
        })
    }

    /// Every room.
    pub fn rooms(&self) -> impl Iterator<Item = RoomView> + '_ {
        let view = |room: &Room| RoomView { name: room.name.clone(), members: room.len() };
        self.rooms.iter().map(view)
    }

    /// Every banned network.
    pub fn bans(&self) -> impl Iterator<Item = IpNet> + '_ {
        self.bans.iter()
    }

    /// What has been counted so far.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

/// What the operator can do.
impl Hub {
    /// Speaks to every room as the operator. Rooms that cannot be told are the error's; the others
    /// have been.
    pub fn say(&mut self, text: &str) -> Result<(), Dropped> {
        self.begin(self.now);
        let mut outcome = Ok(());
        for room in self.rooms.ids().filter(|&room| room != PORCH) {
            if self.rooms.get(room).is_some() {
                outcome = outcome.and(self.relay(None, room, text.trim().as_bytes()));
            }
        }
        outcome
    }

    /// Removes a member, by its name or its `IP:PORT`, and tells it. False if there is none.
    pub fn kick(&mut self, now: Instant, who: &str) -> bool {
        self.begin(now);
        let found = self.find(who);
        if let Some(slot) = found {
            self.leave(slot, Left::Kicked);
        }
        found.is_some()
    }

    /// Bans a network (`192.168.7.0/24`, or one address), or the address of a member by its name.
    /// Members from there are told and removed; nothing from there is heard or answered any more.
    pub fn ban(&mut self, now: Instant, who: &str) -> Result<IpNet, BanError> {
        self.begin(now);
        let net = match self.find(who) {
            Some(slot) => self.members.address(slot).ip().into(),
            None => parse_net(who).ok_or(BanError::Unknown)?,
        };
        if holds_loopback(net) {
            return Err(BanError::Own);
        }
        if !self.bans.add(net) {
            return Err(BanError::TooMany);
        }
        let banned = |slot: &Slot| net.contains(&self.members.address(*slot).ip());
        let gone: Vec<Slot> = self.members.iter().filter(banned).collect();
        for slot in gone {
            self.leave(slot, Left::Banned);
        }
        Ok(net)
    }

    /// Lifts a ban. False if there was none.
    pub fn unban(&mut self, net: &str) -> bool {
        parse_net(net).is_some_and(|net| self.bans.remove(net))
    }

    /// Says `Bye!` to everyone. Nothing more is to be handed to the hub afterwards.
    pub fn stop(&mut self) {
        self.begin(self.now);
        self.say_bye();
    }
}

/// A network, or one address as a network.
fn parse_net(text: &str) -> Option<IpNet> {
    let net = text.parse::<IpNet>().ok();
    let alone = || text.parse::<IpAddr>().ok().map(|ip| IpNet::from(ip.to_canonical()));
    net.or_else(alone).map(|net| net.trunc())
}

/// Whether a network takes in any of this machine's own addresses.
fn holds_loopback(net: IpNet) -> bool {
    let loopback =
        |text: &str| text.parse::<IpNet>().is_ok_and(|lo| lo.contains(&net) || net.contains(&lo));
    loopback("127.0.0.0/8") || loopback("::1/128")
}
