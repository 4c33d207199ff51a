//! The core: members of all links, rooms, names, message order, shared limits, and commands. It is
//! independent of addresses, datagrams and links.
//!
//! ```text
//!   Input, from a member ─▶ handle ─┬─▶ state::Core ─▶ Output, to members and rooms
//!                                   └─▶ commands::apply
//! ```
//!
//! - [`state`]: [`Core`] and its operations. Its parts own their data: [`members`], [`names`],
//!   [`grants`] (reclaiming names), [`rooms`], [`presence`] (collected joins and leaves), [`bans`],
//!   [`kicks`], [`mutes`], [`capacity`] (counted by [`per_address`]), [`guesses`] of the password,
//!   [`guests`] (members of other links), [`rates`] of all members together, [`history`] (requests
//!   for earlier messages), [`tallies`] (messages per member). [`kept`]: persistent state.
//! - [`commands`]: applies members' commands.
//! - [`message`]: a message as data, and the batch between two drains.
//! - [`input`] and [`output`]: data from and to links. [`id`]: identifiers.

pub(crate) mod bans;
pub(crate) mod capacity;
mod commands;
mod grants;
mod guesses;
mod guests;
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

pub(crate) use self::commands::dropped;
use self::id::Slot;
use self::input::{Context, Input};
use self::message::Caller;
use self::state::Core;
use crate::statistics::{Dropped, Left};

/// Handles a member's input; the results are the core's outputs. Fails with the reason that it had
/// no effect. The sender of a command has been notified; for a message that is the link's task,
/// which knows when its member was last notified.
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
