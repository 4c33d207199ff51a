//! The checker: acknowledged messages reach every reliable member once and in order, and others are
//! reported as not stored.
//!
//! **What restored backups may cost.** A message exists in two places that can say it again: its author's
//! disk, which keeps it after the acknowledgement, and the hub's log. While one of them holds it, nothing is
//! lost: the author sends it again to a hub whose log is an older copy, and the log keeps it when the
//! author's disk is one. It is lost only if both were set back to copies older than the message. The
//! ledgers of other clients may still hold it, but nobody except its author may say it under its identity.
//! Only such messages are excused. That the author's copy is older is decided by time, not by what the copy
//! holds: a client that drops what it should keep is not excused.

use std::collections::{BTreeMap, BTreeSet};

use pigeon_client::reliable::MessageId;
use pigeon_proto::{Entry, Identity};

use crate::Report;
use crate::cell::Cell;
use crate::client::{Client, OwnMessage};
use crate::hub::Hub;

/// The checker's state during a run.
#[derive(Default)]
pub(crate) struct Judge {
    /// Messages in `unknown` that the log does not hold either, because older copies were restored.
    taken: BTreeSet<Identity>,
    /// Messages that their author does not know any more, because its disk was set back to an older copy.
    unknown: BTreeSet<Identity>,
    /// Number of faults, such as kills.
    pub(crate) faults: u64,
}

impl Judge {
    /// A client's disk was set back: notes what is newer than the copy.
    pub(crate) fn restored_client(&mut self, client: &Client) {
        let store = client.store();
        let is_newer = |told: &OwnMessage| told.kept_at.is_none_or(|at| at > client.backed_up_at);
        let newer = client.told.iter().filter(|(id, told)| is_newer(told) && !store.holds(**id));
        self.unknown.extend(newer.map(|(id, _)| identity(client, *id)));
    }

    /// Either end's disk was set back: notes what neither holds any more.
    pub(crate) fn restored(&mut self, hub: &Hub) {
        let places = &hub.log.disk.places;
        self.taken = self.unknown.iter().filter(|it| !places.contains_key(it)).copied().collect();
    }

    /// Messages were acknowledged.
    pub(crate) fn check_stored(&self, hub: &Hub, stored: &[Identity]) -> Result<(), String> {
        match stored.iter().find(|identity| !hub.ever.contains(identity)) {
            Some(identity) => Err(format!("{identity:?} is acknowledged and on no disk")),
            None => Ok(()),
        }
    }

    /// Whether everything of a client is settled, and everything has reached it.
    pub(crate) fn has_all(&self, hub: &Hub, client: &Client) -> bool {
        client.is_settled() && client.ledger.len() >= hub.log.disk.places.len()
    }

    /// Checks the final state.
    pub(crate) fn verdict(
        &self,
        cell: &Cell,
        hub: &Hub,
        clients: &[&Client],
    ) -> Result<Report, String> {
        let log: Vec<Identity> = messages(hub).map(|(identity, _)| identity).collect();
        once("the log", &log)?;
        let mut texts = BTreeMap::new();
        for (identity, text) in messages(hub) {
            if let Some(other) = texts.insert(text, identity)
                && !text.starts_with(b"plain")
            {
                return Err(format!("{other:?} and {identity:?} are one message"));
            }
        }
        for (identity, times) in &hub.relayed {
            if *times > 1 {
                return Err(format!("{identity:?} was relayed {times} times to plain members"));
            }
        }
        let mut report = Report { faults: self.faults, ..Report::default() };
        for client in clients {
            self.check_said(hub, client, &mut report)?;
            let name = format!("client {}", client.number);
            once(&name, &client.ledger)?;
            self.check_ledger(cell, &name, &log, client, clients)?;
            report.received += client.ledger.len() as u64;
        }
        Ok(report)
    }

    /// Checks that every message of a client is stored, refused, or lost by a restored backup.
    fn check_said(&self, hub: &Hub, client: &Client, report: &mut Report) -> Result<(), String> {
        report.said += client.said;
        for (id, told) in &client.told {
            let identity = identity(client, *id);
            let held = hub.log.disk.places.get(&identity);
            let held = held.and_then(|at| hub.log.disk.entries[*at].message());
            if held.is_some_and(|held| *held.text != *told.text.as_bytes()) {
                return Err(format!("{identity:?} has another text in the log"));
            }
            let is_taken = self.taken.contains(&identity);
            report.taken += u64::from(is_taken);
            report.stored += u64::from(told.was_stored && !told.is_refused);
            report.refused += u64::from(told.is_refused);
            if is_taken {
                continue;
            }
            if told.was_stored && !told.is_refused && held.is_none() {
                return Err(format!("{identity:?} was acknowledged and is not in the log"));
            }
            if told.is_refused && !told.was_stored && held.is_some() {
                return Err(format!("{identity:?} was refused and is in the log"));
            }
            let is_known = !self.unknown.contains(&identity);
            if is_known && told.kept_at.is_some() && !told.was_stored && !told.is_refused {
                return Err(format!("nobody said what became of {identity:?}"));
            }
        }
        Ok(())
    }

    /// Checks that a client has received everything in the log, in order.
    fn check_ledger(
        &self,
        cell: &Cell,
        name: &str,
        log: &[Identity],
        client: &Client,
        clients: &[&Client],
    ) -> Result<(), String> {
        let has: BTreeSet<Identity> = client.ledger.iter().copied().collect();
        if let Some(missing) = log.iter().find(|identity| !has.contains(identity)) {
            return Err(format!("{name} has not received {missing:?}"));
        }
        if cell.hub_restores.is_none() && client.ledger != log {
            return Err(format!("{name} has received in another order than the log's"));
        }
        let is_own = |identity: &Identity| {
            let of = clients.iter().find(|client| client.author() == identity.author);
            let id = MessageId { outbox: identity.outbox, number: identity.number };
            of.is_none_or(|client| client.told.contains_key(&id))
        };
        if let Some(unknown) = client.ledger.iter().find(|identity| !is_own(identity)) {
            return Err(format!("{name} has received {unknown:?}, which nobody said"));
        }
        // If backups of both ends are restored, a message that was refused before may be stored
        // now, after messages with greater numbers that were received before: the order of an
        // outbox is then not checked.
        let both = cell.hub_restores.is_some() && cell.client_restores.is_some();
        if both && cell.refused_for_good > 0 {
            return Ok(());
        }
        // Over restored backups of the hub, too: the order of each outbox.
        let mut last = BTreeMap::new();
        for identity in &client.ledger {
            let key = (identity.author, identity.outbox);
            if last.insert(key, identity.number).is_some_and(|last| last >= identity.number) {
                return Err(format!("{name} has received {identity:?} too late"));
            }
        }
        Ok(())
    }
}

fn identity(client: &Client, id: MessageId) -> Identity {
    Identity { author: client.author(), outbox: id.outbox, number: id.number }
}

fn messages(hub: &Hub) -> impl Iterator<Item = (Identity, &[u8])> {
    let messages = hub.log.disk.entries.iter().filter_map(Entry::message);
    messages.map(|message| (message.identity, &*message.text))
}

fn once(where_: &str, identities: &[Identity]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    match identities.iter().find(|identity| !seen.insert(**identity)) {
        Some(double) => Err(format!("{double:?} is in {where_} twice")),
        None => Ok(()),
    }
}
