//! What can be typed at a running hub's terminal, and what it answers.

use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_hub::{Dropped, Hub, Left};
use pigeon_log::Forget;
use pigeon_net::Stats;
use pigeon_proto::{Format, Name, RoomName};
use pigeon_text::{escape, pad, width};

use super::archive::{self, Archive};
use super::password::Password;
use crate::base::count::count;
use crate::base::nearest::nearest;
use crate::base::quantity::{self, roughly};
use crate::ui::console;
use crate::ui::suggestions::Suggestions;

/// The most members listed at once: more scroll away unread.
const MAX_LISTED: usize = 1_000;

/// Every command, with what it takes and what it does.
const COMMANDS: [(&str, &str); 19] = [
    ("members", "who is here: name, address, room, when last heard, messages a second, drops"),
    ("rooms", "which rooms are open"),
    ("stats", "what has been counted since the start"),
    ("say [ROOM] TEXT", "speaks as the operator, to one room or to all"),
    ("msg NAME TEXT", "speaks as the operator to one member"),
    ("kick NAME", "removes a member for ten minutes"),
    ("ban NAME|NET", "neither hears nor answers a network any more, or the address of a member"),
    ("unban NET", "lifts a ban"),
    ("bans", "which networks are banned"),
    ("mute NAME", "lets nobody speak under this name, nor the member that has it"),
    ("unmute NAME", "lets it speak again"),
    ("mutes", "which names are muted, and which rooms are slow"),
    ("slow ROOM TIME", "one message of each member in this time: slow lobby 2s; 0s lifts it"),
    ("forget ROOM|NAME", "deletes for good what was said: forget room lobby, forget name 小明"),
    ("password SECRET", "asks newcomers for another password until the hub stops; off: for none"),
    ("reload", "reads the settings again, as SIGHUP does"),
    ("quit", "says goodbye to everybody and stops the hub"),
    ("help [COMMAND]", "explains a command, or all"),
    ("?", "the same"),
];

/// A command of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Members,
    Stats,
    Say(String),
    Msg(String, String),
    Kick(String),
    Rooms,
    Ban(String),
    Unban(String),
    Bans,
    Mute(String),
    Unmute(String),
    Mutes,
    Slow(String, Duration),
    Forget(String),
    /// `None`: from now on nobody is asked.
    Password(Option<Password>),
    Reload,
    Quit,
    Help(String),
    /// The first word is a command, and what follows is not right: with its usage.
    Misused(&'static str),
    Unknown(String),
}

impl console::Command for Command {
    const QUIT: Command = Command::Quit;
    const CLOSED: &'static str = "the console is closed; the hub serves on (Ctrl-C stops it)";

    fn parse(line: &str) -> Option<Command> {
        let line = line.trim();
        let (word, rest) = cut(line);
        let (first, text) = cut(rest);
        let owned = str::to_string;
        let known = COMMANDS.iter().find(|(usage, _)| cut(usage).0 == word);
        Some(match (word, first, text) {
            ("", ..) => return None,
            ("members", "", _) => Command::Members,
            ("stats", "", _) => Command::Stats,
            ("rooms", "", _) => Command::Rooms,
            ("bans", "", _) => Command::Bans,
            ("mutes", "", _) => Command::Mutes,
            ("reload", "", _) => Command::Reload,
            ("quit", "", _) => Command::Quit,
            ("help" | "?", about, "") => Command::Help(owned(about)),
            ("say", _, _) if !rest.is_empty() => Command::Say(owned(rest)),
            ("msg", who, text) if !text.is_empty() => Command::Msg(owned(who), owned(text)),
            ("kick", who, "") if !who.is_empty() => Command::Kick(owned(who)),
            ("ban", who, "") if !who.is_empty() => Command::Ban(owned(who)),
            ("unban", net, "") if !net.is_empty() => Command::Unban(owned(net)),
            ("mute", who, "") if !who.is_empty() => Command::Mute(owned(who)),
            ("unmute", who, "") if !who.is_empty() => Command::Unmute(owned(who)),
            ("slow", room, time) if let Ok(time) = quantity::duration(time) => {
                Command::Slow(owned(room), time)
            }
            ("forget", _, _) if !rest.is_empty() => Command::Forget(owned(rest)),
            ("password", "off", "") => Command::Password(None),
            ("password", _, _) if let Ok(password) = Password::parse(rest) => {
                Command::Password(Some(password))
            }
            _ => match known {
                Some((usage, _)) => Command::Misused(usage),
                None => Command::Unknown(owned(line)),
            },
        })
    }
}

/// What Tab completes: commands, and then names.
pub(super) fn suggestions() -> Suggestions {
    let words = COMMANDS.iter().map(|(usage, _)| cut(usage).0);
    Suggestions::new(words.filter(|word| *word != "?"))
}

