//! Joining: a sender proves its address if necessary, and becomes a member, perhaps in place of a
//! member that was heard only once. Otherwise it gets one line with the reason.

use std::net::{IpAddr, SocketAddr};

use pigeon_datagram::{Instant, Received, SocketId};
use pigeon_guard::{Code, Origin};
use pigeon_proto::{Incoming, Label, Notice, Prove, Reason, Refusal, Subject};

use super::outgoing::Route;
use super::{Plain, lines};
use crate::core::id::{LinkId, Slot};
use crate::core::input::Source;
use crate::core::state::Core;
use crate::statistics::{Dropped, Left};

/// The least length of an unproved sender's datagram that gets `/prove TOKEN`, which is shorter.
const PROVABLE: usize = 64;

impl Plain {
    /// Whether a sender may join. Requests a proof of address if necessary.
    pub(super) fn may_join(
        &mut self,
        core: &mut Core,
        now: Instant,
        datagram: &Received<'_>,
    ) -> Result<(), Dropped> {
        if core.is_kicked(now, datagram.from.ip(), || label_of(datagram.from)) {
            self.refuse(core, now, datagram, Dropped::Kicked);
            return Err(Dropped::Kicked);
        }
        match core.config().sources.origin(datagram.from.ip()) {
            Origin::Untrusted => {
                self.ask_for_proof(core, now, datagram);
                Err(Dropped::Unproved)
            }
            Origin::Loopback | Origin::Open => Ok(()),
        }
    }

    /// Sends `/prove TOKEN`, and stores only the time.
    fn ask_for_proof(&mut self, core: &mut Core, now: Instant, datagram: &Received<'_>) {
        if datagram.payload.len() < PROVABLE || !self.may_be_told(core, now, datagram.from) {
            return;
        }
        core.statistics_mut().proofs_asked += 1;
        let proof =
            core.token_key().proof(now, datagram.from, &proved_of(datagram.socket)).letters();
        let route = Route::back(datagram);
        self.send(core, route, |bytes| Prove { token: &proof }.write(bytes));
    }

    /// Whether a line may be sent to an address that is not a member.
    pub(super) fn may_be_told(&mut self, core: &mut Core, now: Instant, to: SocketAddr) -> bool {
        let counted_as = core.config().sources.counted_as(to.ip());
        let may = self.strangers.take(now, to, counted_as);
        core.statistics_mut().lines_withheld += u64::from(!may);
        may
    }

    /// Handles a returned token.
    pub(super) fn prove(
        &mut self,
        core: &mut Core,
        now: Instant,
        datagram: &Received<'_>,
        member: Option<Slot>,
        prove: Prove<'_>,
    ) -> Result<(), Dropped> {
        let is_proof = |proof: Code| proof.has_letters(prove.token);
        let about = proved_of(datagram.socket);
        if !core.token_key().proofs(now, datagram.from, &about).any(is_proof) {
            return Err(Dropped::BadProof);
        }
        match member {
            Some(slot) => self.members.touch(slot, now, datagram.local),
            None => drop(self.join(core, now, datagram)?),
        }
        Ok(())
    }

    /// Adds a sender as a member.
    pub(super) fn join(
        &mut self,
        core: &mut Core,
        now: Instant,
        datagram: &Received<'_>,
    ) -> Result<Slot, Dropped> {
        let (from, origin) = (datagram.from, core.config().sources.origin(datagram.from.ip()));
        if !self.strangers.may_come(now, from) {
            return Err(Dropped::RateLimited);
        }
        let outcome = match self.members.can_answer_from(datagram.local) {
            true => {
                let cx = self.context_at(now, datagram.socket);
                let source = Source { ip: from.ip(), origin };
                core.join(&cx, LinkId::PLAIN, source, (None, false), &|| label_of(from))
            }
            false => Err(Dropped::LocalsFull),
        };
        if let Err(reason) = outcome
            && (reason != Dropped::HubFull || self.gives_way(core, origin).is_none())
        {
            self.refuse(core, now, datagram, reason);
        }
        let slot = outcome?.slot();
        self.members.insert(slot, (datagram.socket, from), origin, now);
        self.members.speaks_to(slot, datagram.local);
        let place = (datagram.socket, from);
        let charset = self.left.take(now, place);
        let own = core.config().charset(self.members.format(slot));
        self.members.set_charset(slot, charset.unwrap_or(own));
        core.come_back(&self.context_at(now, datagram.socket), slot);
        Ok(slot)
    }

    /// Displaces a member for a newcomer that was refused because the hub is full. Returns false if
    /// there is none to displace. The core's outputs must be taken before the newcomer tries again,
    /// because it may get the same slot.
    pub(crate) fn displace(&mut self, core: &mut Core, now: Instant, origin: Origin) -> bool {
        let Some(slot) = self.gives_way(core, origin) else { return false };
        core.leave(&self.context_at(now, self.members.socket(slot)), slot, Left::Displaced);
        true
    }

    /// The member to displace: the least recently heard of those heard once. Its address may be
    /// forged; if not, its next datagram makes it a member again.
    fn gives_way(&self, core: &Core, newcomer: Origin) -> Option<Slot> {
        let (near, untrusted) =
            (|| self.members.heard_once(false), || self.members.heard_once(true));
        let (capacity, config) = (core.capacity(), core.config());
        match newcomer {
            _ if !capacity.is_full_for(config, newcomer) => None,
            // At the limit of untrusted members, only one of them can be displaced.
            Origin::Untrusted if capacity.is_at_bound_untrusted(config) => untrusted(),
            Origin::Untrusted => untrusted().or_else(near),
            Origin::Loopback | Origin::Open => near().or_else(untrusted),
        }
    }

    /// Sends a refusal in one line, never longer than the sender's datagram.
    fn refuse(&mut self, core: &mut Core, now: Instant, datagram: &Received<'_>, reason: Dropped) {
        let why = match reason {
            Dropped::Kicked => Reason::Kicked,
            Dropped::HubFull => Reason::HubFull,
            Dropped::RoomFull => Reason::RoomFull,
            Dropped::LocalsFull => Reason::TooManyAddresses,
            _ => Reason::AddressFull,
        };
        let notice = Notice::Refused(Refusal::new(Subject::Member, why));
        let format = self.members.doors().at(datagram.socket).format;
        let line = match Incoming::parse(format, datagram.payload) {
            Incoming::Heartbeat { padded: true } => notice.to_bytes(),
            _ => match lines::line(&notice, core.config().language, format) {
                Some(line) => self.in_own_encoding(core, &line, format),
                None => return,
            },
        };
        if line.len() <= datagram.payload.len() && self.may_be_told(core, now, datagram.from) {
            let route = Route::back(datagram);
            self.send(core, route, |bytes| bytes.extend_from_slice(&line));
        }
    }
}

fn label_of(address: SocketAddr) -> Label {
    match address.ip().to_canonical() {
        IpAddr::V4(v4) => Label::from(SocketAddr::from((v4, address.port()))),
        IpAddr::V6(_) => Label::from(address),
    }
}

/// The subject of a proof besides the address: the listening socket, because each has separate
/// members.
fn proved_of(socket: SocketId) -> [u8; 2] {
    socket.number().to_be_bytes()
}
