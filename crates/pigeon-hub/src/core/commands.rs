//! Applies commands. Each command gets one notice: its result or a refusal.
//!
//! To add a command, add a value to `pigeon_proto::Command` with its verb, notice and sentences;
//! add an arm here; and change [`Core`] as needed.

use pigeon_proto::{Command, Language, Notice, Reason, Roster, Setting, Subject, Text, Verb, Word};

use super::history::{MOST_LINES, USUAL_LINES, Wanted};
use super::id::Slot;
use super::input::Context;
use super::members::Trait;
use super::rooms::Room;
use super::state::Core;
use crate::event::Remark;
use crate::statistics::Dropped;

/// Maximum number of bytes of a private line besides its text: the longest label, and words.
const MAX_AROUND: usize = 512;

/// Applies a member's command and answers it, now or later. Fails with the reason to count, if a
/// limit of the hub refused it; the member has already been notified.
pub(super) fn apply(
    core: &mut Core,
    cx: &Context<'_>,
    slot: Slot,
    command: Command<'_>,
) -> Result<(), Dropped> {
    let (member, what) = (core.id(slot), Subject::Command(command.verb()));
    match answer(core, cx, slot, command) {
        Ok(notice) => {
            notice.into_iter().for_each(|notice| core.reply(member, notice));
            Ok(())
        }
        Err(reason) => {
            let counted = dropped(&reason);
            if matches!(reason, Reason::Guesses | Reason::WrongPassword)
                && let Some(counted) = counted
            {
                core.remark(slot, Remark::Limited(counted));
            }
            core.refuse(member, what, reason);
            counted.map_or(Ok(()), Err)
        }
    }
}

/// The statistics' reason for a refusal by a limit.
pub(crate) fn dropped(reason: &Reason) -> Option<Dropped> {
    match reason {
        Reason::RoomFull => Some(Dropped::RoomFull),
        Reason::TooManyRooms => Some(Dropped::TooManyRooms),
        Reason::RawRoom => Some(Dropped::RawRoom),
        Reason::Guesses => Some(Dropped::GuessLimited),
        Reason::Kicked => Some(Dropped::Kicked),
        Reason::WrongPassword => Some(Dropped::NoPassword),
        Reason::TooLong { .. } | Reason::Wrapped => Some(Dropped::TextTooLong),
        _ => None,
    }
}

/// The answer; `None` if it follows later.
fn answer(
    core: &mut Core,
    cx: &Context<'_>,
    slot: Slot,
    command: Command<'_>,
) -> Result<Option<Notice>, Reason> {
    let is_in = core.room_of(slot).is_some();
    let notice = match command {
        Command::Help => Ok(Notice::Help),
        Command::Language(language) => {
            core.choose(slot, Trait::Chinese, language == Language::Chinese);
            Ok(Notice::Set(Setting::Language(language)))
        }
        Command::Pass(_) if is_in => who_you_are(core, slot, None),
        Command::Pass(secret) => {
            core.check_password(cx.now, core.source(cx, slot).ip, secret.as_bytes())?;
            core.move_to(cx, slot, cx.home).map_err(no_place)?;
            core.come_back(cx, slot);
            who_you_are(core, slot, None)
        }
        _ if !is_in => Err(Reason::Password),
        Command::Nick(None) => {
            let grant = core.named(slot).map(|named| named.grant);
            who_you_are(core, slot, grant)
        }
        Command::Nick(Some(name)) => {
            let grant = core.rename(cx, slot, name)?;
            core.greet(cx.now, slot);
            who_you_are(core, slot, Some(grant))
        }
        Command::Resume(word) => {
            core.resume(cx, slot, word.as_str())?;
            core.greet(cx.now, slot);
            let grant = core.named(slot).map(|named| named.grant);
            who_you_are(core, slot, grant)
        }
        Command::Join(name) => {
            core.move_to_named(cx, slot, name).map_err(no_place)?;
            who_you_are(core, slot, None)
        }
        Command::Leave => {
            core.move_to(cx, slot, cx.home).map_err(no_place)?;
            who_you_are(core, slot, None)
        }
        Command::Who { from } => roster(core, cx, slot, from),
        Command::Rooms { from } => Ok(rooms(core, from)),
        Command::Msg { to, text } => whisper(core, cx, slot, to, text.as_bytes()),
        Command::History { count, before } => {
            let most = count.unwrap_or(USUAL_LINES).clamp(1, MOST_LINES);
            let wanted = (Wanted::Before(before), most);
            return core.look_up(cx.now, slot, Some(Verb::History), wanted).map(|()| None);
        }
        Command::Search(query) => {
            let wanted = (Wanted::Matching(query.as_str().into()), USUAL_LINES);
            return core.look_up(cx.now, slot, Some(Verb::Search), wanted).map(|()| None);
        }
        Command::Encoding(encoding) => Ok(Notice::Set(Setting::Encoding(encoding))),
        Command::Quiet(on) => {
            core.choose(slot, Trait::Quiet, on);
            Ok(Notice::Set(Setting::Quiet(on)))
        }
    };
    notice.map(Some)
}

