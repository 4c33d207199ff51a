//! A datagram: at most one message is relayed, no member's text is dropped as an echo, and neither
//! banned nor invalid senders become members.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use pigeon_datagram::{MAX_PAYLOAD_V4, Machine, Received};
use pigeon_fuzz::addresses::is_bad;
use pigeon_hub::Dropped;
use pigeon_proto::{Format, Incoming};

use super::Model;
use super::payload::Numbered;
use crate::input::Payload;

impl Model {
    pub(super) fn datagram(&mut self, from: SocketAddr, what: &Payload) {
        // An address with more datagrams or bytes in the batch might have to wait, so the hub is
        // drained first.
        let [datagrams, bytes] = self.batched;
        if datagrams >= 24 || bytes >= 1_000 {
            self.drain();
        }
        let (mut payload, message) = self.payload(from, what);
        // A truncated message has no number.
        let message = message.filter(|_| payload.len() <= MAX_PAYLOAD_V4);
        // A private message in another encoding than UTF-8 has an unknown recipient.
        let is_clear = self.heard.writes_utf8(from) || !matches!(what, Payload::Whisper { .. });
        let message = message.filter(|_| is_clear);
        payload.truncate(MAX_PAYLOAD_V4);
        self.batched[0] += 1;
        self.batched[1] += payload.len();
        self.sends(from, what, &payload, message.is_some());
        self.begin(payload.len());
        let relayed = self.hub.statistics().messages;
        let was_banned = self.hub.bans().any(|net| net.contains(&from.ip()));
        let was_member = self.places.contains_key(&from);
        let [replies, held] = self.dropped_as_echoes();
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
        let [more_replies, more_held] = self.dropped_as_echoes();
        let text = String::from_utf8_lossy(&payload);
        let incoming = Incoming::parse(self.format(from), &payload);
        let is_text = was_member && matches!(incoming, Incoming::Message(_));
        assert!(!is_text || more_replies == replies, "dropped as an echo: {text:?}");
        if more_held > held {
            self.heard.is_held(from);
        }
        if relayed == 1
            && let Some(message) = message
        {
            self.on_its_way(from, message);
        }
    }

    /// Records a sender's properties and a payload, whatever the hub does with it.
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

    /// Two counts of datagrams that the hub dropped: replies, and messages of a sender that answers
    /// automatically.
    fn dropped_as_echoes(&self) -> [u64; 2] {
        let statistics = self.hub.statistics();
        [Dropped::Reply, Dropped::AnswersByItself].map(|reason| statistics.dropped(reason))
    }

    /// Records an accepted message with its recipients.
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
