//! The goodbye to everybody when the hub stops.

use std::ops::Range;

use pigeon_datagram::{Outbox, Transmit};
use pigeon_proto::{BYE, Format, Gone, Notice};

use super::members::{Flag, Members};
use crate::core::id::Slot;

/// How far the goodbye has come.
pub(super) struct Farewell {
    next: Option<Slot>,
    /// Where the two forms stand in the outbox.
    bye: Range<usize>,
    gone: Range<usize>,
}

impl Farewell {
    pub(super) fn begin(members: &Members, outbox: &mut Outbox) -> Farewell {
        let bye = outbox.append(|bytes| bytes.extend_from_slice(BYE));
        let gone = outbox.append(|bytes| Notice::Gone(Gone::Stopped).write(bytes));
        Farewell { next: members.first(), bye, gone }
    }

    /// The next member's goodbye. Raw members that never asked for the hub's word get none.
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
