//! Members join, move, are kicked, and leave.

use std::net::IpAddr;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::{Change, Label, Language, Reason, RoomName, Subject};

use super::Core;
use crate::core::grants::Gone;
use crate::core::guests::Guest;
use crate::core::id::{LinkId, MemberId, RoomId, Slot};
use crate::core::input::{Context, Source};
use crate::core::kept::{Keep, KeptKick, KeptName};
use crate::core::kicks::{self, Kick};
use crate::core::members::Trait;
use crate::core::output::Output;
use crate::core::rooms::Room;
use crate::statistics::{Dropped, Left};

/// How long a member must have had a name for it to be reserved after a time-out.
const KEPT_AFTER: Duration = Duration::from_secs(60);

impl Core {
    /// Adds a member; `label` is its link's label. `is_checked`: whether it needs no password, because it
    /// has given it before. Fails without a change, with the reason.
    pub(crate) fn join(
        &mut self,
        cx: &Context<'_>,
        link: LinkId,
        source: Source,
        (author, is_checked): (Option<u128>, bool),
        label: &dyn Fn() -> Label,
    ) -> Result<MemberId, Dropped> {
        if self.kicks.hold(cx.now, source.ip, label) {
            return Err(Dropped::Kicked);
        }
        let needs_password = self.config.password.is_some() && !is_checked;
        self.capacity.check_address(&self.config, source)?;
        if !needs_password {
            self.check_room(cx.home)?;
        }
        // Checked last: no member is displaced for a newcomer that would be refused anyway.
        if self.capacity.is_full_for(&self.config, source.origin) {
            return Err(Dropped::HubFull);
        }
        let member = self.members.insert(link);
        let slot = member.slot();
        self.capacity.add(&self.config, source);
        if link != LinkId::PLAIN {
            self.guests.insert(slot, Guest::new(label(), source, author));
        }
        self.members.set(slot, Trait::Chinese, self.config.language == Language::Chinese);
        self.statistics.joined += 1;
        if needs_password {
            self.outputs.push_back(Output::Joined { member, room: None });
            self.refuse(member, Subject::Member, Reason::Password);
        } else {
            self.rooms.enter(&mut self.members, slot, cx.home);
            self.outputs.push_back(Output::Joined { member, room: Some(cx.home) });
        }
        Ok(member)
    }

    pub(crate) fn leave(&mut self, cx: &Context<'_>, slot: Slot, reason: Left) {
        let (member, source) = (self.members.id(slot), self.source(cx, slot));
        let room = self.room_of(slot).map(Room::id);
        let room_name = self.room_of(slot).map(|room| room.name().clone());
        let said = self.room_of(slot).map_or(0, |room| room.said);
        if let Some(room) = room {
            self.note_gone(cx, slot, room, reason.change());
        }
        let (label, language) = (self.link_label(cx, slot), self.language(slot));
        let (resumes, author) = (self.resumes(cx, slot), self.author(slot));
        self.rooms.exit(&mut self.members, slot);
        let named = self.names.remove(slot);
        self.guests.remove(slot);
        self.mutes.forget(slot);
        self.askers.forget(slot);
        self.tallies.forget(slot);
        self.members.remove(slot);
        self.capacity.remove(&self.config, source);
        self.statistics.count_left(reason);
        let name = named.as_ref().map(|named| named.name.clone());
        if let (Some(named), Some(room)) = (named, room_name) {
            let (since, ip) = (cx.now, source.ip.to_canonical());
            let counted = self.config.sources.counted_as(ip);
            let is_kept = reason == Left::TimedOut && since - named.since > KEPT_AFTER;
            let label = label.clone();
            let comes_back = reason == Left::TimedOut;
            let gone = Gone {
                named,
                room,
                said,
                since,
                ip,
                counted,
                label,
                author,
                resumes,
                is_kept,
                comes_back,
            };
            self.part(gone, reason);
        }
        self.outputs.push_back(Output::Left { member, label, name, language, room, reason });
    }

