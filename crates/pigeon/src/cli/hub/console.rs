//! The commands of a running hub's terminal, and their answers.

use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_hub::{BanError, Banned, Dropped, Hub, Left};
use pigeon_log::Forget;
use pigeon_net::Stats;
use pigeon_proto::{Format, Name, RoomName, sentence};
use pigeon_text::{escape, pad, width};

use super::archive::Archive;
use super::page::Page;
use super::password::Password;
use super::secure::Secure;
use crate::base::cause::drop_reason;
use crate::base::nearest::nearest;
use crate::base::quantity::{self, roughly};
use crate::base::system_error;
use crate::ui::console;
use crate::ui::suggestions::Suggestions;
use crate::words::{self, key, say};

/// Maximum number of members listed at once: more would scroll away.
const MAX_LISTED: usize = 1_000;

/// Each command with its arguments and the key of its description.
const COMMANDS: [(&str, &str); 21] = [
    ("members", key!("hub-help-members")),
    ("rooms", key!("hub-help-rooms")),
    ("stats", key!("hub-help-stats")),
    ("say [ROOM] TEXT", key!("hub-help-say")),
    ("msg NAME TEXT", key!("hub-help-msg")),
    ("kick NAME", key!("hub-help-kick")),
    ("unkick NAME", key!("hub-help-unkick")),
    ("ban NAME|NET|KEY", key!("hub-help-ban")),
    ("unban NET|KEY", key!("hub-help-unban")),
    ("bans", key!("hub-help-bans")),
    ("mute NAME", key!("hub-help-mute")),
    ("unmute NAME", key!("hub-help-unmute")),
    ("mutes", key!("hub-help-mutes")),
    ("slow ROOM TIME", key!("hub-help-slow")),
    ("forget ROOM|NAME", key!("hub-help-forget")),
    ("password SECRET", key!("hub-help-password")),
    ("page", key!("hub-help-page")),
    ("reload", key!("hub-help-reload")),
    ("quit", key!("hub-help-quit")),
    ("help [COMMAND]", key!("hub-help-help")),
    ("?", key!("hub-help-question")),
];

/// A command of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Members,
    Page,
    Stats,
    Say(String),
    Msg(String, String),
    Kick(String),
    Unkick(String),
    Rooms,
    Ban(String),
    Unban(String),
    Bans,
    Mute(String),
    Unmute(String),
    Mutes,
    Slow(String, Duration),
    Forget(String),
    /// `None`: no password from now on.
    Password(Option<Password>),
    Reload,
    Quit,
    Help(String),
    /// A known command with wrong arguments; carries its usage.
    Misused(&'static str),
    Unknown(String),
}

impl console::Command for Command {
    const QUIT: Command = Command::Quit;
    const CLOSED: &'static str = key!("hub-console-closed");

    fn parse(line: &str) -> Option<Command> {
        let line = line.trim();
        let (word, rest) = cut(line);
        let (first, text) = cut(rest);
        let owned = str::to_string;
        let known = COMMANDS.iter().find(|(usage, _)| cut(usage).0 == word);
        let misused = || match known {
            Some((usage, _)) => Command::Misused(usage),
            None => Command::Unknown(owned(line)),
        };
        Some(match (word, first, text) {
            ("", ..) => return None,
            ("members", "", _) => Command::Members,
            ("stats", "", _) => Command::Stats,
            ("rooms", "", _) => Command::Rooms,
            ("bans", "", _) => Command::Bans,
            ("mutes", "", _) => Command::Mutes,
            ("page", "", _) => Command::Page,
            ("reload", "", _) => Command::Reload,
            ("quit", "", _) => Command::Quit,
            ("help" | "?", about, "") => Command::Help(owned(about)),
            ("say", _, _) if !rest.is_empty() => Command::Say(owned(rest)),
            ("msg", who, text) if !text.is_empty() => Command::Msg(owned(who), owned(text)),
            ("kick", who, "") if !who.is_empty() => Command::Kick(owned(who)),
            ("unkick", who, "") if !who.is_empty() => Command::Unkick(owned(who)),
            ("ban", who, "") if !who.is_empty() => Command::Ban(owned(who)),
            ("unban", net, "") if !net.is_empty() => Command::Unban(owned(net)),
            ("mute", who, "") if !who.is_empty() => Command::Mute(owned(who)),
            ("unmute", who, "") if !who.is_empty() => Command::Unmute(owned(who)),
            ("slow", room, time) => match quantity::duration(time) {
                Ok(time) => Command::Slow(owned(room), time),
                Err(_) => misused(),
            },
            ("forget", _, _) if !rest.is_empty() => Command::Forget(owned(rest)),
            ("password", "off", "") => Command::Password(None),
            ("password", _, _) => match Password::parse(rest) {
                Ok(password) => Command::Password(Some(password)),
                Err(_) => misused(),
            },
            _ => misused(),
        })
    }
}

