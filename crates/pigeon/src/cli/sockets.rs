//! `pigeon sockets`: lists this host's UDP sockets, to show which process holds a port and whether
//! it loses data.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{anyhow, bail};
use jiff::Zoned;
use pigeon_net::{SocketEntry, SocketTable};
use pigeon_text::{escape, pad, width};
use serde_json::{Map, Value};

use crate::base::port_holder::describe;
use crate::base::status::Status;
use crate::output::{Color, remark, wall};
use crate::words::{self, say};

const HEADINGS: [&str; 8] = ["LOCAL", "REMOTE", "RECV-Q", "SEND-Q", "DROPS", "USER", "PROCESS", ""];

/// The numeric columns, which are right-aligned.
const NUMBERS: std::ops::Range<usize> = 2..5;

/// Time between two reads of `--watch`.
const EVERY: Duration = Duration::from_millis(500);

const BOLD_RED: &str = "\x1b[1;31m";
const PLAIN: &str = "\x1b[0m";

/// List this host's UDP sockets: who holds a port, and whether it loses data
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon sockets  # every UDP socket, by port
  pigeon sockets :9999  # who holds port 9999?
  pigeon sockets :9999 --watch  # then every change: new, gone, lost
  pigeon sockets --json | jq -c 'select(.drops > 0)'

Columns:
  RECV-Q  bytes that wait to be read, with the kernel's overhead
  SEND-Q  bytes that wait to be sent, likewise
  DROPS  datagrams discarded since the socket was opened, mostly because RECV-Q was full: the program reads too slowly or needs a larger receive buffer

--watch looks twice a second and may miss a socket that is open for less than half a second. Sockets of other users'
programs are shown without process, except to root.

JSON fields:
  family  IPv4 or IPv6
  local, remote  IP:PORT; remote is null if not connected
  pid, process  the process with the lowest pid; null if not visible
  other_pids  the other processes, separated by spaces; null if none
  user, uid  owner; user is null if the uid has no name
  inode, receive_queue, send_queue, drops  numbers
  time, event, lost  with --watch: event is open (at the start), new, gone or lost; lost counts drops since the last look

Exit status:
  0  the sockets were listed
  1  no socket is bound to :PORT")]
pub(crate) struct Args {
    /// Show only sockets bound to this port
    #[arg(value_name = ":PORT", value_parser = port)]
    port: Option<u16>,

    /// Print one JSON object per socket
    #[arg(long)]
    json: bool,

    /// Keep running and print changes: new sockets, closed sockets, lost datagrams
    #[arg(long)]
    watch: bool,

    /// For fingers used to `ss -uanp` and `netstat -anup`: this is what is shown anyway
    #[arg(short = 'u', short_aliases = ['a', 'n', 'p'], hide = true, action = clap::ArgAction::Count)]
    _all_udp: u8,
}

/// Prints the table, and with `--watch` its changes.
pub(crate) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    let (mut sockets, hidden) = read(args.port)?;
    if let Some(port) = args.port.filter(|_| sockets.is_empty() && !args.watch) {
        bail!(say!("tools-sockets-none", port = &port));
    }
    let color = color.enabled(&io::stdout());
    let text = match (args.json, args.watch) {
        (true, false) => sockets.iter().map(|socket| json(socket, None) + "\n").collect(),
        (true, true) => lines(sockets.iter().map(Change::Open), &wall::local(None), true),
        (false, _) => render(&sockets, hidden, color),
    };
    let mut is_read = write(&text)?;
    if let Some(note) = unseen(&sockets, hidden) {
        remark(note);
    }
    while args.watch && is_read {
        sleep(EVERY);
        let (now, _) = read(args.port)?;
        is_read = write(&lines(changes(&sockets, &now), &wall::local(None), args.json))?;
        sockets = now;
    }
    Ok(Status::Done)
}

