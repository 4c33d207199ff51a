//! Somebody sends something: one message is relayed at the most, no echo is, and neither the banned
//! nor who can get no answer becomes a member.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use pigeon_datagram::{MAX_PAYLOAD_V4, Machine, Received};
use pigeon_fuzz::addresses::is_bad;
use pigeon_proto::Format;

use super::Model;
use super::payload::Numbered;
use crate::input::Payload;

impl Model {
    pub(super) fn datagram(&mut self, from: SocketAddr, what: &Payload) {
        let (mut payload, message) = self.payload(from, what);
        // Without its end a message has no number.
        let message = message.filter(|_| payload.len() <= MAX_PAYLOAD_V4);
        // Nor can be told whom a name means in another encoding.
        let is_clear = self.heard.writes_utf8(from) || !matches!(what, Payload::Whisper { .. });
        let message = message.filter(|_| is_clear);
        payload.truncate(MAX_PAYLOAD_V4);
        self.sends(from, what, &payload, message.is_some());
        self.begin(payload.len());
        let relayed = self.hub.statistics().messages;
        let was_banned = self.hub.bans().any(|net| net.contains(&from.ip()));
        let echo = self.is_echo(from, what);
        self.received += 1;
        let datagram = Received { socket: self.door(from), ..Received::new(from, &payload) };
        self.hub.handle_datagram(self.now, &datagram);
        assert_eq!(self.hub.statistics().received, self.received);
        self.look();
        self.words.heard(from, &payload, &self.places);
        if is_bad(from) || was_banned {
            assert!(!self.places.contains_key(&from), "{from} is a member");
        }
        let relayed = self.hub.statistics().messages - relayed;
        assert!(relayed <= 1);
        assert!(
            !echo || relayed == 0,
            "an echo is relayed: {:?}",
            String::from_utf8_lossy(&payload)
        );
        if relayed == 1
            && let Some(message) = message
        {
            self.on_its_way(from, message);
        }
    }

    /// Notes what is known of a sender, and of a payload, whatever the hub makes of it.
    fn sends(&mut self, from: SocketAddr, what: &Payload, payload: &[u8], is_message: bool) {
        if !is_message {
            self.messages.blur(payload);
        }
        if !is_bad(from) {
            self.spoke.insert(from);
        }
        if matches!(what, Payload::Encoding(_)) || payload.windows(9).any(|w| w == b"/encoding") {
            self.heard.is_foreign(from);
        }
        self.strangers.pays(from, payload.len());
    }

    /// Whether this is an echo that must go no further. The raw format lets two pass.
    fn is_echo(&self, from: SocketAddr, what: &Payload) -> bool {
        let Payload::Echo { before } = what else { return false };
        let place = self.places.get(&from);
        self.format(from) != Format::Raw && self.heard.is_echo(from, *before, self.now, place)
    }

    /// Notes a message that the hub has taken, and who must get it.
    fn on_its_way(&mut self, from: SocketAddr, message: Numbered) {
        let room = self.places.get(&from).cloned().flatten();
        assert!(room.is_some(), "{from} speaks, and is in no room");
        let mut due: BTreeSet<SocketAddr> = match message.to {
            Some(to) => [from, to].into(),
            None => {
                let here = self.places.iter().filter(|(_, place)| **place == room);
                here.map(|(address, _)| *address).collect()
            }
        };
        if self.format(from) == Format::Raw {
            due.remove(&from);
        }
        match message.to {
            Some(to) => self.messages.whispered(message.number, from, to, due),
            None => self.messages.said(message.number, due),
        }
    }
}