/// Candidates for Tab: commands, then names.
pub(super) fn suggestions() -> Suggestions {
    let words = COMMANDS.iter().map(|(usage, _)| cut(usage).0);
    Suggestions::new(words.filter(|word| *word != "?"))
}

/// Names of members and rooms, which commands take.
pub(super) fn names(hub: &Hub) -> Vec<Box<str>> {
    let members = hub.names().map(|name| name.as_str().into());
    let rooms = hub.rooms().map(|room| room.name.as_str().into());
    members.take(MAX_LISTED).chain(rooms.take(MAX_LISTED)).collect()
}

/// Splits off the first word.
fn cut(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    (word, rest.trim())
}

/// What commands act on.
pub(super) struct Console<'a> {
    pub(super) hub: &'a mut Hub,
    pub(super) now: Instant,
    pub(super) stats: &'a Stats,
    pub(super) archive: Option<&'a mut Archive>,
    pub(super) secure: Option<&'a Secure>,
    pub(super) page: Option<&'a Page>,
}

impl Console<'_> {
    /// Runs a command and returns its answer in lines. The caller handles `quit`, `reload` and `page`.
    pub(super) fn answer(self, command: Command) -> Vec<String> {
        let Console { hub, now, stats, archive, secure, page } = self;
        let one = match command {
            Command::Members => return members(hub, now, archive.as_deref()),
            Command::Stats => return statistics(hub, stats, archive, secure, page),
            Command::Rooms => return rooms(hub),
            Command::Say(text) => return say(hub, &text),
            Command::Msg(who, text) => match hub.msg(&who, &text) {
                true => return vec![],
                false => nobody(&who),
            },
            Command::Kick(who) => match elsewhere(hub, archive.as_deref(), &who) {
                // A kick would only hide it here.
                Some(at) => say!("hub-kick-elsewhere", who = &escape(&who), hub = &at),
                None if hub.kick(now, &who) => say!("hub-kicked", who = &escape(&who)),
                None => nobody(&who),
            },
            Command::Unkick(who) => match hub.unkick(now, &who) {
                true => say!("hub-unkicked", who = &escape(&who)),
                false => say!("hub-not-kicked", who = &escape(&who)),
            },
            Command::Ban(who) => match hub.ban(now, &who) {
                Ok(key @ Banned::Key(_)) => say!("hub-banned-key", who = &escape(&who), key = &key),
                Ok(net) => say!("hub-banned", net = &net),
                Err(BanError::Elsewhere) => {
                    say!("hub-not-banned-elsewhere", who = &escape(&who))
                }
                Err(BanError::Unknown) => say!("hub-not-banned-unknown", who = &escape(&who)),
                Err(BanError::Own) => say!("hub-not-banned-own", who = &escape(&who)),
                Err(BanError::TooMany) => say!("hub-not-banned-full", who = &escape(&who)),
            },
            Command::Unban(net) => match hub.unban(&net) {
                true => say!("hub-unbanned", net = &escape(&net)),
                false if hub.unkick(now, &net) => say!("hub-unkicked", who = &escape(&net)),
                false => say!("hub-not-banned", net = &escape(&net)),
            },
            Command::Bans => {
                let line = |banned| match banned {
                    key @ Banned::Key(_) => say!("hub-ban-key", key = &key),
                    net => net.to_string(),
                };
                let mut lines: Vec<String> = hub.bans().map(line).collect();
                let banned = lines.len();
                lines.extend(hub.kicks(now).map(|kick| {
                    let who = kick.name.map_or_else(|| kick.label.to_string(), |it| it.to_string());
                    let time = roughly(kick.left);
                    match kick.address {
                        Some(ip) => say!("hub-kick-address", who = who, ip = &ip, time = time),
                        None => say!("hub-kick", who = who, label = &kick.label, time = time),
                    }
                }));
                let kicked = lines.len() - banned;
                lines.push(say!("hub-bans", count = banned, kicked = kicked));
                return lines;
            }
            Command::Mute(who) => mute(hub, &who),
            Command::Unmute(who) => match Name::parse(who.as_bytes()) {
                Ok(name) if hub.unmute(&name) => say!("hub-unmuted", who = &name),
                Err(_) if hub.mute_member(&who, false) => {
                    say!("hub-unmuted", who = &escape(&who))
                }
                _ => say!("hub-not-muted", who = &escape(&who)),
            },
            Command::Mutes => {
                let muted = |(name, now)| match now {
                    Some(now) => say!("hub-mute-renamed", name = name, now = now),
                    None => say!("hub-mute", name = name),
                };
                let mut lines: Vec<String> = hub.mutes().map(muted).collect();
                let slow = hub.slow_rooms();
                lines.extend(slow.map(|(room, time)| {
                    say!("hub-slow", room = &room, time = format!("{time:?}"))
                }));
                lines.push(say!("hub-in-all", count = lines.len()));
                return lines;
            }
            Command::Slow(room, time) => match RoomName::parse(room.as_bytes()) {
                Ok(room) if !hub.slow(room.clone(), time) => {
                    say!("hub-slow-full", room = &room)
                }
                Ok(room) if time.is_zero() => say!("hub-slow-off", room = &room),
                Ok(room) => {
                    say!("hub-slow-on", room = &room, time = format!("{time:?}"))
                }
                Err(error) => {
                    let why = sentence::name_error(error, words::language());
                    say!("hub-not-a-room", room = &escape(&room), why = why)
                }
            },
            Command::Forget(what) => forget(archive, &what),
            Command::Password(password) => {
                let is_asked = password.is_some();
                hub.set_password(password.map(Password::into_inner));
                match is_asked {
                    true => say!("hub-password-asked"),
                    false => say!("hub-password-off"),
                }
            }
            Command::Quit | Command::Reload | Command::Page => return vec![],
            Command::Help(about) => return help(&about),
            Command::Misused(usage) => {
                let does = COMMANDS.iter().find(|(known, _)| *known == usage);
                let does = does.map_or_else(String::new, |(_, does)| say!(does));
                say!("hub-usage", usage = usage, does = does)
            }
            Command::Unknown(line) => unknown(cut(&line).0),
        };
        vec![one]
    }
}

