//! What can be typed at a running hub's terminal, and what it answers.

use pigeon_datagram::Instant;
use pigeon_hub::{Dropped, Hub, Left};
use pigeon_net::Stats;
use pigeon_proto::Format;
use pigeon_text::{escape, pad, width};

use crate::base::count::count;
use crate::base::quantity::roughly;
use crate::ui::console;

/// The most members listed at once: more scroll away unread.
const MAX_LISTED: usize = 1_000;

const HELP: &str =
    "members, rooms, stats, say TEXT, kick NAME, ban NAME|NET, unban NET, bans, quit";

/// A command of the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Members,
    Stats,
    Say(String),
    Kick(String),
    Rooms,
    Ban(String),
    Unban(String),
    Bans,
    Quit,
    Help,
    Unknown(String),
}

impl console::Command for Command {
    const QUIT: Command = Command::Quit;
    const CLOSED: &'static str = "the console is closed; the hub serves on (Ctrl-C stops it)";

    fn parse(line: &str) -> Option<Command> {
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim();
        Some(match (word, rest) {
            ("", _) => return None,
            ("members", "") => Command::Members,
            ("stats", "") => Command::Stats,
            ("say", text) if !text.is_empty() => Command::Say(text.to_string()),
            ("kick", who) if !who.is_empty() => Command::Kick(who.to_string()),
            ("rooms", "") => Command::Rooms,
            ("ban", who) if !who.is_empty() => Command::Ban(who.to_string()),
            ("unban", net) if !net.is_empty() => Command::Unban(net.to_string()),
            ("bans", "") => Command::Bans,
            ("quit", "") => Command::Quit,
            ("help" | "?", _) => Command::Help,
            _ => Command::Unknown(line.to_string()),
        })
    }
}

/// Does what was asked, and says what came of it, line by line. `quit` is the caller's.
pub(crate) fn answer(command: Command, hub: &mut Hub, now: Instant, stats: &Stats) -> Vec<String> {
    match command {
        Command::Members => members(hub, now),
        Command::Stats => statistics(hub, stats),
        Command::Say(text) => match hub.say(&text) {
            Ok(()) => vec![],
            Err(Dropped::TextTooLong) => {
                let most = hub.config().most_text(Format::Chat);
                vec![format!("not sent: at most {most} bytes of text")]
            }
            Err(reason) => vec![format!("not sent: {}", reason.describe())],
        },
        Command::Kick(who) => match hub.kick(now, &who) {
            true => vec![format!("{} is removed", escape(&who))],
            false => vec![format!("nobody here is called {}; `members` lists them", escape(&who))],
        },
        Command::Rooms => rooms(hub),
        Command::Ban(who) => match hub.ban(now, &who) {
            Ok(net) => vec![format!("{net} is banned; `unban {net}` lifts it")],
            Err(error) => vec![format!("{} is not banned: {error}", escape(&who))],
        },
        Command::Unban(net) => match hub.unban(&net) {
            true => vec![format!("{} is banned no more", escape(&net))],
            false => vec![format!("{} is not banned; `bans` lists what is", escape(&net))],
        },
        Command::Bans => {
            let mut lines: Vec<String> = hub.bans().map(|net| net.to_string()).collect();
            lines.push(format!("{} banned", lines.len()));
            lines
        }
        Command::Quit => vec![],
        Command::Help => vec![HELP.to_string()],
        Command::Unknown(line) => {
            vec![format!("cannot {}; there are: {HELP}", escape(&line))]
        }
    }
}

fn members(hub: &Hub, now: Instant) -> Vec<String> {
    let total = hub.member_count();
    let rows: Vec<[String; 4]> = hub
        .members()
        .take(MAX_LISTED)
        .map(|member| {
            let name = member.name.map_or_else(|| "-".to_string(), |name| name.to_string());
            let room =
                member.room.map_or_else(|| "(no password yet)".to_string(), |r| r.to_string());
            let ago = |heard| format!("heard {} ago", roughly(now - heard));
            [name, member.label.to_string(), room, member.heard.map_or_else(String::new, ago)]
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

fn statistics(hub: &Hub, stats: &Stats) -> Vec<String> {
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
    row("probes", counted.probes);
    row("proved to answer by themselves", counted.proved_to_answer);
    row("trials put off", counted.trials_put_off);
    row("names given up early", counted.names_given_up);
    row("names kept no longer", counted.names_freed);
    row("kicks forgotten early", counted.kicks_forgotten);
    row("events not logged in time", counted.events_lost);
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
        for unknown in ["say", "kick", "quit now", "nonsense"] {
            assert_eq!(Command::parse(unknown), Some(Command::Unknown(unknown.into())));
        }
    }

    #[test]
    fn columns_line_up_by_display_width() {
        let rows = [["狗哥".to_string(), "x".to_string()], ["sensor".to_string(), "y".to_string()]];
        assert_eq!(align(&rows), ["狗哥    x", "sensor  y"]);
    }
}
