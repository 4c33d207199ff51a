//! The core: members of all links, rooms, names, the order of what is said, limits that hold for
//! all, and commands. It knows no address format, no datagram and no link.
//!
//! ```text
//!   Input, from a member ─▶ handle ─┬─▶ state::Core ─▶ Output, to members and rooms
//!                                   └─▶ commands::apply
//! ```
//!
//! - [`state`]: [`Core`] and what can happen to it. Its parts own what they hold: [`members`],
//!   [`names`], [`grants`] (how a name comes back), [`rooms`], [`presence`] (who came and went,
//!   gathered), [`bans`], [`kicks`], [`mutes`], [`capacity`] (counted by [`per_address`]),
//!   [`guesses`] at the password, [`rates`] of all together, [`history`] (who may hear how much of
//!   what was said), [`tallies`] (who says how much). [`kept`]: what outlives a restart.
//! - [`commands`]: what a member may ask for.
//! - [`message`]: a message as data, and the batch between two drains.
//! - [`input`] and [`output`]: what comes from links and what goes to them. [`id`]: who and where.

pub(crate) mod bans;
pub(crate) mod capacity;
mod commands;
mod grants;
mod guesses;
pub(crate) mod history;
pub(crate) mod id;
pub(crate) mod input;
pub(crate) mod kept;
mod kicks;
pub(crate) mod members;
pub(crate) mod message;
mod mutes;
mod names;
pub(crate) mod output;
mod per_address;
pub(crate) mod presence;
mod rates;
pub(crate) mod rooms;
pub(crate) mod state;
mod tallies;
mod work;

use self::id::Slot;
use self::input::{Context, Input};
use self::message::Caller;
use self::state::Core;
use crate::statistics::{Dropped, Left};

/// Does what a member wants. What comes of it are the core's outputs.
///
/// # Errors
/// Why nothing came of it. A command's sender has the refusal; of a message it is the link's part,
/// which knows how often its member has got one lately.
pub(crate) fn handle(
    core: &mut Core,
    cx: &Context<'_>,
    slot: Slot,
    caller: Caller,
    input: Input<'_>,
) -> Result<(), Dropped> {
    match input {
        Input::Say { text, identity } => {
            let room = core.room_of(slot).ok_or(Dropped::NoPassword)?.id();
            core.say(cx, (Some(slot), caller), room, text, identity)
        }
        Input::Command(command) => {
            core.is_person(cx, slot);
            commands::apply(core, cx, slot, command)
        }
        Input::Alive => {
            core.is_person(cx, slot);
            Ok(())
        }
        Input::Leave => {
            core.leave(cx, slot, Left::Quit);
            Ok(())
        }
    }
}
