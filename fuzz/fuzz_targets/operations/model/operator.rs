//! The operator: a message reaches every room, kicks and bans remove exactly their targets, and a
//! stop notifies all members.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use pigeon_fuzz::addresses;
use pigeon_proto::Format;

use super::Model;
use crate::input::{Net, Text, Word};

impl Model {
    pub(super) fn say(&mut self, text: &Text) {
        let (text, number) = self.text(text);
        self.begin(text.len());
        let text = String::from_utf8_lossy(&text).into_owned();
        self.words.says(text.trim());
        let before = self.hub.statistics().messages;
        let said = self.hub.say(&text);
        self.look();
        if said.is_ok() {
            let rooms = self.hub.rooms().count() as u64;
            assert_eq!(self.hub.statistics().messages - before, rooms);
            let due = self.places.iter().filter(|(_, place)| place.is_some());
            self.messages.said(number, due.map(|(address, _)| *address).collect());
        } else {
            self.messages.refused(number);
        }
    }

    pub(super) fn kick(&mut self, who: SocketAddr) {
        let here = self.places.contains_key(&who);
        assert_eq!(self.hub.kick(self.now, &who.to_string()), here, "kick {who}");
        self.look();
        assert!(!self.places.contains_key(&who), "kicked, and still here");
    }

    pub(super) fn kick_name(&mut self, name: Word) {
        let before = self.places.len();
        let kicked = self.hub.kick(self.now, name.spelled());
        self.look();
        // Kicking an absent member frees its name.
        assert!(before - self.places.len() <= usize::from(kicked));
    }

    pub(super) fn ban(&mut self, who: &str) {
        let Ok(banned) = self.hub.ban(self.now, who) else { return self.look() };
        self.look();
        let contains = |address: &SocketAddr| banned.contains(&address.ip());
        assert!(!self.places.keys().any(contains), "banned, and still here");
        let own = contains(&addresses::parse("127.0.0.1:1"));
        assert!(!own, "{banned} is this machine too");
    }

    pub(super) fn unban(&mut self, net: Net) {
        let before = self.hub.bans().count();
        let lifted = self.hub.unban(net.spelled());
        self.banned.clear();
        assert_eq!(before - self.hub.bans().count(), usize::from(lifted));
    }

    pub(super) fn stop(&mut self) {
        self.drain();
        self.begin(0);
        self.hub.stop();
        let byes: [&[u8]; 2] = [b"Bye!", b"^hb^ gone stopped"];
        let (sent, lines): (Vec<_>, Vec<_>) =
            self.transmits().into_iter().partition(|(_, bytes)| byes.contains(&bytes.as_slice()));
        // Lines that waited for the end of a trial come before the goodbye.
        let early = lines.iter().find(|(to, _)| !self.messages.was_probed(to));
        assert!(early.is_none(), "{early:?} is no goodbye");
        let told: BTreeSet<SocketAddr> = sent.iter().map(|(to, _)| *to).collect();
        assert_eq!(sent.len(), told.len(), "somebody is told twice");
        for (to, bytes) in &sent {
            assert_eq!(bytes, byes[usize::from(self.words.is_program(*to))], "the goodbye to {to}");
        }
        let hears = |to: &SocketAddr| self.format(*to) != Format::Raw || self.words.is_program(*to);
        assert_eq!(told, self.places.keys().copied().filter(hears).collect());
        self.stopped = true;
    }
}
