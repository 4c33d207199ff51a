//! Writes an operation's payload: some repeat datagrams of the hub, and messages end with a unique
//! number.

use std::net::SocketAddr;

use pigeon_fuzz::addresses::person;
use pigeon_proto::Format;

use super::Model;
use super::places::holder;
use crate::input::{PASSWORD, Payload, Text};

/// A message with the number that identifies it in datagrams.
pub(super) struct Numbered {
    pub(super) number: u32,
    /// The recipient; `None` means the sender's room.
    pub(super) to: Option<SocketAddr>,
}

impl Model {
    /// The payload, and its number if it is a message.
    pub(super) fn payload(
        &mut self,
        from: SocketAddr,
        what: &Payload,
    ) -> (Vec<u8>, Option<Numbered>) {
        let text = match what {
            Payload::Message(text) => {
                let (text, number) = self.text(text);
                return (text, Some(Numbered { number, to: None }));
            }
            Payload::Whisper { to, text } => {
                let (text, number) = self.text(text);
                let message = self.whisper(number, from, holder(&self.hub, to.spelled()));
                let bytes = [b"/msg ", to.spelled().as_bytes(), b" ", &text[..]].concat();
                return (bytes, Some(message));
            }
            Payload::WhisperTo(to) => {
                let number = self.messages.next_number();
                let to = person(*to);
                let message = self.whisper(number, from, Some(to));
                return (format!("/msg {to} #{number}#").into(), Some(message));
            }
            Payload::Echo { before } => {
                let before: &[u8] = if *before { b"10.9.9.9:9: " } else { b"" };
                return ([before, self.heard.last(from)].concat(), None);
            }
            Payload::Prove => return (self.heard.proof(from).to_vec(), None),
            Payload::Resume(which) => {
                return ([b"/resume ", self.heard.resume_word(*which)].concat(), None);
            }
            Payload::Pieces(pieces) => {
                let spelled = pieces.iter().flat_map(|piece| piece.spelled());
                return (spelled.copied().collect(), None);
            }
            Payload::Bytes(bytes) => return (bytes.clone(), None),
            Payload::Grown { piece, times } => {
                return (piece.spelled().repeat(usize::from(*times)), None);
            }
            Payload::Heartbeat => "^hb^".into(),
            Payload::Padded(length) => format!("{:1$}", "^hb^", usize::from(*length)),
            Payload::Quit => "quit\n".into(),
            Payload::Nick(name) => format!("/nick {}", name.spelled()),
            Payload::Join(name) => format!("/join {}", name.spelled()),
            Payload::Leave => "/leave".into(),
            Payload::Lobby => "/join lobby".into(),
            Payload::Who => "/who".into(),
            Payload::Rooms => "/rooms".into(),
            Payload::Help => "/help".into(),
            Payload::Encoding(wish) => format!("/encoding {}", wish.spelled()),
            Payload::Quiet(on) => format!("/quiet {}", if *on { "on" } else { "off" }),
            Payload::Pass(right) => format!("/pass {}", if *right { PASSWORD } else { "guess" }),
            Payload::Discover(nonce) => format!("{:200}", format!("/discover {nonce:x}")),
        };
        (text.into_bytes(), None)
    }

    fn whisper(&self, number: u32, from: SocketAddr, to: Option<SocketAddr>) -> Numbered {
        // If it is accepted and nobody has the name yet, the sender has returned under it.
        let to = Some(to.unwrap_or(from));
        // In a format without commands this is an ordinary message.
        Numbered { number, to: to.filter(|_| self.format(from) != Format::Raw) }
    }

    /// A text that ends with a unique number.
    pub(super) fn text(&mut self, text: &Text) -> (Vec<u8>, u32) {
        let own = self.messages.next_number();
        let number = format!("#{own}#");
        let before = match text {
            Text::Short => Vec::new(),
            Text::Filled(length) => vec![b'y'; usize::from(*length)],
            // Starts with `x`, so that it is a message whatever follows.
            Text::Long { piece, times } => {
                let room = 65_500 - number.len();
                let times = usize::from(*times).min(room / piece.spelled().len());
                [b"x", &piece.spelled().repeat(times)[..]].concat()
            }
        };
        // The text has no numbers, which could belong to other messages.
        let before: Vec<u8> = before.into_iter().filter(|byte| *byte != b'#').collect();
        ([&before[..], number.as_bytes()].concat(), own)
    }
}