/// The names that commands take: of members, and of rooms.
pub(super) fn names(hub: &Hub) -> Vec<Box<str>> {
    let members = hub.names().map(|name| name.as_str().into());
    let rooms = hub.rooms().map(|room| room.name.as_str().into());
    members.take(MAX_LISTED).chain(rooms.take(MAX_LISTED)).collect()
}

/// The first word, and the rest.
fn cut(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

/// What the operator's commands are applied to.
pub(super) struct Console<'a> {
    pub(super) hub: &'a mut Hub,
    pub(super) now: Instant,
    pub(super) stats: &'a Stats,
    pub(super) archive: Option<&'a mut Archive>,
}

impl Console<'_> {
    /// Does what was asked, and says what came of it, line by line. `quit` and `reload` are the
    /// caller's.
    pub(super) fn answer(self, command: Command) -> Vec<String> {
        let Console { hub, now, stats, archive } = self;
        let one = match command {
            Command::Members => return members(hub, now),
            Command::Stats => return statistics(hub, stats, archive),
            Command::Rooms => return rooms(hub),
            Command::Say(text) => return say(hub, &text),
            Command::Msg(who, text) => match hub.msg(&who, &text) {
                true => return vec![],
                false => nobody(&who),
            },
            Command::Kick(who) => match hub.kick(now, &who) {
                true => format!(
                    "{} is removed for ten minutes, at its address and port and with its word; `ban` \
                     keeps out the whole address",
                    escape(&who)
                ),
                false => nobody(&who),
            },
            Command::Ban(who) => match hub.ban(now, &who) {
                Ok(net) => format!("{net} is banned; `unban {net}` lifts it"),
                Err(error) => format!("{} is not banned: {error}", escape(&who)),
            },
            Command::Unban(net) => match hub.unban(&net) {
                true => format!("{} is not banned any more", escape(&net)),
                false => format!("{} is not banned; `bans` lists what is", escape(&net)),
            },
            Command::Bans => {
                let mut lines: Vec<String> = hub.bans().map(|net| net.to_string()).collect();
                lines.push(format!("{} banned", lines.len()));
                return lines;
            }
            Command::Mute(who) => mute(hub, &who),
            Command::Unmute(who) => match Name::parse(who.as_bytes()) {
                Ok(name) if hub.unmute(&name) => format!("{name} may speak again"),
                Err(_) if hub.mute_member(&who, false) => {
                    format!("{} may speak again", escape(&who))
                }
                _ => format!("{} is not muted; `mutes` lists who is", escape(&who)),
            },
            Command::Mutes => {
                let mut lines: Vec<String> =
                    hub.mutes().map(|name| format!("{name} muted")).collect();
                let slow = hub.slow_rooms();
                lines.extend(slow.map(|(room, time)| format!("{room} slow: {time:?}")));
                lines.push(format!("{} in all", lines.len()));
                return lines;
            }
            Command::Slow(room, time) => match RoomName::parse(room.as_bytes()) {
                Ok(room) if !hub.slow(room.clone(), time) => {
                    format!("{room} is as it was: too many rooms are slow")
                }
                Ok(room) if time.is_zero() => format!("{room} is not slow any more"),
                Ok(room) => format!("{room} takes one message of each member in {time:?}"),
                Err(error) => format!("{} is not a room's name: {error}", escape(&room)),
            },
            Command::Forget(what) => forget(archive, &what),
            Command::Password(password) => {
                let is_asked = password.is_some();
                hub.set_password(password.map(Password::into_inner));
                match is_asked {
                    true => "newcomers are asked for this password until the hub stops".to_string(),
                    false => "nobody is asked for a password until the hub stops".to_string(),
                }
            }
            Command::Quit | Command::Reload => return vec![],
            Command::Help(about) => return help(&about),
            Command::Misused(usage) => {
                let does = COMMANDS.iter().find(|(known, _)| *known == usage);
                format!("usage: {usage}: {}", does.map_or("", |(_, does)| does))
            }
            Command::Unknown(line) => unknown(cut(&line).0),
        };
        vec![one]
    }
}

/// Mutes a name; a member without one is muted by its address, for as long as it is a member.
fn mute(hub: &mut Hub, who: &str) -> String {
    match Name::parse(who.as_bytes()) {
        Ok(name) => {
            let is_here = hub.names().any(|here| here.folded() == name.folded());
            match (hub.mute(name.clone()), is_here) {
                (true, true) => format!("{name} is muted; `unmute {name}` lifts it"),
                (true, false) => format!(
                    "{name} is muted, though nobody here is called so now; `unmute {name}` lifts it"
                ),
                (false, _) => format!("{name} is not muted: too many names are"),
            }
        }
        Err(_) if hub.mute_member(who, true) => format!(
            "{0} is muted while it is a member; `unmute {0}` lifts it, and `ban` holds longer",
            escape(who)
        ),
        Err(_) => nobody(who),
    }
}

