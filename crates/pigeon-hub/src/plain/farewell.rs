//! The hub's goodbyes at its end, and recognition of hubs' goodbyes that come back.

use std::ops::Range;

use pigeon_datagram::{Outbox, Transmit};
use pigeon_proto::{BYE, Format, Gone, Notice};

use super::members::{Flag, Members};
use crate::core::id::Slot;

/// The progress of the goodbyes.
pub(super) struct Farewell {
    next: Option<Slot>,
    /// The positions of both forms in the outbox.
    bye: Range<usize>,
    gone: Range<usize>,
}

impl Farewell {
    pub(super) fn begin(members: &Members, outbox: &mut Outbox) -> Farewell {
        let bye = outbox.append(|bytes| bytes.extend_from_slice(BYE));
        let gone = outbox.append(|bytes| Notice::Gone(Gone::Stopped).write(bytes));
        Farewell { next: members.first(), bye, gone }
    }

    /// The next member's goodbye. Raw members without padded heartbeats get none.
    pub(super) fn poll(&mut self, members: &Members) -> Option<Transmit> {
        while let Some(slot) = self.next {
            self.next = members.after(slot);
            let route = members.route(slot);
            if members.has(slot, Flag::Padded) {
                return Some(route.transmit(self.gone.clone()));
            }
            if members.format(slot) != Format::Raw {
                return Some(route.transmit(self.bye.clone()));
            }
        }
        None
    }
}

/// Whether a payload is a hub's notice to a dropped member. If the sender is not a member, the
/// payload is an echo or another hub's notice. Such a sender must not join, or the exchange would
/// repeat after each time-out.
pub(super) fn is_farewell(format: Format, payload: &[u8]) -> bool {
    let text = payload.trim_ascii();
    text.eq_ignore_ascii_case(BYE) || (format != Format::Raw && text.starts_with(b"* "))
}
