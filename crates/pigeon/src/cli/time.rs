//! `pigeon time`: asks another host for the time.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap_complete::ArgValueCandidates;
use pigeon_client::{Request, RetryPolicy, Verdict};
use pigeon_datagram::Instant;
use pigeon_net::SocketOptions;
use pigeon_services::WallClock;
use pigeon_services::sntp::{Measurement, PACKET, WhyNot, measure, request};
use pigeon_text::escape;

use crate::base::asking;
use crate::base::bind::one_host;
use crate::base::endpoint::Family;
use crate::base::payload::line;
use crate::base::random;
use crate::base::services::wall;
use crate::base::status::Status;
use crate::base::system_error;
use crate::contacts::peer;
use crate::output::{json, remark, wall as clock_face};
use crate::words::{self, say};

/// Requests to an NTP server: three in 3.5 s. Servers limit requests (RFC 5905 section 7.4,
/// `RATE`), so it waits longer than other commands.
const POLICY: RetryPolicy =
    RetryPolicy { first: Duration::from_millis(500), most: Duration::from_secs(2), attempts: None };

/// Ask a time service or an NTP server for the time
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon time 127.0.0.1:9000  # a service such as `pigeon serve time:9000`
  pigeon time 127.0.0.1:9000 '%H:%M on %A'  # in a strftime format
  pigeon time --sntp ntp.example.org  # an NTP server: how far this clock is off

Exit status:
  0  a reply came
  1  no reply, or the request was refused")]
pub(crate) struct Args {
    /// Service to ask: HOST:PORT, HOST PORT as two words, or a contact's name; with --sntp, the port
    /// defaults to 123
    #[arg(value_name = "ENDPOINT", add = ArgValueCandidates::new(peer::candidates))]
    endpoint: String,

    #[command(flatten)]
    family: Family,

    /// Format of the time, as for strftime [default: `%Y-%m-%d %X`]
    #[arg(value_name = "FORMAT")]
    format: Vec<String>,

    /// Ask an NTP server (RFC 5905), and print offset and delay
    #[arg(long)]
    sntp: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

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
    let socket = asking::open(to, None, SocketOptions::default())?;
    let asked = Box::from(words.join(" ").into_bytes());
    let show = |payload: &[u8]| line(&String::from_utf8_lossy(payload));
    let ended = asking::ask(asked, to, socket, RetryPolicy::default(), show, remark)?;
    let outcome = &ended.outcome;
    if args.json {
        let payload = outcome.result.as_ref().ok();
        let text = payload.and_then(|(_, bytes)| std::str::from_utf8(bytes).ok());
        let error = ended.cause.map(|cause| cause.to_string());
        print(&json::outcome(to, outcome, error, text.map(str::to_string)))?;
    }
    match &outcome.result {
        Ok(_) if args.json => Ok(Status::Done),
        Ok((_, reply)) => print(&escape(reply.strip_suffix(b"\n").unwrap_or(reply)).to_string()),
        Err(why) => Err(ended.no_reply(*why)),
    }
}

/// Sends requests until a reply answers one of them.
fn ask_ntp(to: SocketAddr) -> anyhow::Result<(Measurement, u32)> {
    let mut requests = Vec::new();
    while POLICY.wait(1 + requests.len() as u32).is_some() {
        requests.push(request(random::u64()?));
    }
    let socket = asking::open(to, None, SocketOptions::default())?;
    let asked = Ntp { requests, sent: Vec::new() };
    let show = |payload: &[u8]| say!("tools-bytes", count = payload.len());
    let ended = asking::ask(asked, to, socket, POLICY, show, remark)?;
    match &ended.outcome.result {
        Ok((_, Ok(measured))) => Ok((*measured, ended.outcome.attempts)),
        Ok((_, Err(why @ WhyNot::KissOfDeath { .. }))) => {
            bail!(words::because(to, system_error::whole(why)))
        }
        Ok((_, Err(why))) => {
            bail!(say!("tools-time-useless", to = &to, why = system_error::whole(why)))
        }
        Err(why) => Err(ended.no_reply(*why)),
    }
}

/// An NTP client. Each attempt has its own nonce, so a reply is measured from the request that it
/// answers, however late it arrives.
struct Ntp {
    requests: Vec<[u8; PACKET]>,
    /// When each attempt was sent.
    sent: Vec<WallClock>,
}

impl Request for Ntp {
    /// An unusable answer also ends the wait, because the server would repeat it.
    type Answer = Result<Measurement, WhyNot>;

    fn write(&mut self, now: Instant, _: u32, out: &mut Vec<u8>) {
        if let Some(request) = self.requests.get(self.sent.len()) {
            self.sent.push(wall(now));
            out.extend_from_slice(request);
        }
    }

    fn judge(&mut self, now: Instant, payload: &[u8]) -> Verdict<Self::Answer> {
        let mut stray = WhyNot::Originate;
        for (request, sent) in self.requests.iter().zip(&self.sent) {
            match measure(payload, request, *sent, now) {
                Err(why) if why.is_strange() => stray = why,
                measured => return Verdict::Answer(measured),
            }
        }
        Verdict::Stray(system_error::whole(&stray))
    }
}

fn ntp_text(measured: &Measurement) -> String {
    let now = clock_face::local(None).saturating_add(measured.offset);
    let offset = measured.offset.as_secs_f64();
    say!(
        "tools-time-sntp",
        time = &clock_face::date_and_millis(&now),
        offset = format!("{offset:+.6}"),
        delay = format!("{:.3}", measured.delay.as_secs_f64() * 1000.0),
        stratum = &measured.stratum,
        reference = &escape(&measured.reference.to_string()),
    )
}

/// | field | |
/// | --- | --- |
/// | `to` | the server |
/// | `result` | `reply` |
/// | `attempts` | number of requests sent |
/// | `time` | the server's time now, RFC 3339 |
/// | `offset`, `delay` | seconds this clock is behind, and of round trip |
/// | `stratum`, `reference` | distance from a reference clock, and its name |
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
            Err(anyhow!(error)).context(say!("errors-stdout"))
        }
        _ => Ok(Status::Done),
    }
}
