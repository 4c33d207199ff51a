//! `pigeon time`: what time it is elsewhere.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap_complete::ArgValueCandidates;
use pigeon_client::{Ask, NoReply, RetryPolicy};
use pigeon_net::{Clock, Socket, SocketOptions, first_event};
use pigeon_services::sntp::{Measurement, WhyNot, measure, request};
use pigeon_text::escape;

use crate::base::bind::one_host;
use crate::base::endpoint::Family;
use crate::base::random;
use crate::base::services::wall;
use crate::base::status::Status;
use crate::contacts::peer;
use crate::output::{json, wall as clock_face};

/// How often an NTP server is asked, and how long each time waited for. Each request is a new one:
/// a reply must belong to the very request that has a known sending time.
const ATTEMPTS: u32 = 3;
const WAIT: Duration = Duration::from_secs(1);

/// Ask a time service, or an NTP server, what time it is
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon time 127.0.0.1:9000                a service such as `pigeon serve time:9000`
  pigeon time 127.0.0.1:9000 '%H:%M on %A'  in a format of C's strftime
  pigeon time --sntp ntp.example.org        an NTP server: how far this clock is off")]
pub(crate) struct Args {
    /// Whom to ask: HOST:PORT, HOST PORT as two words, or a contact's name; with --sntp the port may be
    /// left out (123)
    #[arg(value_name = "ENDPOINT", add = ArgValueCandidates::new(peer::candidates))]
    endpoint: String,

    #[command(flatten)]
    family: Family,

    /// A strftime format; none is `%Y-%m-%d %X`
    #[arg(value_name = "FORMAT")]
    format: Vec<String>,

    /// Ask an NTP server (RFC 5905), and show offset and delay
    #[arg(long)]
    sntp: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Asks, and prints the answer.
pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let (to, words) = match args.sntp && args.format.is_empty() {
        true => (peer::resolve(&args.endpoint, 123, args.family)?, &args.format[..]),
        false => {
            let (whom, words) = peer::parse_with_text(&args.endpoint, &args.format)?;
            (whom.endpoint.resolve_in(args.family)?, words)
        }
    };
    one_host(to)?;
    if args.sntp {
        let (measured, attempts) = ask_ntp(to)?;
        return print(&match args.json {
            true => ntp_json(to, &measured, attempts),
            false => ntp_text(&measured),
        });
    }
    let socket = Socket::connect(to, None, &SocketOptions::default())?;
    let clock = Clock::start();
    let format = words.join(" ");
    let ask = Ask::new(clock.now(), to, format.as_bytes(), RetryPolicy::default());
    let outcome = first_event(ask, socket, clock)?;
    if args.json {
        let payload = outcome.result.as_deref().ok();
        let text = payload.and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::to_string);
        print(&json::outcome(to, &outcome, text))?;
    }
    match &outcome.result {
        Ok(_) if args.json => Ok(Status::Done),
        Ok(reply) => print(&escape(reply.strip_suffix(b"\n").unwrap_or(reply)).to_string()),
        Err(NoReply::Refused) => bail!("{to} refused: nobody listens there"),
        Err(NoReply::TimedOut) => bail!(
            "{to}: no reply after {} attempts in {:.1} s",
            outcome.attempts,
            outcome.elapsed.as_secs_f64()
        ),
    }
}

/// Asks until a reply can be used.
fn ask_ntp(to: SocketAddr) -> anyhow::Result<(Measurement, u32)> {
    let policy = RetryPolicy { first: WAIT, most: WAIT, attempts: Some(1) };
    for attempt in 1..=ATTEMPTS {
        let nonce = random::u64()?;
        let question = request(nonce);
        let socket = Socket::connect(to, None, &SocketOptions::default())?;
        let clock = Clock::start();
        let sent = wall(clock.now());
        let began = clock.now();
        let outcome = first_event(Ask::new(began, to, &question, policy), socket, clock)?;
        match outcome.result {
            Ok(reply) => match measure(&reply, &question, sent, began + outcome.elapsed) {
                Ok(measured) => return Ok((measured, attempt)),
                Err(why) if why.is_strange() => {}
                Err(why @ WhyNot::KissOfDeath { .. }) => bail!("{to}: {why}"),
                Err(why) => bail!("{to}: a reply of no use: {why}"),
            },
            Err(NoReply::Refused) => bail!("{to} refused: nobody listens there"),
            Err(NoReply::TimedOut) => {}
        }
    }
    bail!("{to}: no reply after {ATTEMPTS} attempts in {} s", WAIT.as_secs() * u64::from(ATTEMPTS))
}

fn ntp_text(measured: &Measurement) -> String {
    let now = clock_face::local(None).saturating_add(measured.offset);
    let offset = measured.offset.as_secs_f64();
    format!(
        "{}  offset {offset:+.6} s  round trip {:.3} ms  stratum {}  reference {}",
        clock_face::date_and_millis(&now),
        measured.delay.as_secs_f64() * 1000.0,
        measured.stratum,
        escape(&measured.reference.to_string()),
    )
}

/// | field | |
/// | --- | --- |
/// | `to` | who was asked |
/// | `result` | `reply` |
/// | `attempts` | how many requests were sent |
/// | `time` | the time there now, RFC 3339 |
/// | `offset`, `delay` | seconds this clock is behind, and of round trip |
/// | `stratum`, `reference` | how far from a reference clock, and which |
fn ntp_json(to: SocketAddr, measured: &Measurement, attempts: u32) -> String {
    let now = clock_face::local(None).saturating_add(measured.offset);
    json::counts(&[
        ("to", to.to_string().into()),
        ("result", "reply".into()),
        ("attempts", attempts.into()),
        ("time", clock_face::rfc3339(&now).into()),
        ("offset", measured.offset.as_secs_f64().into()),
        ("delay", measured.delay.as_secs_f64().into()),
        ("stratum", measured.stratum.into()),
        ("reference", measured.reference.to_string().into()),
    ])
}

fn print(line: &str) -> anyhow::Result<Status> {
    match writeln!(io::stdout(), "{line}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(anyhow!(error)).context("cannot write to stdout")
        }
        _ => Ok(Status::Done),
    }
}
