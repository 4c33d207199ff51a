//! `pigeon ask`: one request, one reply.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow};
use clap_complete::ArgValueCandidates;
use pigeon_client::RetryPolicy;
use pigeon_datagram::max_payload;
use pigeon_net::SocketOptions;

use crate::base::asking::{self, asks_anybody};
use crate::base::bind::is_broadcast;
use crate::base::endpoint::{Family, socket_address};
use crate::base::length::check_length;
use crate::base::multicast;
use crate::base::payload::{PayloadArgs, PayloadFormat};
use crate::base::quantity;
use crate::base::status::{Status, UsageError};
use crate::base::system_error;
use crate::contacts::peer;
use crate::output::{json, remark};
use crate::words::say;

/// Send a request and print the reply; ask again until one comes
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon ask 127.0.0.1:7000 'how long is this?'
  pigeon ask 127.0.0.1 9000 '%H:%M'  # host and port as two words
  pigeon ask 127.0.0.1:7000 ping --json  # reply, attempts and time, for scripts
  pigeon ask 224.0.0.251:5353 - < query  # a group: the first reply from anybody
  pigeon ask 192.168.1.1:520 --source 0.0.0.0:520 --hex 010200000000000000000000000000000000000000000010  # all routes, by RIP

Waits 0.1 s for a reply, then asks again and doubles the wait: 0.2, 0.4, 0.8, 1.6 s. Gives up when
the next wait would exceed 2 s. --first, --max and --attempts change this.

Exit status:
  0  a reply came
  1  no reply, or the request was refused")]
pub(crate) struct Args {
    /// Where to send the request: HOST:PORT, [V6]:PORT, HOST PORT as two words, or a contact's name;
    /// one host, a multicast group or a broadcast address
    #[arg(value_name = "ENDPOINT", add = ArgValueCandidates::new(peer::candidates))]
    endpoint: String,

    /// Text of the request; words are joined by spaces, none is an empty datagram, - reads stdin
    #[arg(value_name = "TEXT")]
    text: Vec<String>,

    #[command(flatten)]
    family: Family,

    #[command(flatten)]
    payload: PayloadArgs,

    /// Interpret escapes in TEXT: \n, \r, \t, \0, \\, \xNN for a byte, \u{N} for a character
    #[arg(long, conflicts_with_all = ["hex", "base64"])]
    escapes: bool,

    /// How long to wait for a reply to the first attempt
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = quantity::interval)]
    first: Duration,

    /// Longest wait for a reply; gives up when the next one would be longer
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = quantity::interval)]
    max: Duration,

    /// Maximum number of attempts [default: as many as --max allows]
    #[arg(long, value_name = "N", value_parser = quantity::whole(1_u32..))]
    attempts: Option<u32>,

    /// Address and port to ask from; port 0 lets the system choose
    #[arg(long, value_name = "ADDR:PORT", value_parser = socket_address)]
    source: Option<SocketAddr>,

    /// Interface to send multicast from: its name or one of its addresses
    #[arg(long, value_name = "INTERFACE")]
    multicast_interface: Option<String>,

    /// Print one JSON object: result, attempts, elapsed, and text or base64
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let (peer, words) = peer::parse_with_text(&args.endpoint, &args.text)?;
    let to = peer.endpoint.resolve_in(args.family)?;
    let mut format = PayloadFormat::with(&args.payload, peer.charset);
    let written = match words {
        [dash] if dash == "-" => stdin(max_payload(to))?,
        words => words.join(" ").into_bytes(),
    };
    let request = match args.escapes {
        true => format.read_with_escapes(&written)?,
        false => format.read(&written)?,
    };
    check_length(request.len(), max_payload(to))?;

    let policy = RetryPolicy { first: args.first, most: args.max, attempts: args.attempts };
    let options = SocketOptions {
        broadcast: is_broadcast(to.ip()),
        multicast_interface: multicast::interface(args.multicast_interface.as_deref(), to)?,
        ..SocketOptions::default()
    };
    let socket = asking::open(to, args.source, options)?;
    let show = |payload: &[u8]| format.clone().show(payload);
    let ended = asking::ask(Box::from(request), to, socket, policy, show, remark)?;

    let outcome = &ended.outcome;
    if args.json {
        let payload = outcome.result.as_ref().ok();
        let text = payload.and_then(|(_, payload)| format.json_text(payload));
        let error = ended.cause.map(|cause| cause.to_string());
        print(&json::outcome(to, outcome, error, text))?;
    }
    match &outcome.result {
        Ok(_) if args.json => Ok(Status::Done),
        Ok((from, reply)) => {
            print(&format.show(reply))?;
            let tries = outcome.attempts;
            let millis = format!("{:.1}", outcome.elapsed.as_secs_f64() * 1000.0);
            remark(match *from == to {
                true => say!("tools-reply", from = from, tries = tries, millis = millis),
                false if asks_anybody(to) => {
                    say!("tools-reply-to", from = from, to = &to, tries = tries, millis = millis)
                }
                false => say!(
                    "tools-reply-other-port",
                    from = from,
                    to = &to,
                    tries = tries,
                    millis = millis,
                ),
            });
            Ok(Status::Done)
        }
        Err(why) => Err(ended.no_reply(*why)),
    }
}

/// Reads all of stdin, or one byte more than a datagram can hold, so that the caller rejects it for
/// its length. Not less: text may shrink when it is encoded, and hexadecimal does.
fn stdin(most: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = io::stdin().lock().take(8 * most as u64 + 1).read_to_end(&mut bytes);
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => {
            Err(UsageError(say!("errors-cannot-read-stdin", error = system_error::said(&error)))
                .into())
        }
    }
}

fn print(line: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow!(error)).context(say!("errors-stdout"))
        }
        _ => Ok(()),
    }
}
