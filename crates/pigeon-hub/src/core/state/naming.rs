//! Names: a member takes one, loses it, and takes it back with its resume word.

use std::time::Duration;

use pigeon_proto::{Label, Name, Reason};

use super::Core;
use crate::core::grants::{self, Holder};
use crate::core::id::Slot;
use crate::core::input::Context;
use crate::core::kept::Keep;
use crate::core::members::Trait;
use crate::core::names::{Keys, Named, Owner};
use crate::core::output::Output;
use crate::core::rooms::Room;
use crate::event::Remark;
use crate::statistics::Left;

/// How long a member without padded heartbeats must be silent before another one at its address may
/// take its name: one heartbeat of 10 s is late.
const DESERTED: Duration = Duration::from_secs(11);

impl Core {
    /// Gives a member a name. Returns its grant, which includes the token to reclaim it.
    pub(crate) fn rename(
        &mut self,
        cx: &Context<'_>,
        slot: Slot,
        name: Name,
    ) -> Result<u32, Reason> {
        if let Some(named) = self.names.get(slot).filter(|named| named.name == name) {
            return Ok(named.grant);
        }
        // The kicked member from a new port, or a neighbour that takes its name.
        let ip = self.source(cx, slot).ip.to_canonical();
        if !ip.is_loopback() && self.kicks.hold_name(cx.now, ip, &name) {
            return Err(Reason::Kept(name));
        }
        self.give_up_names(cx.now);
        let keys = self.names.keys(&name);
        let (mut since, mut deserter) = (cx.now, None);
        for owner in self.names.owners(keys) {
            if owner == Owner::Member(slot) {
                since = self.names.get(slot).map_or(since, |named| named.since);
            } else if deserter.is_none_or(|other| other == owner)
                && self.is_deserted(cx, slot, keys, owner)
            {
                deserter = Some(owner);
            } else {
                let holder = self.holder_of(owner).ok_or(Reason::Usage)?;
                return Err(match owner {
                    Owner::Absent(_) => Reason::Kept(holder),
                    Owner::Hub(_) | Owner::Member(_) => Reason::InUse(holder),
                });
            }
        }
        match deserter {
            Some(Owner::Member(ghost)) => self.leave(cx, ghost, Left::Moved),
            Some(Owner::Absent(grant)) => drop(self.take_from_absent(grant)),
            Some(Owner::Hub(_)) | None => {}
        }
        if let Some(before) = self.names.get(slot).map(|named| named.grant) {
            self.forget_grant(before);
        }
        let (grant, reserved) = self.grants.make(slot);
        if let Some(reserved) = reserved {
            self.keep(|| Keep::Grants(reserved));
        }
        self.take_name(cx, slot, Named { name, keys, grant, since });
        Ok(grant)
    }

    /// Whether a member may take a name from its owner. It may if the owner had the same key; or if
    /// the owner has abandoned the name at the same IP address: a script that was killed and
    /// restarted. Not for confusable names.
    fn is_deserted(&self, cx: &Context<'_>, by: Slot, keys: Keys, owner: Owner) -> bool {
        let ip = self.source(cx, by).ip.to_canonical();
        let is_own = |author: Option<u128>| author.is_some() && author == self.author(by);
        match owner {
            Owner::Hub(_) => false,
            Owner::Absent(grant) => self.grants.gone(grant).is_some_and(|gone| {
                gone.named.keys.is_same_name(keys)
                    && (is_own(gone.author) || gone.ip == ip && !gone.resumes)
            }),
            Owner::Member(slot) => {
                let named = self.names.get(slot);
                let is_silent = || {
                    !self.resumes(cx, slot)
                        && self.source(cx, slot).ip.to_canonical() == ip
                        && cx.now - cx.plain.heard(slot) >= DESERTED
                };
                named.is_some_and(|named| named.keys.is_same_name(keys))
                    && (is_own(self.author(slot)) || is_silent())
            }
        }
    }

    /// The author of a member's key.
    pub(crate) fn author(&self, slot: Slot) -> Option<u128> {
        self.guests.get(slot)?.author
    }

    fn holder_of(&self, owner: Owner) -> Option<Name> {
        Some(match owner {
            Owner::Hub(number) => self.names.of_hub(number).clone(),
            Owner::Member(slot) => self.names.get(slot)?.name.clone(),
            Owner::Absent(grant) => self.grants.gone(grant)?.named.name.clone(),
        })
    }

    pub(crate) fn resume_word(&self, grant: u32) -> String {
        grants::word(&self.token_key, grant)
    }

