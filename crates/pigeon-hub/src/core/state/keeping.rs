//! What outlives a restart: names and their grants, bans, kicks and mutes.

use pigeon_datagram::Instant;
use pigeon_proto::Label;

use super::Core;
use crate::core::grants::Gone;
use crate::core::id::Slot;
use crate::core::input::Context;
use crate::core::kept::{Keep, KeptName};
use crate::core::names::Named;
use crate::core::output::Output;
use crate::statistics::Left;

impl Core {
    pub(super) fn keep(&mut self, change: impl FnOnce() -> Keep) {
        if self.config.keeps {
            self.outputs.push_back(Output::Keep(change()));
        }
    }

    /// Reports a member's name and state for storing, if it has a name.
    pub(super) fn keep_name(&mut self, cx: &Context<'_>, slot: Slot) {
        if !self.config.keeps {
            return;
        }
        let (Some(named), Some(room)) = (self.names.get(slot), self.room_of(slot)) else { return };
        let kept = KeptName {
            grant: named.grant,
            name: named.name.clone(),
            room: room.name().clone(),
            ip: self.source(cx, slot).ip.to_canonical(),
            author: self.author(slot),
            resumes: self.resumes(cx, slot),
            is_free: false,
        };
        self.outputs.push_back(Output::Keep(Keep::Name(kept)));
    }

    /// Restores stored state. A name is reserved as if its holder had just timed out.
    pub(crate) fn restore(&mut self, now: Instant, kept: Keep) {
        match kept {
            Keep::Name(kept) => self.restore_name(now, kept),
            Keep::Grants(last) => {
                let reserved = self.grants.go_on_after(last);
                self.keep(|| Keep::Grants(reserved));
            }
            Keep::Ban(banned) => drop(self.bans.add(banned)),
            Keep::Kick(kept) => self.restore_kick(now, kept),
            Keep::Mute(name) => drop(self.mutes.mute(name)),
            Keep::Slow(room, time) => {
                self.mutes.slow(room.clone(), time);
                self.settle_room(&room);
            }
            Keep::NameGone(_)
            | Keep::BanGone(_)
            | Keep::KickGone(_)
            | Keep::MuteGone(_)
            | Keep::SlowGone(_) => {}
        }
    }

    fn restore_name(&mut self, now: Instant, kept: KeptName) {
        let KeptName { grant, name, room, ip, author, resumes, is_free } = kept;
        let (keys, label) = (self.names.keys(&name), Label::from(&name));
        if self.names.owners(keys).next().is_some() {
            return;
        }
        let named = Named { name, keys, grant, since: now };
        let counted = self.config.sources.counted_as(ip);
        let (since, is_kept) = (now, !is_free);
        let comes_back = false;
        let gone = Gone {
            named,
            room,
            said: 0,
            since,
            ip,
            counted,
            label,
            author,
            resumes,
            is_kept,
            comes_back,
        };
        self.part(gone, Left::TimedOut);
    }
}
