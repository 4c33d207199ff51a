//! What arrives, as lines, as JSON or as it is, and into a capture.

use std::io::{self, Write};
use std::net::SocketAddr;

use pigeon_client::Arrival;

use crate::cli::spelling::Spelling;
use crate::output::{Capture, Spool, json, wall};

/// How arrivals are printed.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Lines,
    Json,
    Raw,
}

/// Prints arrivals, in a thread of its own: parsing and printing never hold up receiving.
pub(super) struct Printer {
    pub(super) bound: SocketAddr,
    pub(super) form: Form,
    pub(super) spelling: Spelling,
    pub(super) capture: Option<Capture>,
}

impl Printer {
    pub(super) fn start(
        mut self,
        closed: impl FnOnce() + Send + 'static,
    ) -> io::Result<Spool<Arrival>> {
        let render = move |arrivals: &mut dyn Iterator<Item = Arrival>, out: &mut dyn Write| {
            let mut text = Vec::new();
            for arrival in arrivals {
                self.render(&arrival, &mut text);
                if let Some(capture) = &mut self.capture {
                    let time = wall::since_epoch(arrival.wall);
                    let to = to(&arrival, self.bound);
                    capture.write(time, arrival.from, to, &arrival.payload, arrival.length)?;
                }
            }
            if let Some(capture) = &mut self.capture {
                capture.flush()?;
            }
            out.write_all(&text)
        };
        Spool::new(io::stdout(), render, closed)
    }

    fn render(&mut self, arrival: &Arrival, text: &mut Vec<u8>) {
        match self.form {
            Form::Raw => return text.extend_from_slice(&arrival.payload),
            Form::Lines => text.extend_from_slice(self.line(arrival).as_bytes()),
            Form::Json => text.extend_from_slice(self.json(arrival).as_bytes()),
        }
        text.push(b'\n');
    }

    /// `[2026-11-20 21:04:05.123] 127.0.0.1:5000 5 bytes: hello`
    fn line(&mut self, arrival: &Arrival) -> String {
        let time = wall::date_and_millis(&wall::local(arrival.wall));
        let (from, length) = (arrival.from, arrival.length);
        let unit = if length == 1 { "byte" } else { "bytes" };
        let truncated = if length > arrival.payload.len() { ", truncated" } else { "" };
        format!(
            "[{time}] {from} {length} {unit}{truncated}: {}",
            self.spelling.show(&arrival.payload)
        )
    }

    fn json(&mut self, arrival: &Arrival) -> String {
        let text = self.spelling.json_text(&arrival.payload);
        json::datagram(json::Datagram {
            time: &wall::local(arrival.wall),
            from: arrival.from,
            to: to(arrival, self.bound),
            payload: &arrival.payload,
            length: arrival.length,
            text,
        })
    }
}

/// The address a datagram came to, as far as the system tells.
fn to(arrival: &Arrival, bound: SocketAddr) -> SocketAddr {
    let ip = match arrival.destination {
        Some(destination) => destination,
        // On a socket for both families an IPv4 peer wrote to an IPv4 address.
        None if bound.ip().is_unspecified() && arrival.from.is_ipv4() => {
            std::net::Ipv4Addr::UNSPECIFIED.into()
        }
        None => bound.ip(),
    };
    SocketAddr::new(ip, bound.port())
}