fn no_place(reason: Dropped) -> Reason {
    match reason {
        Dropped::TooManyRooms => Reason::TooManyRooms,
        Dropped::RawRoom => Reason::RawRoom,
        _ => Reason::RoomFull,
    }
}

fn who_you_are(core: &Core, slot: Slot, grant: Option<u32>) -> Result<Notice, Reason> {
    let room = core.room_of(slot).ok_or(Reason::Password)?.name().clone();
    let word = grant.map(|grant| core.resume_word(grant).into());
    Ok(Notice::Name { name: core.name(slot).cloned(), room, word })
}

fn roster(core: &Core, cx: &Context<'_>, slot: Slot, from: u32) -> Result<Notice, Reason> {
    let room = core.room_of(slot).ok_or(Reason::Password)?;
    let (people, senders) = (room.people(), room.len() - room.people());
    let listed = room.roster().iter().skip(from as usize);
    let labels = listed.map(|&slot| (core.label(cx, slot), core.link_kind(slot)));
    let (name, version) = (room.name().clone(), room.version());
    let counts = (people as u32, senders as u32);
    Ok(Notice::Roster(Roster::fill(name, version, counts, from, labels)))
}

fn rooms(core: &Core, from: u32) -> Notice {
    let total = core.room_count() as u32;
    let entry = |room: &Room| (room.name().clone(), room.len() as u32);
    Notice::rooms(from, total, core.rooms().skip(from as usize).map(entry))
}

fn whisper(
    core: &mut Core,
    cx: &Context<'_>,
    slot: Slot,
    to: Word<'_>,
    text: &[u8],
) -> Result<Notice, Reason> {
    if core.has(slot, Trait::Muted) {
        return Err(Reason::Muted);
    }
    let most = core.config().most_text(cx.format) as u64;
    if text.len() as u64 > most {
        return Err(Reason::TooLong { length: text.len() as u64, most });
    }
    let nobody = || Reason::Nobody(pigeon_proto::Detail::of(to.as_str().as_bytes()));
    let found = core.find(cx, to.as_str()).filter(|&to| core.room_of(to).is_some());
    let to = found.ok_or_else(nobody)?;
    if !core.can_be_told(cx, to) {
        return Err(Reason::RawRoom);
    }
    let (from_label, to_label) = (core.label(cx, slot), core.label(cx, to));
    let text = Text::of(text).ok_or(Reason::Usage)?;
    let from = Notice::MsgFrom { name: from_label, text: text.clone() };
    let copy = Notice::MsgTo { name: to_label, text };
    // The longest form of its line for any reader.
    let length = |notice: &Notice| {
        let sentences =
            Language::ALL.map(|language| pigeon_proto::sentence::line(notice, language).len() + 1);
        sentences.into_iter().chain([notice.to_bytes().len()]).max().unwrap_or(0)
    };
    // Nearly every text certainly fits, and then no line need be written to check.
    let may_fail = |notice: &Notice| match notice {
        Notice::MsgFrom { text, .. } | Notice::MsgTo { text, .. } => {
            text.as_str().len() + MAX_AROUND > pigeon_datagram::MAX_PAYLOAD_V4
        }
        _ => true,
    };
    if may_fail(&from) && length(&from).max(length(&copy)) > pigeon_datagram::MAX_PAYLOAD_V4 {
        return Err(Reason::Wrapped);
    }
    core.statistics_mut().messages += 1;
    core.reply(core.id(to), from);
    Ok(copy)
}