    /// Handles the name of a member that left. After a time-out or `quit` its resume token stays
    /// valid, and some names are reserved exclusively. A kick frees the name, and so does a move:
    /// its new holder has it already, or is about to.
    pub(super) fn part(&mut self, gone: Gone, reason: Left) {
        let (now, keys, grant) = (gone.since, gone.named.keys, gone.named.grant);
        if matches!(reason, Left::Kicked | Left::Moved) {
            self.forget_grant(grant);
            return;
        }
        if gone.is_kept {
            self.names.keep(keys, grant);
        }
        // A name that is free now is also free after a restart.
        let free = (!gone.is_kept).then_some(grant);
        let freed = self.grants.leave(gone);
        if let Some((keys, grant)) = freed {
            self.names.release(keys, grant);
        }
        for grant in free.into_iter().chain(freed.map(|(_, grant)| grant)) {
            if let Some(gone) = self.grants.gone(grant) {
                let kept = KeptName {
                    grant,
                    name: gone.named.name.clone(),
                    room: gone.room.clone(),
                    ip: gone.ip,
                    author: gone.author,
                    resumes: gone.resumes,
                    is_free: true,
                };
                self.keep(|| Keep::Name(kept));
            }
        }
        self.give_up_names(now);
    }

    /// Gives up names that were reserved for too long, or that are too many.
    pub(super) fn give_up_names(&mut self, now: Instant) {
        while let Some(gone) = self.grants.give_up(now) {
            self.names.release(gone.named.keys, gone.named.grant);
            self.keep(|| Keep::NameGone(gone.named.grant));
        }
        self.statistics.names_given_up = self.grants.given_up;
        self.statistics.names_freed = self.grants.freed;
    }

    /// Takes a grant's name from its absent member.
    pub(super) fn take_from_absent(&mut self, grant: u32) -> Option<Gone> {
        let gone = self.forget_grant(grant)?;
        self.names.release(gone.named.keys, grant);
        Some(gone)
    }

    /// Invalidates a grant's token.
    pub(super) fn forget_grant(&mut self, grant: u32) -> Option<Gone> {
        self.keep(|| Keep::NameGone(grant));
        self.grants.forget(grant)
    }

    /// Whether a member's client stores its resume token and sends it automatically: pigeon's own,
    /// which pads its heartbeats, and clients of other links.
    pub(super) fn resumes(&self, cx: &Context<'_>, slot: Slot) -> bool {
        self.guests.get(slot).is_some() || cx.plain.is_padded(slot)
    }

    /// Kicks a member for ten minutes, by its name or its link's label. The name of an absent
    /// member is freed, and its token becomes invalid. Returns false if there is no such member.
    pub(crate) fn kick(&mut self, cx: &Context<'_>, who: &str) -> bool {
        self.give_up_names(cx.now);
        let absent = self.names.find_absent(who).and_then(|grant| self.take_from_absent(grant));
        let (slot, label, named, ip) = match (absent, self.find(cx, who)) {
            // The member may have returned already, without a name.
            (Some(gone), _) => {
                let slot = self.find_by_label(cx, gone.label.as_str());
                (slot, gone.label, Some(gone.named), gone.ip)
            }
            (None, Some(slot)) => {
                let ip = self.source(cx, slot).ip.to_canonical();
                let named = self.names.get(slot).cloned();
                (Some(slot), self.link_label(cx, slot), named, ip)
            }
            (None, None) => return false,
        };
        if let Some(slot) = slot {
            self.leave(cx, slot, Left::Kicked);
        }
        // Programs of this host share its address, those behind a NAT share another, and hosts on
        // two interfaces may have the same link-local one.
        let is_link_local = matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
        let is_there = |slot| self.source(cx, slot).ip.to_canonical() == ip;
        let is_shared = ip.is_loopback() || is_link_local || self.members.iter().any(is_there);
        let (grant, name) = named.map(|named| (named.grant, named.name)).unzip();
        let until = cx.now + kicks::HOLDS;
        let kick = Kick { until, grant, name, ip, is_alone: !is_shared };
        let over = self.kicks.add(cx.now, label.clone(), kick.clone());
        over.into_iter().for_each(|label| self.keep(|| Keep::KickGone(label)));
        self.keep_kick(cx.now, label, kick);
        self.statistics.kicks_forgotten = self.kicks.forgotten;
        true
    }

