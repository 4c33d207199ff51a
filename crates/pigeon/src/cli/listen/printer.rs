//! Prints datagrams as lines, JSON or raw bytes, and writes captures.
//!
//! Printing a line is cheaper than receiving its datagram, so that printing keeps up: everything
//! goes into one buffer, and the formatted time or address of the last line is copied if it is the
//! same.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_client::{Arrival, Arrivals};

use crate::base::bind::local_of;
use crate::base::payload::PayloadFormat;
use crate::output::{Capture, Spool, json, wall};
use crate::words::say;

/// The output format.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Lines,
    Json,
    Raw,
    /// The usual line without the text, and below it the bytes as xxd(1) prints them.
    Hexdump,
    /// A capture goes to stdout instead.
    Nothing,
}

/// Prints datagrams in a separate thread, so that formatting never delays receiving.
pub(super) struct Printer {
    bound: SocketAddr,
    form: Form,
    format: PayloadFormat,
    capture: Option<Capture>,
    /// The last formatted time, by its milliseconds since the Unix epoch, and the last address.
    stamp: (u128, String),
    sender: (SocketAddr, String),
    /// The words for one byte, for several, and for a truncated datagram, said once.
    words: [String; 3],
}

impl Printer {
    /// A printer for a socket bound to this address.
    pub(super) fn new(
        bound: SocketAddr,
        form: Form,
        format: PayloadFormat,
        capture: Option<Capture>,
    ) -> Printer {
        let sender = (bound, bound.to_string());
        let words =
            [say!("tools-listen-byte"), say!("tools-listen-bytes"), say!("tools-listen-truncated")];
        Printer { bound, form, format, capture, stamp: (u128::MAX, String::new()), sender, words }
    }

    /// Starts the thread. `closed` is called when the output is closed.
    pub(super) fn start(
        mut self,
        closed: impl FnOnce() + Send + 'static,
    ) -> anyhow::Result<Spool<Arrivals>> {
        let mut text = Vec::new();
        let render = move |batches: &mut dyn Iterator<Item = Arrivals>, out: &mut dyn Write| {
            for batch in batches {
                text.clear();
                for arrival in batch.iter() {
                    self.render(&arrival, &mut text);
                    if let Some(capture) = &mut self.capture {
                        let time = wall::since_epoch(arrival.wall);
                        let to = local_of(arrival.destination, arrival.from, self.bound);
                        capture.write(time, arrival.from, to, arrival.payload, arrival.length)?;
                    }
                }
                out.write_all(&text)?;
            }
            self.capture.as_mut().map_or(Ok(()), Capture::flush)
        };
        Spool::new(io::stdout(), render, closed)
    }

    fn render(&mut self, arrival: &Arrival<'_>, text: &mut Vec<u8>) {
        match self.form {
            Form::Nothing => return,
            Form::Raw => return text.extend_from_slice(arrival.payload),
            Form::Lines => {
                self.head(arrival, text);
                text.push(b' ');
                self.format.show_to(arrival.payload, text);
            }
            Form::Hexdump => {
                self.head(arrival, text);
                hexdump(arrival.payload, text);
            }
            Form::Json => text.extend_from_slice(self.json(arrival).as_bytes()),
        }
        text.push(b'\n');
    }

    /// `[2026-11-20 21:04:05.123] 127.0.0.1:5000 5 bytes:`
    fn head(&mut self, arrival: &Arrival<'_>, text: &mut Vec<u8>) {
        let time = wall::since_epoch(arrival.wall);
        if self.stamp.0 != time.as_millis() {
            self.stamp = (time.as_millis(), stamp(time));
        }
        if self.sender.0 != arrival.from {
            self.sender = (arrival.from, arrival.from.to_string());
        }
        let length = arrival.length;
        let [byte, bytes, truncated] = &self.words;
        let bytes = if length == 1 { byte } else { bytes };
        let truncated = if length > arrival.payload.len() { truncated.as_str() } else { "" };
        let (time, from) = (&self.stamp.1, &self.sender.1);
        // Writing to a vector cannot fail.
        let _ = write!(text, "[{time}] {from} {length} {bytes}{truncated}:");
    }

    fn json(&mut self, arrival: &Arrival<'_>) -> String {
        let text = self.format.json_text(arrival.payload);
        json::datagram(json::Datagram {
            time: &wall::local(arrival.wall),
            from: arrival.from,
            to: local_of(arrival.destination, arrival.from, self.bound),
            payload: arrival.payload,
            length: arrival.length,
            text,
            name: None,
        })
    }
}

/// `00000000: 6865 6c6c 6f20 776f 726c 642c 2068 656c  hello world, hel`: one line per 16 bytes,
/// each after a newline.
fn hexdump(payload: &[u8], text: &mut Vec<u8>) {
    // Two digits per byte, and a space after every second byte.
    const COLUMNS: usize = 40;
    for (at, bytes) in payload.chunks(16).enumerate() {
        // Writing to a vector cannot fail.
        let _ = write!(text, "\n{:08x}: ", at * 16);
        let begin = text.len();
        for pair in bytes.chunks(2) {
            pair.iter().for_each(|byte| {
                let _ = write!(text, "{byte:02x}");
            });
            text.push(b' ');
        }
        text.resize(begin + COLUMNS, b' ');
        text.push(b' ');
        let shown = |byte: &u8| matches!(byte, b' '..=b'~');
        text.extend(bytes.iter().map(|byte| if shown(byte) { *byte } else { b'.' }));
    }
}

fn stamp(time: Duration) -> String {
    wall::date_and_millis(&wall::local(Some(time)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hexdump_has_offset_bytes_and_text_in_columns() {
        let dump = |payload: &[u8]| {
            let mut text = Vec::new();
            hexdump(payload, &mut text);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(dump(b""), "");
        assert_eq!(
            dump(b"hello, \x1b[31m \xe4\xbd\xa0!"),
            "\n00000000: 6865 6c6c 6f2c 201b 5b33 316d 20e4 bda0  hello, .[31m ...\n\
             00000010: 21                                       !"
        );
    }
}