/// Mutes a name. A member without a name is muted by its address until it leaves.
fn mute(hub: &mut Hub, who: &str) -> String {
    match Name::parse(who.as_bytes()) {
        Ok(name) => {
            let is_here = hub.names().any(|here| here.folded() == name.folded());
            match (hub.mute(name.clone()), is_here) {
                (true, true) => say!("hub-muted", name = &name),
                (true, false) => say!("hub-muted-absent", name = &name),
                (false, _) => say!("hub-mutes-full", name = &name),
            }
        }
        Err(_) if hub.mute_member(who, true) => say!("hub-muted-member", who = &escape(who)),
        Err(_) => nobody(who),
    }
}

fn nobody(who: &str) -> String {
    say!("hub-nobody", who = &escape(who))
}

fn unknown(word: &str) -> String {
    let meant = nearest(word, COMMANDS.iter().map(|(usage, _)| cut(usage).0));
    let shown = escape(word);
    match (word, meant) {
        ("exit" | "bye" | "stop" | "退出", _) => say!("hub-no-command-quit", word = &shown),
        ("pigeon", _) => say!("hub-no-command-shell", word = &shown),
        (_, Some(meant)) => say!("hub-no-command-meant", word = &shown, meant = meant),
        (_, None) if word.is_ascii() => say!("hub-no-command-list", word = &shown),
        (_, None) => say!("hub-no-command-say", word = &shown),
    }
}

fn help(about: &str) -> Vec<String> {
    let rows: Vec<[String; 2]> = COMMANDS
        .iter()
        .filter(|(usage, _)| about.is_empty() || cut(usage).0 == about)
        .map(|(usage, does)| [usage.to_string(), say!(does)])
        .collect();
    match rows.is_empty() {
        true => vec![unknown(about)],
        false => align(&rows),
    }
}

/// Sends to the room that the first word names, else to all.
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
        (Ok(()), None) => vec![say!("hub-said")],
        (Ok(()), Some(room)) => vec![say!("hub-said-in", room = &room)],
        (Err(Dropped::TextTooLong), _) => {
            let most = hub.config().most_text(Format::Chat);
            vec![say!("hub-too-long", most = most)]
        }
        (Err(reason), _) => vec![say!("hub-not-sent", why = dropped(reason))],
    }
}