fn nobody(who: &str) -> String {
    format!("nobody here is called {}; `members` lists them", escape(who))
}

fn unknown(word: &str) -> String {
    let meant = nearest(word, COMMANDS.iter().map(|(usage, _)| cut(usage).0));
    let hint = match (word, meant) {
        ("exit" | "bye" | "stop" | "退出", _) => "`quit` stops the hub".to_string(),
        ("pigeon", _) => "that is for a shell: `quit` stops this hub first".to_string(),
        (_, Some(meant)) => format!("is {meant} meant? `help` lists them all"),
        (_, None) if word.is_ascii() => "`help` lists them all".to_string(),
        (_, None) => "`say …` speaks to everybody, `help` lists the commands".to_string(),
    };
    format!("there is no command {}; {hint}", escape(word))
}

fn help(about: &str) -> Vec<String> {
    let rows: Vec<[String; 2]> = COMMANDS
        .iter()
        .filter(|(usage, _)| about.is_empty() || cut(usage).0 == about)
        .map(|(usage, does)| [usage.to_string(), does.to_string()])
        .collect();
    match rows.is_empty() {
        true => vec![unknown(about)],
        false => align(&rows),
    }
}

/// Speaks to the room that the first word names, if one does, or to all.
fn say(hub: &mut Hub, text: &str) -> Vec<String> {
    let (first, rest) = cut(text);
    let room = RoomName::parse(first.as_bytes()).ok();
    let room = room.filter(|room| {
        !rest.is_empty() && hub.rooms().any(|open| open.name.folded() == room.folded())
    });
    let outcome = match &room {
        Some(room) => hub.say_in(room, rest),
        None => hub.say(text),
    };
    match (outcome, room) {
        (Ok(()), None) => vec!["said in every room".to_string()],
        (Ok(()), Some(room)) => vec![format!("said in {room} alone")],
        (Err(Dropped::TextTooLong), _) => {
            let most = hub.config().most_text(Format::Chat);
            vec![format!("not sent: at most {most} bytes of text")]
        }
        (Err(reason), _) => vec![format!("not sent: {}", reason.describe())],
    }
}

/// Forgets what was said in a room or under a name. It cannot be taken back, so the operator says which
/// of the two is meant, and is told how.
fn forget(archive: Option<&mut Archive>, what: &str) -> String {
    let Some(archive) = archive else { return "this hub keeps nothing".to_string() };
    let room = |room: &str| RoomName::parse(room.as_bytes()).ok();
    let holds = |room: &RoomName| archive.holds_room(room);
    let forgotten = match cut(what) {
        ("room", name) if !name.is_empty() => match room(name) {
            None => return format!("{} is not a room's name", escape(name)),
            Some(room) => match holds(&room) {
                Ok(true) => Forget::Room(room),
                Ok(false) => return format!("nothing is kept of {room}"),
                Err(error) => return format!("nothing is forgotten: {error:#}"),
            },
        },
        ("name", name) if !name.is_empty() => Forget::Speaker(name.into()),
        _ => {
            let is_room = room(what).is_some_and(|room| holds(&room).unwrap_or(false));
            let kind = if is_room { "room" } else { "name" };
            let all = if is_room { "all that was said in" } else { "all that was said by" };
            return format!(
                "{all} {0} would be deleted for good: `forget {kind} {0}` does it",
                escape(what)
            );
        }
    };
    let line = format!("forgetting {}; the log says when it is done", archive::said_of(&forgotten));
    archive.forget(forgotten);
    line
}

fn members(hub: &Hub, now: Instant) -> Vec<String> {
    let total = hub.member_count();
    let rows: Vec<[String; 7]> = hub
        .members()
        .take(MAX_LISTED)
        .map(|member| {
            let name = member.name.map_or_else(|| "-".to_string(), |name| name.to_string());
            let room =
                member.room.map_or_else(|| "(no password yet)".to_string(), |r| r.to_string());
            let ago = |heard| format!("heard {} ago", roughly(now - heard));
            let heard = member.heard.map_or_else(String::new, ago);
            let rate = match member.rate {
                rate if rate > 0.0 => format!("{rate:.1}/s"),
                _ => String::new(),
            };
            let dropped = match member.dropped {
                0 => String::new(),
                dropped => format!("{dropped} dropped"),
            };
            let muted = if member.is_muted { "muted" } else { "" };
            [name, member.label.to_string(), room, heard, rate, dropped, muted.to_string()]
        })
        .collect();
    let mut lines = align(&rows);
    match total - rows.len() {
        0 => lines.push(count(total, "member").to_string()),
        more => lines.push(format!("and {more} more, {total} members in all")),
    }
    lines
}