/// The sockets bound to a port, or all, sorted by address, and whether some processes' sockets are
/// hidden.
fn read(port: Option<u16>) -> anyhow::Result<(Vec<SocketEntry>, bool)> {
    let table = SocketTable::read().map_err(|error| match error.kind() {
        io::ErrorKind::Unsupported => anyhow!(say!("tools-sockets-elsewhere")),
        _ => anyhow!(error).context(say!("tools-sockets-cannot")),
    })?;
    let mut sockets = table.sockets;
    sockets.retain(|socket| port.is_none_or(|port| socket.local.port() == port));
    sockets.sort_by_key(|socket| {
        (socket.local.port(), socket.local.ip(), socket.remote, socket.inode)
    });
    Ok((sockets, table.processes_hidden))
}

/// Writes to stdout. False if it is closed.
fn write(text: &str) -> anyhow::Result<bool> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(anyhow!(error).context(say!("errors-stdout"))),
    }
}

/// A change of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change<'a> {
    /// Open at the first read.
    Open(&'a SocketEntry),
    New(&'a SocketEntry),
    Gone(&'a SocketEntry),
    /// Number of datagrams dropped since the last read.
    Lost(&'a SocketEntry, u64),
}

/// The differences between two reads. The system reuses an inode number after a socket is closed,
/// but rarely with the same address.
fn changes<'a>(
    before: &'a [SocketEntry],
    now: &'a [SocketEntry],
) -> impl Iterator<Item = Change<'a>> {
    let key = |socket: &SocketEntry| (socket.inode, socket.local);
    let known: HashMap<_, _> = before.iter().map(|socket| (key(socket), socket)).collect();
    // A socket without an inode is closed, and only sends its remaining datagrams.
    let is_open = |socket: &&SocketEntry| socket.inode != 0;
    let remaining: HashSet<_> = now.iter().filter(is_open).map(key).collect();
    let before = before.iter().filter(is_open);
    let gone = before.filter(move |socket| !remaining.contains(&key(socket)));
    let others =
        now.iter().filter(is_open).filter_map(move |socket| match known.get(&key(socket)) {
            None => Some(Change::New(socket)),
            Some(before) => {
                let lost = socket.drops.saturating_sub(before.drops);
                (lost > 0).then_some(Change::Lost(socket, lost))
            }
        });
    gone.map(Change::Gone).chain(others)
}

/// One line per change: `21:04:05 lost  127.0.0.1:9999  cat (pid 7): 12 datagrams, 34 in all`, or
/// JSON.
fn lines<'a>(changes: impl Iterator<Item = Change<'a>>, time: &Zoned, as_json: bool) -> String {
    let line = |change: Change<'a>| {
        let (word, socket, lost) = match change {
            Change::Open(socket) => ("open", socket, None),
            Change::New(socket) => ("new", socket, None),
            Change::Gone(socket) => ("gone", socket, None),
            Change::Lost(socket, lost) => ("lost", socket, Some(lost)),
        };
        let shown = match change {
            Change::Open(_) => say!("tools-sockets-is-open"),
            Change::New(_) => say!("tools-sockets-is-new"),
            Change::Gone(_) => say!("tools-sockets-is-gone"),
            Change::Lost(..) => say!("tools-sockets-has-lost"),
        };
        if as_json {
            return json(socket, Some((time, word, lost))) + "\n";
        }
        let (clock, holders) = (wall::time_of_day(time), holders(socket));
        let mut line = format!("{clock} {}  {}", pad(&shown, 4), socket.local);
        if let Some(remote) = socket.remote {
            line += &format!(" {}", say!("tools-sockets-to", remote = &remote));
        }
        if !holders.is_empty() {
            line += &format!("  {}", holders.join(", "));
        }
        if let Some(lost) = lost {
            let lost = say!("tools-sockets-lost", lost = lost, all = &socket.drops);
            line = words::because(line, lost);
        }
        line + "\n"
    };
    changes.map(line).collect()
}

/// Parses `:9999` or `9999`.
fn port(text: &str) -> Result<u16, String> {
    let digits = text.strip_prefix(':').unwrap_or(text);
    // `parse` alone would accept +99.
    let number = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
    number.ok_or_else(|| say!("errors-not-a-port", text = digits))
}