/// Deletes the messages of a room or a name. This cannot be undone, so the operator must say which
/// of the two is meant, and the answer shows how.
fn forget(archive: Option<&mut Archive>, what: &str) -> String {
    let Some(archive) = archive else { return say!("hub-keeps-nothing") };
    let room = |room: &str| RoomName::parse(room.as_bytes()).ok();
    let holds = |room: &RoomName| archive.holds_room(room);
    let forgotten = match cut(what) {
        ("room", name) if !name.is_empty() => match room(name) {
            None => return say!("hub-not-a-room-name", room = &escape(name)),
            Some(room) => match holds(&room) {
                Ok(true) => Forget::Room(room),
                Ok(false) => return say!("hub-nothing-kept-of", room = &room),
                Err(error) => {
                    return say!("hub-not-forgotten", error = system_error::chain(&error));
                }
            },
        },
        ("name", name) if !name.is_empty() => Forget::Speaker(name.into()),
        _ => {
            let is_room = room(what).is_some_and(|room| holds(&room).unwrap_or(false));
            return match is_room {
                true => say!("hub-forget-room", what = &escape(what)),
                false => say!("hub-forget-name", what = &escape(what)),
            };
        }
    };
    let line = match &forgotten {
        Forget::Room(room) => say!("hub-forgetting-room", what = room),
        Forget::Speaker(name) => say!("hub-forgetting-name", what = &escape(&**name)),
    };
    archive.forget(forgotten);
    line
}

/// The hub at which a member is, if it is another one.
fn elsewhere(hub: &Hub, archive: Option<&Archive>, who: &str) -> Option<String> {
    let folded = pigeon_proto::fold(who);
    let is_it = |member: &pigeon_hub::MemberView| {
        let name = member.name.as_ref().map_or(member.label.as_str(), |name| name.as_str());
        pigeon_proto::fold(name) == folded
    };
    let member = hub.members().find(is_it)?;
    archive?.hub_of(member.id).map(str::to_owned)
}

