//! What a member may ask of the hub. Every answer is one line.

use pigeon_text::{Encoding, escape};
use subtle::ConstantTimeEq;

use crate::hub::Hub;
use crate::members::{Flag, Named, Slot};
use crate::resume::Holder;
use crate::rooms::{LOBBY, PORCH};
use crate::wording::{count, list};
use crate::{Dropped, Format, Left, Name, NameError, resume};

/// `/who` and `/rooms` go on until their line is this long; the rest is counted. An answer this
/// size crosses any network unfragmented.
const LIST_BYTES: usize = 1_100;

const HELP: &str = "/nick NAME · /who · /join ROOM · /leave (back to the lobby) · /rooms · \
                    /msg NAME TEXT (to one) · /encoding LABEL · /quiet on|off (notices) · \
                    /resume WORD · /history · quit · anything else goes to the room";

/// Answers the command `/word rest` of a member.
pub(crate) fn answer(hub: &mut Hub, slot: Slot, word: &[u8], rest: &[u8]) -> Result<(), Dropped> {
    let waits = hub.members.room(slot) == PORCH;
    let line = match word {
        b"help" => HELP.to_string(),
        b"pass" => pass(hub, slot, rest)?,
        _ if waits => "first /pass SECRET".to_string(),
        b"nick" => nick(hub, slot, rest),
        b"who" => who(hub, slot),
        b"join" => join(hub, slot, rest)?,
        b"leave" => leave(hub, slot)?,
        b"rooms" => rooms(hub),
        b"msg" => return message(hub, slot, rest),
        b"encoding" => encoding(hub, slot, rest),
        b"quiet" => quiet(hub, slot, rest),
        b"resume" => resume(hub, slot, rest)?,
        b"history" => "this hub keeps no history".to_string(),
        _ => format!("there is no /{:.64}; /help tells what there is", escape(word).to_string()),
    };
    hub.tell(slot, &line);
    Ok(())
}

fn nick(hub: &mut Hub, slot: Slot, wish: &[u8]) -> String {
    let called = hub.label(slot);
    if wish.is_empty() {
        return format!("you are {called}; /nick NAME changes that");
    }
    let taken = Name::parse(wish).and_then(|name| Ok((hub.rename(slot, name.clone())?, name)));
    match taken {
        Ok((grant, name)) => {
            let word = resume::word(&hub.seal, grant);
            format!("you are {name}; /resume {word} takes the name back from another address")
        }
        Err(error @ NameError::TooLong) => format!("you stay {called}: {error}"),
        Err(error) => format!("you stay {called}, not {:.128}: {error}", escape(wish).to_string()),
    }
}

fn who(hub: &Hub, slot: Slot) -> String {
    let Some(room) = hub.rooms.get(hub.members.room(slot)) else { return String::new() };
    let total = room.len();
    let labels = room.slots().map(|slot| hub.label(slot));
    let line = format!("{} in {}: ", count(total, "member"), room.name);
    list(line, LIST_BYTES, total, labels)
}

fn rooms(hub: &Hub) -> String {
    let total = hub.rooms.iter().count();
    let labels = hub.rooms.iter().map(|room| format!("{} ({})", room.name, room.len()));
    list(format!("{}: ", count(total, "room")), LIST_BYTES, total, labels)
}

fn join(hub: &mut Hub, slot: Slot, wish: &[u8]) -> Result<String, Dropped> {
    let name = match Name::parse(wish) {
        Ok(name) => name,
        Err(NameError::Empty) => return Ok("/join ROOM; /rooms lists them".to_string()),
        Err(error) => return Ok(format!("you stay in {}: {error}", room_name(hub, slot))),
    };
    enter(hub, slot, |hub| hub.move_to_named(slot, name))
}

fn leave(hub: &mut Hub, slot: Slot) -> Result<String, Dropped> {
    enter(hub, slot, |hub| hub.move_to(slot, LOBBY))
}

/// Moves a member and says where it is now.
fn enter(
    hub: &mut Hub,
    slot: Slot,
    go: impl FnOnce(&mut Hub) -> Result<(), Dropped>,
) -> Result<String, Dropped> {
    if let Err(reason) = go(hub) {
        let why = match reason {
            Dropped::TooManyRooms => "there are too many rooms to make another",
            _ => "that room is full",
        };
        hub.tell(slot, &format!("you stay in {}: {why}", room_name(hub, slot)));
        return Err(reason);
    }
    let members = hub.rooms.get(hub.members.room(slot)).map_or(0, |room| room.len());
    Ok(format!("you are in {}, {}", room_name(hub, slot), count(members, "member")))
}

fn room_name(hub: &Hub, slot: Slot) -> String {
    hub.rooms.get(hub.members.room(slot)).map_or_else(String::new, |room| room.name.to_string())
}

