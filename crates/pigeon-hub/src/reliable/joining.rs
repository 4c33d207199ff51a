//! Members: the proof of a key, the hub's decision, and which connection has an outbox.

use pigeon_datagram::Instant;
use pigeon_proto::frame::{self, ByeReason, HubFrame, Prove};
use pigeon_proto::{Label, Name, Notice, Reason, Refusal, Subject, Verb, sentence};

use super::connection::Phase;
use super::output::{ConnId, Join, Joined, Output};
use super::saying::Saying;
use super::{Config, Crypto, Sessions};
use crate::statistics::Left;

/// Maximum number of connections of one member.
const MOST_CONNS: usize = 64;

/// The hub's methods.
impl Sessions {
    /// The answer to [`Output::Join`].
    pub fn joined(&mut self, now: Instant, author: u128, joined: Result<Joined, Refusal>) {
        self.set_now(now);
        let Some(member) = self.members.get_mut(author) else { return };
        let conns = member.conns.clone();
        match joined {
            Ok(joined) => {
                member.joined = Some(joined);
                conns.into_iter().for_each(|conn| self.welcome(author, conn));
                if self.members.get(author).is_some_and(|member| member.conns.is_empty()) {
                    // The connection was lost while the hub decided.
                    self.members.linger(author, self.now + self.config.linger);
                }
            }
            Err(refusal) => {
                self.members.remove(author);
                let reason = match refusal.why {
                    Reason::Password | Reason::WrongPassword | Reason::Guesses => {
                        ByeReason::Password
                    }
                    Reason::Banned => ByeReason::Banned,
                    Reason::Kicked => ByeReason::Kicked,
                    Reason::HubFull | Reason::RoomFull | Reason::AddressFull => ByeReason::Full,
                    _ => ByeReason::Error,
                };
                let notice = Notice::Refused(refusal);
                for conn in conns {
                    let language = self.get(conn).map(|it| it.language).unwrap_or_default();
                    self.bye(conn, reason, &sentence::of(&notice, language));
                }
            }
        }
    }

    /// A member is at another hub with the same rooms too. If it went on there, its connections here
    /// are dead: they must give a sign. Without a connection it leaves at once. Call it again while
    /// this lasts.
    pub fn elsewhere(&mut self, now: Instant, author: u128) {
        self.set_now(now);
        let Some(member) = self.members.get(author) else { return };
        let is_joined = member.joined.is_some();
        let conns = member.conns.clone();
        if conns.is_empty() && is_joined {
            self.members.remove(author);
            self.outputs.push_back(Output::Leave { author });
        }
        self.outputs.extend(conns.into_iter().map(|conn| Output::Probe { conn }));
    }

    /// A member has left. Its connections are closed.
    pub fn left(&mut self, author: u128, why: Left) {
        let reason = match why {
            Left::Kicked => ByeReason::Kicked,
            Left::Banned => ByeReason::Banned,
            Left::Moved => ByeReason::Replaced,
            Left::Quit | Left::TimedOut | Left::Displaced => ByeReason::Stopped,
        };
        for conn in self.members.remove(author) {
            self.bye(conn, reason, why.describe());
        }
    }
}

impl Sessions {
    pub(super) fn prove(&mut self, conn: ConnId, prove: Prove) -> Result<(), String> {
        let Config { crypto, fingerprint, .. } = &self.config;
        let Crypto { verify, author } = *crypto;
        let Some(connection) = self.get(conn) else { return Ok(()) };
        let signed = connection.origin.as_ref().unwrap_or(fingerprint);
        let text = frame::challenge_text(&connection.nonce, signed);
        if !verify(&prove.key, &text, &prove.signature) {
            self.statistics.unproved += 1;
            return Err("the signature is not the key's for this challenge".into());
        }
        let author = author(&prove.key);
        let count = self.members.get(author).map_or(0, |member| member.conns.len());
        if count >= MOST_CONNS {
            return Err(format!("this key has {MOST_CONNS} connections already"));
        }
        let language = prove.language.unwrap_or_default();
        let is_new = self.members.add(author, conn);
        let Some(connection) = self.get_mut(conn) else { return Ok(()) };
        connection.phase = Phase::Joining(author);
        connection.language = language;
        let source = connection.source;
        self.claim(author, conn, prove.outbox);
        let is_member = self.members.get(author).is_some_and(|member| member.joined.is_some());
        if is_member {
            self.welcome(author, conn);
        }
        let Prove { name, word, room, password, .. } = prove;
        let wanted = name.as_deref().map(|name| Name::parse(name.as_bytes()));
        let (name, wrong) = match wanted {
            Some(Err(error)) => (None, Some(error)),
            Some(Ok(name)) => (Some(name), None),
            None => (None, None),
        };
        if let Some(error) = wrong {
            let refusal = Refusal::new(Subject::Command(Verb::Nick), Reason::Name(error));
            self.tell(conn, &Notice::Refused(refusal));
        }
        if is_new {
            let label = format!("{}-{:08x}", self.config.label, (author >> 96) as u32);
            let Some(label) = Label::parse(&label) else { return Ok(()) };
            let join = Join { author, source, label, name, word, room, password, language };
            self.outputs.push_back(Output::Join(join));
        }
        Ok(())
    }

    /// Gives an outbox to a connection. Closes another connection that has it.
    pub(super) fn claim(&mut self, author: u128, conn: ConnId, outbox: u64) {
        let others = self.members.get(author).map(|member| member.conns.clone());
        for other in others.unwrap_or_default() {
            let has_it = self.get(other).is_some_and(|it| it.saying.outbox == outbox);
            if other != conn && has_it {
                self.statistics.replaced += 1;
                self.bye(other, ByeReason::Replaced, "another connection goes on with this outbox");
            }
        }
        if let Some(connection) = self.get_mut(conn) {
            connection.saying = Saying::new(outbox);
        }
    }

    fn welcome(&mut self, author: u128, conn: ConnId) {
        let joined = self.members.get(author).and_then(|member| member.joined.clone());
        let (Some(Joined { name, room }), Some(connection)) = (joined, self.get_mut(conn)) else {
            return;
        };
        connection.phase = Phase::Member(author);
        let outbox = connection.saying.outbox;
        let (stores, max_text) = (self.config.stores, self.config.max_text as u64);
        self.frame(conn, &HubFrame::Welcome { author, name, room, stores, max_text });
        self.send_hubs(conn);
        self.begin_outbox(conn, author, outbox);
        self.handle_lines(conn);
    }
}
