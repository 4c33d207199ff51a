//! What a member may ask of the hub: `/nick`, `/who`, `/help`. Every answer is one line.

use std::fmt::Write;

use pigeon_datagram::Instant;
use pigeon_text::escape;

use crate::hub::Hub;
use crate::members::Slot;
use crate::{Name, NameError};

/// `/who` names members until its line is this long; the rest are counted. An answer this size
/// crosses any network unfragmented.
const WHO_BYTES: usize = 1_100;

const HELP: &str = "/nick NAME (what you are called) · /who (who is here) · /help · quit (leave) · \
                    anything else goes to everyone";

/// Answers the command `/word rest` of a member.
pub(crate) fn answer(hub: &mut Hub, now: Instant, slot: Slot, word: &[u8], rest: &[u8]) -> String {
    match word {
        b"nick" => nick(hub, now, slot, rest),
        b"who" => who(hub),
        b"help" => HELP.to_string(),
        _ => format!("there is no /{:.64}; /help tells what there is", escape(word).to_string()),
    }
}

fn nick(hub: &mut Hub, now: Instant, slot: Slot, wish: &[u8]) -> String {
    let called = hub.label(slot);
    if wish.is_empty() {
        return format!("you are {called}; /nick NAME changes that");
    }
    let taken = Name::parse(wish).and_then(|name| {
        hub.rename(now, slot, name.clone())?;
        Ok(name)
    });
    match taken {
        Ok(name) => format!("you are {name}"),
        Err(error @ NameError::TooLong) => format!("you stay {called}: {error}"),
        Err(error) => format!("you stay {called}, not {:.128}: {error}", escape(wish).to_string()),
    }
}

fn who(hub: &Hub) -> String {
    let total = hub.member_count();
    let mut line = format!("{total} {}: ", if total == 1 { "member" } else { "members" });
    let mut named = 0;
    for slot in hub.slots() {
        let label = hub.label(slot);
        if line.len() + label.len() > WHO_BYTES {
            break;
        }
        if named > 0 {
            line.push_str(", ");
        }
        line.push_str(&label);
        named += 1;
    }
    if named < total {
        // Writing to a string cannot fail.
        let _ = write!(line, " and {} more", total - named);
    }
    line
}