fn render(sockets: &[SocketEntry], hidden: bool, color: bool) -> String {
    let mut rows = vec![HEADINGS.map(String::from)];
    rows.extend(sockets.iter().map(|socket| row(socket, hidden)));
    let columns: [usize; 8] =
        std::array::from_fn(|at| rows.iter().map(|row| width(&row[at])).max().unwrap_or(0));
    let mut text = String::new();
    let lost = say!("tools-sockets-has-lost-data");
    for row in &rows {
        let cells = row.iter().zip(columns).enumerate().map(|(at, (cell, columns))| match NUMBERS
            .contains(&at)
        {
            true => format!("{cell:>columns$}"),
            false => pad(cell, columns),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        text += &match color && row[7] == lost {
            true => format!("{BOLD_RED}{line}{PLAIN}\n"),
            false => format!("{line}\n"),
        };
    }
    text
}

fn row(socket: &SocketEntry, hidden: bool) -> [String; 8] {
    let user = match &socket.user {
        Some(name) => escape(name).to_string(),
        None => socket.uid.to_string(),
    };
    let holders = holders(socket);
    let holders = match holders.is_empty() {
        true if hidden => say!("tools-sockets-not-visible"),
        true => say!("tools-sockets-nobody"),
        false => holders.join(", "),
    };
    [
        socket.local.to_string(),
        socket.remote.map_or_else(|| "-".to_string(), |remote| remote.to_string()),
        socket.receive_queue.to_string(),
        socket.send_queue.to_string(),
        socket.drops.to_string(),
        user,
        holders,
        // In words too, because not everyone sees the colour.
        if socket.drops > 0 { say!("tools-sockets-has-lost-data") } else { String::new() },
    ]
}

fn holders(socket: &SocketEntry) -> Vec<String> {
    socket.holders.iter().map(describe).collect()
}

/// A socket as one flat object, optionally with a change; the help describes the fields. Names are
/// escaped as in the table, because they may be any bytes.
fn json(socket: &SocketEntry, change: Option<(&Zoned, &str, Option<u64>)>) -> String {
    let first = socket.holders.first();
    let others: Vec<String> = socket.holders.iter().skip(1).map(|h| h.pid.to_string()).collect();
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_string(), value);
    if let Some((time, event, lost)) = change {
        put("time", wall::rfc3339(time).into());
        put("event", event.into());
        if let Some(lost) = lost {
            put("lost", lost.into());
        }
    }
    put("family", if socket.local.is_ipv4() { "IPv4" } else { "IPv6" }.into());
    put("local", socket.local.to_string().into());
    put("remote", socket.remote.map(|remote| remote.to_string()).into());
    put("pid", first.map(|holder| holder.pid).into());
    put("process", first.map(|holder| escape(&holder.name).to_string()).into());
    put("other_pids", Some(others.join(" ")).filter(|pids| !pids.is_empty()).into());
    put("user", socket.user.as_ref().map(|name| escape(name).to_string()).into());
    put("uid", socket.uid.into());
    put("inode", socket.inode.into());
    put("receive_queue", socket.receive_queue.into());
    put("send_queue", socket.send_queue.into());
    put("drops", socket.drops.into());
    Value::Object(object).to_string()
}

/// For how many sockets the process is unknown, and why.
fn unseen(sockets: &[SocketEntry], hidden: bool) -> Option<String> {
    let unseen = sockets.iter().filter(|socket| socket.holders.is_empty()).count();
    let all = sockets.len();
    match (unseen, hidden) {
        (0, _) => None,
        (_, true) => Some(say!("tools-sockets-hidden", unseen = unseen, all = all)),
        (_, false) => Some(say!("tools-sockets-kernel", unseen = unseen, all = all)),
    }
}

#[cfg(test)]
mod tests {
    use pigeon_net::Holder;

    use super::*;

    fn socket(local: &str, drops: u64, holders: &[(u32, &[u8])]) -> SocketEntry {
        let holders = holders.iter().map(|&(pid, name)| Holder { pid, name: name.to_vec() });
        SocketEntry {
            local: local.parse().unwrap(),
            remote: None,
            uid: 1000,
            user: Some("狗哥".to_string()),
            inode: 42,
            receive_queue: 768,
            send_queue: 0,
            drops,
            holders: holders.collect(),
        }
    }

    #[test]
    fn columns_line_up_and_losses_are_told_in_words() {
        let held = socket("127.0.0.1:9", 0, &[(7, "猫\x1b".as_bytes()), (8, b"cat\xff")]);
        let lost = socket("[::]:65535", 1234, &[]);
        let table = render(&[held.clone(), lost.clone()], true, false);
        let expected = "\
LOCAL        REMOTE  RECV-Q  SEND-Q  DROPS  USER  PROCESS
127.0.0.1:9  -          768       0      0  狗哥  猫\\x1b (pid 7), cat\\xff (pid 8)
[::]:65535   -          768       0   1234  狗哥  (not visible)                    HAS LOST DATA
";
        assert_eq!(table, expected);
        let red = render(&[held, lost], false, true);
        assert!(red.contains("\x1b[1;31m[::]:65535"), "{red}");
        assert!(red.ends_with("(none)                           HAS LOST DATA\x1b[0m\n"), "{red}");
        assert_eq!(red.matches('\x1b').count(), 2);
    }

    #[test]
    fn json_is_flat_and_holds_nothing_raw() {
        let line =
            json(&socket("127.0.0.1:9", 3, &[(7, b"a\"\xff\x1b\x7f"), (8, b"b"), (9, b"c")]), None);
        assert_eq!(
            line,
            r#"{"family":"IPv4","local":"127.0.0.1:9","remote":null,"pid":7,"#.to_string()
                + r#""process":"a\"\\xff\\x1b\\x7f","other_pids":"8 9","user":"狗哥","uid":1000,"#
                + r#""inode":42,"receive_queue":768,"send_queue":0,"drops":3}"#
        );
        let line = json(&socket("[::1]:9", 0, &[]), None);
        assert!(line.contains(r#""pid":null,"process":null,"other_pids":null"#), "{line}");
    }

    #[test]
    fn changes_are_new_sockets_those_gone_and_losses_that_grow() {
        let (stays, mut loses) = (socket("127.0.0.1:1", 5, &[]), socket("127.0.0.1:2", 5, &[]));
        let (goes, comes) = (socket("[::1]:3", 0, &[(7, b"cat")]), socket("[::1]:4", 0, &[]));
        let before = [stays.clone(), loses.clone(), goes.clone()];
        loses.drops = 12;
        let now = [stays, loses.clone(), comes.clone()];
        let changes: Vec<Change<'_>> = changes(&before, &now).collect();
        assert_eq!(changes, [Change::Gone(&goes), Change::Lost(&loses, 7), Change::New(&comes)]);
        let time = wall::local(Some(std::time::Duration::ZERO));
        let clock = wall::time_of_day(&time);
        assert_eq!(
            lines(changes.iter().copied(), &time, false),
            format!(
                "{clock} gone  [::1]:3  cat (pid 7)\n{clock} lost  127.0.0.1:2: 7 datagrams, 12 in \
                 all\n{clock} new   [::1]:4\n"
            )
        );
        let json = lines(changes.into_iter(), &time, true);
        assert!(json.contains(r#""event":"lost","lost":7,"family":"IPv4""#), "{json}");
    }

    #[test]
    fn a_port_stands_with_its_colon_or_without() {
        assert_eq!(port(":9999"), Ok(9999));
        assert_eq!(port("9999"), Ok(9999));
        for bad in ["", ":", ":http", "::1", ":65536", ":+9", "127.0.0.1:9"] {
            assert!(port(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn unseen_holders_are_counted_and_explained() {
        let seen = socket("127.0.0.1:9", 0, &[(7, b"a")]);
        let table = [seen.clone(), socket("127.0.0.1:10", 0, &[])];
        assert_eq!(unseen(&[seen], true), None);
        assert!(
            unseen(&table, true)
                .unwrap()
                .starts_with("cannot see which programs hold 1 of 2 sockets")
        );
        assert!(unseen(&table, false).unwrap().starts_with("no process here holds 1 of 2 sockets"));
    }
}