fn members(hub: &Hub, now: Instant, archive: Option<&Archive>) -> Vec<String> {
    let total = hub.member_count();
    let rows: Vec<[String; 7]> = hub
        .members()
        .take(MAX_LISTED)
        .map(|member| {
            let elsewhere = archive.and_then(|archive| archive.hub_of(member.id));
            let name = match (&member.name, elsewhere) {
                (Some(name), _) => name.to_string(),
                (None, Some(_)) => member.label.to_string(),
                (None, None) => "-".to_string(),
            };
            let room = member.room.map_or_else(|| say!("hub-no-password-yet"), |r| r.to_string());
            let ago = |heard| say!("hub-heard", time = roughly(now - heard));
            let heard = member.heard.map_or_else(String::new, ago);
            let rate = match member.rate {
                rate if rate > 0.0 => format!("{rate:.1}/s"),
                _ => String::new(),
            };
            let dropped = match member.dropped {
                0 => String::new(),
                dropped => say!("hub-dropped", count = dropped),
            };
            let muted = if member.is_muted { say!("hub-is-muted") } else { String::new() };
            // The label of a member with a key does not say from where it comes.
            let label = match (elsewhere, member.address) {
                (Some(hub), _) => say!("hub-member-elsewhere", hub = hub),
                (None, Some(_)) => member.label.to_string(),
                (None, None) => format!("{} {}", member.label, member.ip),
            };
            [name, label, room, heard, rate, dropped, muted]
        })
        .collect();
    let mut lines = align(&rows);
    match total - rows.len() {
        0 => lines.push(say!("hub-members", count = total)),
        more => lines.push(say!("hub-members-more", more = more, total = total)),
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
    lines.push(say!("hub-rooms", count = total));
    lines
}

fn statistics(
    hub: &Hub,
    stats: &Stats,
    archive: Option<&mut Archive>,
    secure: Option<&Secure>,
    page: Option<&Page>,
) -> Vec<String> {
    let counted = hub.statistics();
    let mut rows = Vec::new();
    let mut row = |name: &str, count: u64| rows.push([name.to_string(), count.to_string()]);
    row(&say!("hub-stat-members"), hub.member_count() as u64);
    row(&say!("hub-stat-joined"), counted.joined);
    for reason in Left::ALL {
        row(&left(reason), counted.left(reason));
    }
    row(&say!("hub-stat-datagrams-received"), stats.received.datagrams);
    row(&say!("hub-stat-dropped-by-the-kernel"), stats.kernel_drops);
    row(&say!("hub-stat-heartbeats"), counted.heartbeats);
    row(&say!("hub-stat-messages"), counted.messages);
    row(&say!("hub-stat-commands"), counted.commands);
    row(&say!("hub-stat-proofs-asked"), counted.proofs_asked);
    row(&say!("hub-stat-lines-withheld-from-strangers"), counted.lines_withheld);
    for reason in Dropped::ALL.into_iter().filter(|&reason| counted.dropped(reason) > 0) {
        row(&say!("hub-stat-dropped", why = dropped(reason)), counted.dropped(reason));
    }
    row(&say!("hub-stat-datagrams-sent"), stats.sent.datagrams);
    row(&say!("hub-stat-in-trains"), stats.sent.trains);
    row(&say!("hub-stat-resent"), stats.sent.fallbacks);
    for (reason, count) in stats.sent.dropped.iter().filter(|&(_, count)| count > 0) {
        row(&say!("hub-not-sent", why = drop_reason(reason)), count);
    }
    row(&say!("hub-stat-let-others-go-first"), counted.held);
    row(&say!("hub-stat-probes"), counted.probes);
    row(&say!("hub-stat-proved-to-answer-by-themselves"), counted.proved_to_answer);
    row(&say!("hub-stat-trials-put-off"), counted.trials_put_off);
    row(&say!("hub-stat-names-given-up-early"), counted.names_given_up);
    row(&say!("hub-stat-names-kept-no-longer"), counted.names_freed);
    row(&say!("hub-stat-kicks-forgotten-early"), counted.kicks_forgotten);
    row(&say!("hub-stat-events-not-logged-in-time"), counted.events_lost);
    if let Some(archive) = archive {
        rows.extend(archive.statistics());
    }
    if let Some(counters) = secure.and_then(Secure::counters) {
        rows.extend(counters.rows());
    }
    rows.extend(page.into_iter().flat_map(Page::counters));
    align(&rows)
}

fn left(reason: Left) -> String {
    say!(match reason {
        Left::Quit => key!("hub-left-quit"),
        Left::TimedOut => key!("hub-left-timed-out"),
        Left::Kicked => key!("hub-left-kicked"),
        Left::Banned => key!("hub-left-banned"),
        Left::Moved => key!("hub-left-moved"),
        Left::Displaced => key!("hub-left-displaced"),
    })
}

pub(super) fn dropped(reason: Dropped) -> String {
    say!(match reason {
        Dropped::BadSource => key!("hub-dropped-bad-source"),
        Dropped::Banned => key!("hub-dropped-banned"),
        Dropped::Kicked => key!("hub-dropped-kicked"),
        Dropped::Truncated => key!("hub-dropped-truncated"),
        Dropped::Reply => key!("hub-dropped-reply"),
        Dropped::AnswersByItself => key!("hub-dropped-answers-by-itself"),
        Dropped::Unproved => key!("hub-dropped-unproved"),
        Dropped::BadProof => key!("hub-dropped-bad-proof"),
        Dropped::HubFull => key!("hub-dropped-hub-full"),
        Dropped::AddressFull => key!("hub-dropped-address-full"),
        Dropped::LocalsFull => key!("hub-dropped-locals-full"),
        Dropped::RoomFull => key!("hub-dropped-room-full"),
        Dropped::TooManyRooms => key!("hub-dropped-too-many-rooms"),
        Dropped::RawRoom => key!("hub-dropped-raw-room"),
        Dropped::NoPassword => key!("hub-dropped-no-password"),
        Dropped::GuessLimited => key!("hub-dropped-guess-limited"),
        Dropped::Muted => key!("hub-dropped-muted"),
        Dropped::TooSoon => key!("hub-dropped-too-soon"),
        Dropped::RateLimited => key!("hub-dropped-rate-limited"),
        Dropped::HubRateLimited => key!("hub-dropped-hub-rate-limited"),
        Dropped::WorkLimited => key!("hub-dropped-work-limited"),
        Dropped::HeartbeatUnanswered => key!("hub-dropped-heartbeat-unanswered"),
        Dropped::EncodingsFull => key!("hub-dropped-encodings-full"),
        Dropped::TextTooLong => key!("hub-dropped-text-too-long"),
        Dropped::AskedBefore => key!("hub-dropped-asked-before"),
        Dropped::OutOfReach => key!("hub-dropped-out-of-reach"),
        Dropped::NotAQuestion => key!("hub-dropped-not-a-question"),
        Dropped::QuestionsFull => key!("hub-dropped-questions-full"),
        Dropped::NotMember => key!("hub-dropped-not-member"),
        Dropped::BatchFull => key!("hub-dropped-batch-full"),
        Dropped::AnswersFull => key!("hub-dropped-answers-full"),
    })
}

/// Aligns columns by display width.
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
        assert_eq!(help("dance"), ["there is no command dance; `help` lists the commands"]);
    }

    #[test]
    fn columns_line_up_by_display_width() {
        let rows = [["狗哥".to_string(), "x".to_string()], ["sensor".to_string(), "y".to_string()]];
        assert_eq!(align(&rows), ["狗哥    x", "sensor  y"]);
    }
}