fn rooms(hub: &Hub) -> Vec<String> {
    let rows: Vec<[String; 2]> = hub
        .rooms()
        .take(MAX_LISTED)
        .map(|room| [room.name.to_string(), room.members.to_string()])
        .collect();
    let mut lines = align(&rows);
    let total = hub.rooms().count();
    lines.push(count(total, "room").to_string());
    lines
}

fn statistics(hub: &Hub, stats: &Stats, archive: Option<&mut Archive>) -> Vec<String> {
    let counted = hub.statistics();
    let mut rows = Vec::new();
    let mut row = |name: &str, count: u64| rows.push([name.to_string(), count.to_string()]);
    row("members", hub.member_count() as u64);
    row("joined", counted.joined);
    for reason in Left::ALL {
        row(reason.describe(), counted.left(reason));
    }
    row("datagrams received", stats.received.datagrams);
    row("dropped by the kernel", stats.kernel_drops);
    row("heartbeats", counted.heartbeats);
    row("messages", counted.messages);
    row("commands", counted.commands);
    row("proofs asked", counted.proofs_asked);
    row("lines withheld from strangers", counted.lines_withheld);
    for reason in Dropped::ALL.into_iter().filter(|&reason| counted.dropped(reason) > 0) {
        row(&format!("dropped: {}", reason.describe()), counted.dropped(reason));
    }
    row("datagrams sent", stats.sent.datagrams);
    row("  in trains", stats.sent.trains);
    row("  trains resent singly", stats.sent.fallbacks);
    for (reason, count) in stats.sent.dropped.iter().filter(|&(_, count)| count > 0) {
        row(&format!("not sent: {reason}"), count);
    }
    row("let others go first", counted.held);
    row("probes", counted.probes);
    row("proved to answer by themselves", counted.proved_to_answer);
    row("trials put off", counted.trials_put_off);
    row("names given up early", counted.names_given_up);
    row("names kept no longer", counted.names_freed);
    row("kicks forgotten early", counted.kicks_forgotten);
    row("events not logged in time", counted.events_lost);
    if let Some(archive) = archive {
        rows.extend(archive.statistics().map(|(name, value)| [name.to_string(), value]));
    }
    align(&rows)
}

/// Columns that line up, whatever the script of the names.
fn align<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let columns: [usize; N] =
        std::array::from_fn(|c| rows.iter().map(|row| width(&row[c])).max().unwrap_or(0));
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(columns).map(|(cell, columns)| pad(cell, columns));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_string()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::console::Command as _;
    use super::*;

    #[test]
    fn commands_are_read_with_their_rest() {
        assert_eq!(Command::parse("  say  你好 there "), Some(Command::Say("你好 there".into())));
        assert_eq!(Command::parse("kick 狗哥"), Some(Command::Kick("狗哥".into())));
        assert_eq!(Command::parse("quit"), Some(Command::Quit));
        assert_eq!(Command::parse(""), None);
        assert_eq!(Command::parse("slow lobby 2s"), {
            Some(Command::Slow("lobby".into(), Duration::from_secs(2)))
        });
        assert_eq!(Command::parse("msg dog  hi there"), {
            Some(Command::Msg("dog".into(), "hi there".into()))
        });
        assert_eq!(Command::parse("forget room lobby"), Some(Command::Forget("room lobby".into())));
        assert_eq!(Command::parse("password off"), Some(Command::Password(None)));
        for (line, usage) in [
            ("say", "say [ROOM] TEXT"),
            ("kick", "kick NAME"),
            ("quit now", "quit"),
            ("slow lobby soon", "slow ROOM TIME"),
            ("password", "password SECRET"),
        ] {
            assert_eq!(Command::parse(line), Some(Command::Misused(usage)));
        }
        assert_eq!(Command::parse("nonsense"), Some(Command::Unknown("nonsense".into())));
    }

    #[test]
    fn every_command_is_explained() {
        let lines = help("");
        assert_eq!(lines.len(), COMMANDS.len());
        for (usage, _) in COMMANDS {
            let word = cut(usage).0;
            let parsed = Command::parse(word);
            assert!(!matches!(parsed, Some(Command::Unknown(_)) | None), "{word}");
            assert_eq!(help(word).len(), 1);
        }
        assert_eq!(help("dance"), ["there is no command dance; `help` lists them all"]);
    }

    #[test]
    fn columns_line_up_by_display_width() {
        let rows = [["狗哥".to_string(), "x".to_string()], ["sensor".to_string(), "y".to_string()]];
        assert_eq!(align(&rows), ["狗哥    x", "sensor  y"]);
    }
}
