//! A hub around `Sessions`: a core that sometimes refuses, the log, and plain members.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use pigeon_datagram::Instant;
use pigeon_guard::TokenKey;
use pigeon_hub::reliable::{
    Answer, Config, ConnId, Joined, Outcome, Output, Read, ReadId, RoomLog as _, Sessions,
};
use pigeon_hub::{Origin, Source};
use pigeon_proto::{Follow, Identity, Reason, RoomName};

use crate::FINGERPRINT;
use crate::cell::{Cell, Fault};
use crate::chance::Chance;
use crate::crypto::CRYPTO;
use crate::log::{Log, Settled};

pub(crate) struct Hub {
    cell: Cell,
    fault: Option<Fault>,
    chance: Chance,
    /// `None` while the hub is down.
    sessions: Option<Sessions>,
    pub(crate) log: Log,
    reads: VecDeque<(Instant, ReadId, Read)>,
    /// How often each message was relayed to plain members since the last restored backup.
    pub(crate) relayed: BTreeMap<Identity, u32>,
    /// Every message that was ever on disk.
    pub(crate) ever: BTreeSet<Identity>,
    runs: u64,
    plain: u64,
    pub(crate) is_calm: bool,
    outputs: VecDeque<ToPeer>,
    room: RoomName,
}

/// The hub's output for a connection.
pub(crate) enum ToPeer {
    Send(ConnId, Bytes),
    Close(ConnId),
    Resume(ConnId),
}