    /// Gives a member the name and the room of a resume token. Fails without a change if the token
    /// is invalid.
    pub(crate) fn resume(
        &mut self,
        cx: &Context<'_>,
        slot: Slot,
        word: &str,
    ) -> Result<(), Reason> {
        let grant = grants::grant(&self.token_key, word.as_bytes()).ok_or(Reason::NotAWord)?;
        if self.kicks.hold_for_word(cx.now, grant) {
            let label = self.link_label(cx, slot);
            self.leave(cx, slot, Left::Kicked);
            if let Some((before, kick)) = self.kicks.follow(grant, label.clone()) {
                self.keep(|| Keep::KickGone(before));
                self.keep_kick(cx.now, label, kick);
            }
            return Err(Reason::Kicked);
        }
        self.give_up_names(cx.now);
        let holder = self.grants.holder(cx.now, grant).cloned().ok_or(Reason::Expired)?;
        let (named, room) = match holder {
            Holder::Here(holder) if holder == slot => return Ok(()),
            Holder::Here(holder) => {
                let room = self.room_of(holder).map(|room| room.name().clone());
                let named = self.names.get(holder).cloned();
                let (Some(named), Some(room)) = (named, room) else { return Err(Reason::Expired) };
                self.leave(cx, holder, Left::Moved);
                (named, room)
            }
            Holder::Gone(gone) => (gone.named, gone.room),
        };
        let own = [Owner::Member(slot), Owner::Absent(grant)];
        if self.names.owners(named.keys).any(|owner| !own.contains(&owner)) {
            return Err(Reason::Taken(named.name));
        }
        if let Some(before) = self.names.get(slot).map(|named| named.grant) {
            self.forget_grant(before);
        }
        self.take_name(cx, slot, named);
        self.grants.take(grant, slot);
        // If the room is full now, the member only gets its name back.
        let _ = self.move_to_named(cx, slot, room);
        Ok(())
    }

    /// Returns name and room to a member that timed out, when the same label is heard again: a
    /// program that only listens would otherwise send under its address without noticing. The
    /// member must be in its link's table already.
    pub(crate) fn come_back(&mut self, cx: &Context<'_>, slot: Slot) {
        let label = self.link_label(cx, slot);
        if self.room_of(slot).is_some()
            && let Some(grant) = self.grants.of_silent(cx.now, &label)
        {
            let word = self.resume_word(grant);
            let said = self.grants.gone(grant).map_or(0, |gone| gone.said);
            // If another member has the name by now, it must request a different one.
            if self.resume(cx, slot, &word).is_ok() {
                self.is_person(cx, slot);
                self.show_missed(cx.now, slot, said);
            }
        }
    }

    /// Reports a remark about a member to the operator.
    pub(crate) fn remark(&mut self, slot: Slot, remark: Remark) {
        self.outputs.push_back(Output::Remark { member: self.members.id(slot), remark });
    }

    /// Gives a member a free name.
    fn take_name(&mut self, cx: &Context<'_>, slot: Slot, named: Named) {
        let before = self.label(cx, slot);
        let name = named.name.clone();
        self.names.set(slot, named);
        self.members.set(slot, Trait::Named, true);
        let member = self.members.id(slot);
        if self.mutes.is_muted(&name) {
            self.members.set(slot, Trait::Muted, true);
            self.mutes.hold(slot, &name);
        }
        self.keep_name(cx, slot);
        if before.as_str() == name.as_str() {
            return;
        }
        if let Some(room) = self.room_of(slot).map(Room::id) {
            self.rooms.renamed(room);
            self.rooms.note(room, |news| news.renamed(cx.now, member, before));
        }
        self.outputs.push_back(Output::Renamed { member, name });
    }

    /// Changes the label that a member's link gives it. If the member has no name, its room shows
    /// the label, so the change is reported there as a rename.
    pub(crate) fn relabel(&mut self, cx: &Context<'_>, slot: Slot, label: Label) {
        let before = self.label(cx, slot);
        self.guests.relabel(slot, label);
        if self.label(cx, slot) == before {
            return;
        }
        let member = self.members.id(slot);
        if let Some(room) = self.room_of(slot).map(Room::id) {
            self.rooms.renamed(room);
            self.rooms.note(room, |news| news.renamed(cx.now, member, before));
        }
    }

    /// A member's name and grant.
    pub(crate) fn named(&self, slot: Slot) -> Option<&Named> {
        self.names.get(slot)
    }
}
