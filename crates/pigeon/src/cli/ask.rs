//! `pigeon ask`: one request, one reply.

use std::io::{self, Write};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap_complete::ArgValueCandidates;
use pigeon_client::{Ask, NoReply, RetryPolicy};
use pigeon_datagram::max_payload;
use pigeon_net::{Clock, Socket, SocketOptions, first_event};

use crate::base::bind::one_host;
use crate::base::count::count;
use crate::base::endpoint::Family;
use crate::base::length::check_length;
use crate::base::payload::{PayloadArgs, PayloadFormat};
use crate::base::quantity;
use crate::base::status::Status;
use crate::contacts::peer;
use crate::output::{json, remark};

/// Ask for one reply: sent again until somebody answers
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon ask 127.0.0.1:7000 'how long is this?'
  pigeon ask 127.0.0.1 9000 '%H:%M'       HOST PORT works too
  pigeon ask 127.0.0.1:7000 ping --json   attempts, elapsed time and reply for scripts

Waits 0.1 s for a reply, then asks again and waits twice as long: 0.2, 0.4, 0.8, 1.6 s; gives up
where the wait would pass 2 s. Exit status 1: no reply, or refused.")]
pub(crate) struct Args {
    /// Whom to ask: HOST:PORT, [V6]:PORT, HOST PORT as two words, or a contact's name
    #[arg(value_name = "ENDPOINT", add = ArgValueCandidates::new(peer::candidates))]
    endpoint: String,

    /// The request; none is an empty datagram, several words are joined by spaces
    #[arg(value_name = "TEXT")]
    text: Vec<String>,

    #[command(flatten)]
    family: Family,

    #[command(flatten)]
    payload: PayloadArgs,

    /// How long to wait for a reply to the first attempt
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = quantity::interval)]
    first: Duration,

    /// The longest wait; where the next one would be longer, the request is given up
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = quantity::interval)]
    max: Duration,

    /// The most attempts [default: as many as --max allows]
    #[arg(long, value_name = "N", value_parser = quantity::whole(1_u32..))]
    attempts: Option<u32>,

    /// Print one JSON object: result, attempts, elapsed, and text or base64
    #[arg(long)]
    json: bool,
}

/// Asks, and prints the reply.
pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let (peer, words) = peer::parse_with_text(&args.endpoint, &args.text)?;
    let to = peer.endpoint.resolve_in(args.family)?;
    one_host(to)?;
    let mut format = PayloadFormat::with(&args.payload, peer.charset);
    let request = format.read(words.join(" ").as_bytes())?;
    check_length(request.len(), max_payload(to))?;

    let policy = RetryPolicy { first: args.first, most: args.max, attempts: args.attempts };
    let socket = Socket::connect(to, None, &SocketOptions::default())?;
    let clock = Clock::start();
    let outcome = first_event(Ask::new(clock.now(), to, &request, policy), socket, clock)?;

    if args.json {
        let payload = outcome.result.as_deref().ok();
        let text = payload.and_then(|payload| format.json_text(payload));
        print(&json::outcome(to, &outcome, text))?;
    }
    let tries = tries(outcome.attempts);
    let elapsed = outcome.elapsed;
    match &outcome.result {
        Ok(_) if args.json => Ok(Status::Done),
        Ok(reply) => {
            print(&format.show(reply))?;
            let millis = elapsed.as_secs_f64() * 1000.0;
            remark(format_args!("reply from {to} after {tries}, {millis:.1} ms"));
            Ok(Status::Done)
        }
        Err(NoReply::Refused) => bail!("{to} refused: nobody listens there"),
        Err(NoReply::TimedOut) => {
            bail!("{to}: no reply after {tries} in {:.1} s", elapsed.as_secs_f64())
        }
    }
}

fn tries(attempts: u32) -> String {
    count(attempts, "attempt").to_string()
}

fn print(line: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow!(error)).context("cannot write to stdout")
        }
        _ => Ok(()),
    }
}
