//! `pigeon send`: datagrams from the command line or from lines of stdin.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use pigeon_client::{Heard, Listener};
use pigeon_datagram::{Instant, Transmit, max_payload};
use pigeon_net::{Clock, Driver, Host, Receipt, Socket, SocketOptions, Stats};
use pigeon_text::escape;

use super::endpoint::Endpoint;
use super::exit::{Status, UsageError};
use super::quantity;
use crate::ui::lines::{Input, next_line};

/// How long a datagram may wait for room in the send buffer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Send datagrams: TEXT is one; without it each line of stdin is one
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  pigeon send 127.0.0.1:9999 hello
  pigeon send 127.0.0.1 9999 hello there    HOST PORT works too
  seq 3 | pigeon send 127.0.0.1:9999        three datagrams
  pigeon send 127.0.0.1:7000 ping --wait 2s print what comes back")]
pub(crate) struct Args {
    /// Where to: HOST:PORT, [V6]:PORT, or HOST PORT as two words
    #[arg(value_name = "ENDPOINT")]
    endpoint: String,

    /// The text of one datagram; several words are joined by spaces
    #[arg(value_name = "TEXT")]
    text: Vec<String>,

    /// Send one empty datagram
    #[arg(long, conflicts_with = "text")]
    empty: bool,

    /// Print replies for so long; exit 1 if none came
    #[arg(long, value_name = "DURATION", value_parser = quantity::interval)]
    wait: Option<Duration>,
}

/// Sends, and perhaps waits for replies.
pub(crate) fn run(args: Args) -> anyhow::Result<Status> {
    let (endpoint, text) = destination(&args.endpoint, &args.text)?;
    let to = endpoint.resolve()?;
    let mut socket = Socket::connect(to, None, &SocketOptions::default())?;
    let mut send = |payload: &[u8]| -> anyhow::Result<()> {
        let most = max_payload(to);
        if payload.len() > most {
            bail!(
                "not sent: {} bytes, and a datagram to {to} carries at most {most}",
                payload.len()
            );
        }
        let transmit = Transmit { to, from: None, range: 0..payload.len(), segment: None };
        let report = socket.send(payload, &[transmit], PATIENCE);
        if report.refused {
            bail!("{to} refused: nobody listens there");
        }
        if report.dropped > 0 {
            match socket.stats().sent.last_failure {
                Some(failure) => bail!("{failure}"),
                None => bail!("cannot send to {to}"),
            }
        }
        Ok(())
    };
    if args.empty {
        send(b"")?;
    } else if !text.is_empty() {
        send(text.join(" ").as_bytes())?;
    } else {
        let mut stdin = io::stdin().lock();
        for number in 1.. {
            let place = || format!("line {number}");
            match next_line(&mut stdin) {
                Input::Line(line) => send(&line).with_context(place)?,
                Input::End if number == 1 => bail!("nothing was sent: no TEXT, and stdin is empty"),
                Input::End => break,
                _ => return Err(anyhow!("not sent: longer than any datagram").context(place())),
            }
        }
    }
    let Some(wait) = args.wait else {
        // On this host a refusal is there as soon as the datagram is.
        return match socket.receive(&mut |_| {}) {
            Ok(Receipt::Refused) => bail!("{to} refused: nobody listens there"),
            _ => Ok(Status::Done),
        };
    };
    print_replies(socket, to, wait)
}

/// `HOST:PORT TEXT…` or `HOST PORT TEXT…`.
fn destination<'a>(first: &str, rest: &'a [String]) -> anyhow::Result<(Endpoint, &'a [String])> {
    let (endpoint, text) = match rest.split_first() {
        Some((port, text)) if !has_port(first) && port.parse::<u16>().is_ok() => {
            let host = first.trim_matches(['[', ']']);
            let bracket = host.contains(':');
            let joined =
                if bracket { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
            (Endpoint::parse(&joined, None), text)
        }
        _ => (Endpoint::parse(first, None), rest),
    };
    let endpoint =
        endpoint.map_err(|why| UsageError(format!("bad endpoint `{}`: {why}", escape(first))))?;
    Ok((endpoint, text))
}

/// Whether the word carries a port of its own; a bare IPv6 address only seems to.
fn has_port(word: &str) -> bool {
    let bare_v6 = word.parse::<std::net::Ipv6Addr>().is_ok();
    !bare_v6 && !word.ends_with(']') && word.contains(':')
}

fn print_replies(
    socket: Socket,
    to: std::net::SocketAddr,
    wait: Duration,
) -> anyhow::Result<Status> {
    let clock = Clock::start();
    let listener = Listener::new(Some(clock.now() + wait));
    let mut driver =
        Driver::new(listener, socket).context("cannot watch the socket")?.with_clock(clock);
    let mut replies = Replies { heard: 0, refused: false, unwritten: None };
    driver.run(&mut replies)?;
    if let Some(error) = replies.unwritten {
        return Err(anyhow!(error).context("cannot write to stdout"));
    }
    if replies.refused {
        bail!("{to} refused: nobody listens there");
    }
    if replies.heard == 0 {
        bail!("no reply from {to} in {}", quantity::roughly(wait));
    }
    Ok(Status::Done)
}

/// Prints replies as they come.
struct Replies {
    heard: u64,
    refused: bool,
    /// What went wrong with stdout, other than that its reader had enough.
    unwritten: Option<io::Error>,
}

impl Host<Listener> for Replies {
    fn woken(&mut self, _: &mut Listener, _: Instant, _: &Stats) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn event(&mut self, _: &Listener, _: Instant, event: Heard) -> ControlFlow<()> {
        match event {
            Heard::Arrival(arrival) => {
                self.heard += 1;
                let text = arrival.payload.strip_suffix(b"\n").unwrap_or(&arrival.payload);
                // One reader of a one-shot tool: if it has gone, there is nobody to print for.
                match writeln!(io::stdout(), "{}", escape(text)) {
                    Ok(()) => ControlFlow::Continue(()),
                    Err(error) => {
                        self.unwritten =
                            Some(error).filter(|error| error.kind() != io::ErrorKind::BrokenPipe);
                        ControlFlow::Break(())
                    }
                }
            }
            Heard::Refused => {
                self.refused = true;
                ControlFlow::Break(())
            }
            Heard::Over => ControlFlow::Break(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<(String, usize), String> {
        let rest: Vec<String> = words[1..].iter().map(ToString::to_string).collect();
        let found = destination(words[0], &rest);
        found.map(|(e, text)| (e.to_string(), text.len())).map_err(|error| error.to_string())
    }

    #[test]
    fn the_port_may_be_a_word_of_its_own() {
        assert_eq!(parsed(&["127.0.0.1:9", "a", "b"]), Ok(("127.0.0.1:9".into(), 2)));
        assert_eq!(parsed(&["127.0.0.1", "9", "a"]), Ok(("127.0.0.1:9".into(), 1)));
        assert_eq!(parsed(&["::1", "9"]), Ok(("[::1]:9".into(), 0)));
        assert_eq!(parsed(&["[::1]", "9"]), Ok(("[::1]:9".into(), 0)));
        assert_eq!(parsed(&["127.0.0.1:9", "10"]), Ok(("127.0.0.1:9".into(), 1)));
        assert!(parsed(&["127.0.0.1", "hello"]).unwrap_err().contains("no port"));
    }
}