    /// Ends the kicks of a name, a label or an address. Returns false if there are none.
    pub(crate) fn unkick(&mut self, who: &str) -> bool {
        let lifted = self.kicks.lift(who);
        let is_lifted = !lifted.is_empty();
        lifted.into_iter().for_each(|label| self.keep(|| Keep::KickGone(label)));
        is_lifted
    }

    pub(super) fn keep_kick(&mut self, now: Instant, label: Label, kick: Kick) {
        let until = self.wall.read(now) + kick.left(now);
        let Kick { grant, name, ip, is_alone, .. } = kick;
        self.keep(|| Keep::Kick(KeptKick { label, name, grant, ip, is_alone, until }));
    }

    /// Restores a kick of before a restart. A clock that was set back prolongs it by its usual time
    /// at most.
    pub(super) fn restore_kick(&mut self, now: Instant, kept: KeptKick) {
        let KeptKick { label, name, grant, ip, is_alone, until } = kept;
        let left = until.saturating_sub(self.wall.read(now));
        if left.is_zero() {
            return self.keep(|| Keep::KickGone(label));
        }
        let until = now + left.min(kicks::HOLDS);
        self.kicks.add(now, label, Kick { until, grant, name, ip, is_alone });
    }

    /// Marks a member as a person, who may be reading. To its room, it joins now.
    pub(crate) fn is_person(&mut self, cx: &Context<'_>, slot: Slot) {
        if self.members.has(slot, Trait::Person) {
            return;
        }
        self.members.set(slot, Trait::Person, true);
        self.rooms.promote(&mut self.members, slot);
        if let Some(room) = self.room_of(slot).map(Room::id) {
            self.note_joined(cx, slot, room);
        }
    }

    /// Moves a member to another room. If the room is full, the member stays in its room.
    pub(crate) fn move_to(
        &mut self,
        cx: &Context<'_>,
        slot: Slot,
        to: RoomId,
    ) -> Result<(), Dropped> {
        let from = self.room_of(slot).map(Room::id);
        if from == Some(to) {
            return Ok(());
        }
        self.check_room(to)?;
        if let Some(from) = from {
            self.note_gone(cx, slot, from, Change::Left);
        }
        self.rooms.exit(&mut self.members, slot);
        self.rooms.enter(&mut self.members, slot, to);
        let member = self.members.id(slot);
        self.outputs.push_back(Output::Moved { member, from, to });
        self.note_joined(cx, slot, to);
        self.keep_name(cx, slot);
        Ok(())
    }

    /// Moves a member to the room with this name, which is created if necessary. If there is no
    /// capacity, the member stays in its room.
    pub(crate) fn move_to_named(
        &mut self,
        cx: &Context<'_>,
        slot: Slot,
        name: RoomName,
    ) -> Result<(), Dropped> {
        let room = match self.rooms.find(&name) {
            Some(room) => room,
            None => {
                let room = self.rooms.open(name.clone()).ok_or(Dropped::TooManyRooms)?;
                self.settle_room(&name);
                room
            }
        };
        let is_raw = self.rooms.get(room).is_some_and(Room::is_raw);
        // Members of other formats read lines, so they may not join a raw room.
        if is_raw && cx.format != pigeon_proto::Format::Raw {
            return Err(Dropped::RawRoom);
        }
        self.move_to(cx, slot, room)
    }

    /// Checks whether a room has capacity for one more.
    fn check_room(&self, room: RoomId) -> Result<(), Dropped> {
        let here = self.rooms.get(room).map_or(0, Room::len);
        match self.config.max_per_room {
            Some(most) if here >= most => Err(Dropped::RoomFull),
            _ => Ok(()),
        }
    }
}