impl Hub {
    pub(crate) fn new(cell: Cell, fault: Option<Fault>, chance: Chance) -> Hub {
        Hub {
            cell,
            fault,
            chance,
            sessions: None,
            log: Log::new(fault),
            reads: VecDeque::new(),
            relayed: BTreeMap::new(),
            ever: BTreeSet::new(),
            runs: 0,
            plain: 0,
            is_calm: false,
            outputs: VecDeque::new(),
            room: RoomName::lobby(),
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.sessions.is_some()
    }

    pub(crate) fn start(&mut self) {
        self.runs += 1;
        let nonces = TokenKey::new(u128::from(self.runs).to_be_bytes());
        self.sessions = Some(Sessions::new(Config::new("hub", FINGERPRINT, nonces, CRYPTO)));
    }

    pub(crate) fn kill(&mut self) {
        self.sessions = None;
        self.reads.clear();
        self.outputs.clear();
        self.log.kill();
    }

    pub(crate) fn restore(&mut self) {
        self.kill();
        self.log.restore();
        self.relayed.clear();
    }

    pub(crate) fn opened(&mut self, now: Instant) -> Option<ConnId> {
        let source = Source { ip: [127, 0, 0, 1].into(), origin: Origin::Loopback };
        self.sessions.as_mut()?.opened(now, source)
    }

    pub(crate) fn wants(&self, conn: ConnId) -> bool {
        self.sessions.as_ref().is_some_and(|sessions| sessions.wants(conn))
    }

    pub(crate) fn received(&mut self, now: Instant, conn: ConnId, bytes: &[u8]) {
        self.with(now, |sessions| sessions.received(now, conn, bytes));
    }

    pub(crate) fn sent(&mut self, now: Instant, conn: ConnId, bytes: usize) {
        self.with(now, |sessions| sessions.sent(conn, bytes));
    }

    pub(crate) fn closed(&mut self, now: Instant, conn: ConnId) {
        self.with(now, |sessions| sessions.closed(now, conn));
    }

    /// A plain member sends a message.
    pub(crate) fn plain_says(&mut self, now: Instant) {
        if self.is_up() {
            self.plain += 1;
            let identity = Identity { author: self.runs.into(), outbox: 0, number: self.plain };
            let room = self.room.clone();
            self.log.append_plain(now, room, identity, &mut self.chance);
        }
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        let sessions = self.sessions.as_ref()?;
        let read = self.reads.front().map(|(at, ..)| *at);
        [sessions.poll_timeout(), self.log.next_at(), read].into_iter().flatten().min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        let is_calm = self.is_calm;
        let fails = self.log.next_at().is_some_and(|at| at <= now)
            && !is_calm
            && self.chance.permille(self.cell.failing_syncs);
        let settled = self.log.commit(now, fails);
        for Settled { id, identity, outcome, is_new } in settled {
            if outcome == Outcome::Stored {
                self.ever.insert(identity);
            }
            if is_new {
                *self.relayed.entry(identity).or_default() += 1;
            }
            if let (Some(id), Some(sessions)) = (id, &mut self.sessions) {
                sessions.settled(id, outcome);
            }
        }
        while let Some((_, id, read)) = self.reads.pop_front_if(|(at, ..)| *at <= now) {
            let fails = !is_calm && self.chance.permille(self.cell.failing_syncs);
            let mut answer = if fails { Answer::Failed } else { self.log.read(&read) };
            if self.fault == Some(Fault::GoesOnTooFar)
                && let (Read::Follow { .. }, Answer::Follow(Follow::From(_))) = (&read, &answer)
            {
                answer = Answer::Follow(Follow::From(self.log.newest()));
            }
            if let Some(sessions) = &mut self.sessions {
                sessions.answered(now, id, answer);
            }
        }
        self.with(now, |sessions| sessions.handle_timeout(now));
    }

    pub(crate) fn poll(&mut self) -> Option<ToPeer> {
        self.outputs.pop_front()
    }

    /// Calls the sessions, and carries out their outputs.
    fn with(&mut self, now: Instant, call: impl FnOnce(&mut Sessions)) {
        let Some(sessions) = &mut self.sessions else { return };
        call(sessions);
        loop {
            let Some(sessions) = &mut self.sessions else { return };
            sessions.pump(now, &self.log);
            let mut is_done = true;
            while let Some(output) = self.sessions.as_mut().and_then(Sessions::poll_output) {
                is_done &= self.handle(now, output);
            }
            if is_done {
                return;
            }
        }
    }

    /// Carries out an output. False if it called the sessions.
    fn handle(&mut self, now: Instant, output: Output) -> bool {
        let Some(sessions) = &mut self.sessions else { return true };
        match output {
            Output::Send { conn, bytes } => self.outputs.push_back(ToPeer::Send(conn, bytes)),
            Output::Close { conn } => self.outputs.push_back(ToPeer::Close(conn)),
            // This hub knows no other.
            Output::Probe { .. } => {}
            Output::Resume { conn } => self.outputs.push_back(ToPeer::Resume(conn)),
            Output::Join(join) => {
                let joined = Joined { name: None, room: self.room.clone() };
                sessions.joined(now, join.author, Ok(joined));
                return false;
            }
            Output::Say(say) => {
                let now_refused = !self.is_calm && self.chance.permille(self.cell.refused_for_now);
                let refused = !self.is_calm && self.chance.permille(self.cell.refused_for_good);
                if (now_refused || refused) && !say.is_known {
                    let rate = Reason::Rate { messages: Some(20), bytes: None };
                    let why = if refused { Reason::Muted } else { rate };
                    sessions.settled(say.id, Outcome::refused(why));
                    return false;
                }
                if self.fault == Some(Fault::AcknowledgesBeforeSync) {
                    sessions.settled(say.id, Outcome::Stored);
                }
                self.log.append(now, say, &mut self.chance);
            }
            Output::Read { id, read } => {
                let last = self.reads.back().map_or(now, |(at, ..)| *at);
                let takes =
                    self.chance.between(Duration::from_micros(100), Duration::from_millis(5));
                self.reads.push_back((last.max(now) + takes, id, read));
            }
            Output::Command { .. }
            | Output::Leave { .. }
            | Output::Watch { .. }
            | Output::Unwatch { .. } => {}
        }
        true
    }
}
