//! `pigeon sockets`: this host's UDP sockets, for the question "who holds this port, and is it
//! losing data?".

use std::io::{self, Write};

use anyhow::{Context, anyhow, bail};
use pigeon_net::{SocketEntry, SocketTable};
use pigeon_text::{escape, pad, width};
use serde_json::{Map, Value};

use crate::base::count::count;
use crate::base::port_holder::describe;
use crate::base::status::Status;
use crate::output::{Color, remark};

const HEADINGS: [&str; 8] = ["LOCAL", "REMOTE", "RECV-Q", "SEND-Q", "DROPS", "USER", "PROCESS", ""];

/// Which columns are numbers, and so stand at the right.
const NUMBERS: std::ops::Range<usize> = 2..5;

/// The mark of a socket that has drops, in words: not everybody sees the colour.
const LOST: &str = "HAS LOST DATA";

const BOLD_RED: &str = "\x1b[1;31m";
const PLAIN: &str = "\x1b[0m";

/// Show this host's UDP sockets: who holds a port, and whether it loses data
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon sockets                    every UDP socket, by port
  pigeon sockets :9999              who holds port 9999? exit 1 if nobody
  pigeon sockets --json | jq -c 'select(.drops > 0)'

RECV-Q is what waits to be read, SEND-Q what waits to leave: bytes, with the system's overhead.
DROPS are datagrams that came and were thrown away since the socket was opened, most often because
RECV-Q was full: the program reads too slowly, or wants a larger receive buffer. Look twice to see
whether it still loses.

What other users' programs hold is only for root to see.

JSON, one object a socket: family (IPv4, IPv6), local and remote (IP:PORT; remote null if not
connected), pid and process (of the lowest pid; null if none can be seen), other_pids (with spaces
between; null if none), user (null if nameless), uid, inode, receive_queue, send_queue, drops.")]
pub(crate) struct Args {
    /// Only sockets bound to this port
    #[arg(value_name = ":PORT", value_parser = port)]
    port: Option<u16>,

    /// Print one JSON object a socket
    #[arg(long)]
    json: bool,
}

/// Prints the table as it is now.
pub(crate) fn run(args: Args, color: Color) -> anyhow::Result<Status> {
    let table = SocketTable::read().context("cannot list the UDP sockets")?;
    let mut sockets = table.sockets;
    if let Some(port) = args.port {
        sockets.retain(|socket| socket.local.port() == port);
        if sockets.is_empty() {
            bail!("no UDP socket of this host is bound to port {port}");
        }
    }
    sockets.sort_by_key(|socket| {
        (socket.local.port(), socket.local.ip(), socket.remote, socket.inode)
    });
    let text = match args.json {
        true => sockets.iter().map(|socket| json(socket) + "\n").collect(),
        false => render(&sockets, table.processes_hidden, color.enabled(&io::stdout())),
    };
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            return Err(anyhow!(error).context("cannot write to stdout"));
        }
        _ => {}
    }
    if let Some(note) = unseen(&sockets, table.processes_hidden) {
        remark(note);
    }
    Ok(Status::Done)
}

/// Reads `:9999`, or `9999`.
fn port(text: &str) -> Result<u16, String> {
    let digits = text.strip_prefix(':').unwrap_or(text);
    // `parse` alone would take +99.
    let number = digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
    number.ok_or_else(|| format!("`{digits}` is no port; write a number up to 65535, e.g. :9999"))
}

/// The table for people.
fn render(sockets: &[SocketEntry], hidden: bool, color: bool) -> String {
    let mut rows = vec![HEADINGS.map(String::from)];
    rows.extend(sockets.iter().map(|socket| row(socket, hidden)));
    let columns: [usize; 8] =
        std::array::from_fn(|at| rows.iter().map(|row| width(&row[at])).max().unwrap_or(0));
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(columns).enumerate().map(|(at, (cell, columns))| match NUMBERS
            .contains(&at)
        {
            true => format!("{cell:>columns$}"),
            false => pad(cell, columns),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        text += &match color && row[7] == LOST {
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
    let holders: Vec<String> = socket.holders.iter().map(describe).collect();
    let holders = match holders.is_empty() {
        true if hidden => "(not visible)".to_string(),
        true => "(none)".to_string(),
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
        if socket.drops > 0 { LOST } else { "" }.to_string(),
    ]
}

/// A socket as one flat object; the help describes the fields. Names are escaped as in the table:
/// they are any bytes that a process likes.
fn json(socket: &SocketEntry) -> String {
    let first = socket.holders.first();
    let others: Vec<String> = socket.holders.iter().skip(1).map(|h| h.pid.to_string()).collect();
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_string(), value);
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

/// Of how many sockets the holders are not to be seen, and why.
fn unseen(sockets: &[SocketEntry], hidden: bool) -> Option<String> {
    let unseen = sockets.iter().filter(|socket| socket.holders.is_empty()).count();
    let all = count(sockets.len(), "socket");
    match (unseen, hidden) {
        (0, _) => None,
        (_, true) => Some(format!("cannot see who holds {unseen} of {all}; root can")),
        (_, false) => Some(format!(
            "no process here holds {unseen} of {all}: the kernel itself, or a container"
        )),
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
            json(&socket("127.0.0.1:9", 3, &[(7, b"a\"\xff\x1b\x7f"), (8, b"b"), (9, b"c")]));
        assert_eq!(
            line,
            r#"{"family":"IPv4","local":"127.0.0.1:9","remote":null,"pid":7,"#.to_string()
                + r#""process":"a\"\\xff\\x1b\\x7f","other_pids":"8 9","user":"狗哥","uid":1000,"#
                + r#""inode":42,"receive_queue":768,"send_queue":0,"drops":3}"#
        );
        let line = json(&socket("[::1]:9", 0, &[]));
        assert!(line.contains(r#""pid":null,"process":null,"other_pids":null"#), "{line}");
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
        assert!(unseen(&table, true).unwrap().starts_with("cannot see who holds 1 of 2 sockets"));
        assert!(unseen(&table, false).unwrap().starts_with("no process here holds 1 of 2 sockets"));
    }
}