/// `/msg NAME TEXT`: a line for one. It begins as no room's line can, since names hold no spaces.
fn message(hub: &mut Hub, slot: Slot, rest: &[u8]) -> Result<(), Dropped> {
    let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
    let (who, text) = rest.split_at(end);
    let text = text.trim_ascii();
    if text.is_empty() {
        hub.tell(slot, "/msg NAME TEXT");
        return Ok(());
    }
    if text.len() > hub.config.most_text() {
        let most = hub.config.most_text();
        hub.tell(slot, &format!("not sent: {} bytes of text, at most {most}", text.len()));
        return Err(Dropped::TextTooLong);
    }
    let found = std::str::from_utf8(who).ok().and_then(|who| hub.find(who));
    let Some(to) = found.filter(|&to| hub.members.room(to) != PORCH) else {
        let who = escape(who).to_string();
        hub.tell(slot, &format!("nobody here is called {who:.128}; /who lists who is"));
        return Ok(());
    };
    let end = if hub.config.format == Format::Chat { "\n" } else { "" };
    let (sender, receiver) = (hub.label(slot), hub.label(to));
    let line = format!("{sender} (to you): {}{end}", escape(text));
    let copy = format!("you (to {receiver}): {}{end}", escape(text));
    if line.len().max(copy.len()) > pigeon_datagram::MAX_PAYLOAD_V4 {
        hub.tell(slot, "not sent: too long for a datagram once it is wrapped");
        return Err(Dropped::TextTooLong);
    }
    hub.send_text(to, &line);
    hub.send_text(slot, &copy);
    hub.statistics.messages += 1;
    Ok(())
}

fn encoding(hub: &mut Hub, slot: Slot, label: &[u8]) -> String {
    let now = hub.members.encoding(slot);
    if label.is_empty() {
        return format!("you read and write {}; /encoding LABEL changes that", now.name());
    }
    match Encoding::for_label(&String::from_utf8_lossy(label)) {
        // A heartbeat, a command or `quit` would not be known in these.
        Ok(wish) if !wish.is_ascii_compatible() => {
            format!("you stay with {}: {} does not contain ASCII", now.name(), wish.name())
        }
        Ok(wish) => {
            if let Some(room) = hub.rooms.get_mut(hub.members.room(slot)) {
                room.count_encoding(now, false);
                room.count_encoding(wish, true);
            }
            hub.members.set_encoding(slot, wish);
            format!("you read and write {}", wish.name())
        }
        Err(error) => format!("you stay with {}: {error}", now.name()),
    }
}

fn quiet(hub: &mut Hub, slot: Slot, wish: &[u8]) -> String {
    match wish {
        b"on" => hub.members.set(slot, Flag::Quiet, true),
        b"off" => hub.members.set(slot, Flag::Quiet, false),
        _ => return "/quiet on or /quiet off".to_string(),
    }
    match hub.members.has(slot, Flag::Quiet) {
        true => "you get no notices".to_string(),
        false => "you get notices".to_string(),
    }
}

fn pass(hub: &mut Hub, slot: Slot, secret: &[u8]) -> Result<String, Dropped> {
    if hub.members.room(slot) != PORCH {
        return Ok("you are in already".to_string());
    }
    let from = hub.config.sources.counted_as(hub.members.address(slot).ip());
    if !hub.guesses.may(hub.now, from) {
        hub.tell(slot, "too many wrong passwords lately; try again in a minute");
        return Err(Dropped::GuessLimited);
    }
    let password = hub.config.password.as_deref().unwrap_or_default().trim();
    if !bool::from(password.as_bytes().ct_eq(secret)) {
        hub.guesses.wrong(hub.now, from);
        hub.tell(slot, "that is not the password");
        return Err(Dropped::NoPassword);
    }
    enter(hub, slot, |hub| hub.move_to(slot, LOBBY))
}

/// `/resume WORD`: takes back a name and its room.
fn resume(hub: &mut Hub, slot: Slot, word: &[u8]) -> Result<String, Dropped> {
    let Some(grant) = resume::grant(&hub.seal, word) else {
        return Ok("that is no resume word of this hub; /nick NAME asks for a name".to_string());
    };
    let Some(holder) = hub.grants.holder(hub.now, grant).cloned() else {
        return Ok("that word takes nothing back any more; /nick NAME asks for a name".to_string());
    };
    let (name, room) = match holder {
        Holder::Here(holder) if holder == slot => {
            return Ok(format!("you are {} already", hub.label(slot)));
        }
        Holder::Here(holder) => {
            let room = hub.rooms.get(hub.members.room(holder)).map(|room| room.name.clone());
            let name = hub.members.name(holder).cloned();
            hub.leave(holder, Left::Moved);
            match (name, room) {
                (Some(name), Some(room)) => (name, room),
                _ => return Ok("that name is gone".to_string()),
            }
        }
        Holder::Gone { name, room, .. } => (name, room),
    };
    if hub.members.find_name(name.as_str()).is_some_and(|holder| holder != slot) {
        return Ok(format!("{name} is somebody else's by now; /nick NAME asks for a name"));
    }
    if let Some(before) = hub.members.named(slot) {
        let before = before.grant;
        hub.grants.forget(before);
    }
    // The name is free: checked above.
    let _ = hub.take_name(slot, Named { name: name.clone(), grant });
    hub.grants.take(grant, slot);
    // A room that is full by now costs the room, not the name.
    let _ = hub.move_to_named(slot, room);
    Ok(format!("you are {name} again, in {}", room_name(hub, slot)))
}
