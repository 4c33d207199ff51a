//! The checker.

use std::collections::{BTreeMap, BTreeSet};

use pigeon_cluster::MemoryLog as Disk;
use pigeon_proto::{Identity, Position};

use crate::client::Client;

/// Acknowledged messages that no disk and no stream holds, because older copies were restored.
pub type Excused = BTreeSet<Identity>;

/// Whether every hub and every client has everything.
pub fn is_complete(disks: &[&Disk], clients: &[Client]) -> bool {
    let keyed = |disk: &Disk| disk.places.keys().filter(|it| it.outbox != 0).count();
    let counts: BTreeSet<usize> = disks.iter().map(|disk| keyed(disk)).collect();
    counts.len() == 1
        && clients.iter().all(|client| {
            client.is_settled()
                && client.ledger.iter().filter(|(_, it)| it.outbox != 0).count()
                    >= counts.first().copied().unwrap_or(0)
        })
}

/// Whether all is as promised, except at positions where nobody could know better. True if there are
/// such.
pub fn verdict(
    disks: &[&Disk],
    clients: &[Client],
    excused: &Excused,
    is_unknowable: impl Fn(Position) -> bool,
) -> Result<bool, String> {
    for (hub, disk) in disks.iter().enumerate() {
        check_order(
            &format!("hub {hub}"),
            disk.entries.iter().map(|it| (it.position, it.identity)),
        )?;
        for entry in &disk.entries {
            if entry.identity.outbox != 0 && *entry.text != *crate::client::text_of(&entry.identity)
            {
                return Err(format!("hub {hub} holds {:?} with another text", entry.identity));
            }
        }
    }
    for client in clients {
        let name = format!("client {}", client.author);
        check_ledger(&name, &client.ledger)?;
        for identity in client.acknowledged.difference(excused) {
            for (hub, disk) in disks.iter().enumerate() {
                if !disk.places.contains_key(identity) {
                    return Err(format!("{identity:?} was acknowledged and hub {hub} lacks it"));
                }
            }
            for other in clients {
                if !other.known.contains(identity) {
                    return Err(format!(
                        "{identity:?} was acknowledged and client {} lacks it",
                        other.author
                    ));
                }
            }
        }
    }
    let mut is_excused = false;
    let mut places: BTreeMap<(u64, Identity), (Position, String)> = BTreeMap::new();
    let of_hubs = disks.iter().enumerate().flat_map(|(hub, disk)| {
        disk.entries.iter().map(move |it| (format!("hub {hub}"), it.position, it.identity))
    });
    let of_clients = clients.iter().flat_map(|client| {
        let name = format!("client {}", client.author);
        client.ledger.iter().map(move |(position, identity)| (name.clone(), *position, *identity))
    });
    for (name, position, identity) in of_hubs.chain(of_clients) {
        let key = (position.epoch(), identity);
        let (other, first) = places.entry(key).or_insert((position, name.clone()));
        if *other != position && (is_unknowable(*other) || is_unknowable(position)) {
            is_excused = true;
        } else if *other != position {
            return Err(format!("{identity:?} is {other} at {first} and {position} at {name}"));
        }
    }
    Ok(is_excused)
}

/// A log: no doubles, growing positions, growing numbers of each outbox.
fn check_order(
    name: &str,
    entries: impl Iterator<Item = (Position, Identity)>,
) -> Result<(), String> {
    let mut last = Position::START;
    let mut lasts = BTreeMap::new();
    for (position, identity) in entries {
        if position <= last {
            return Err(format!("{name}: {identity:?} at {position} after {last}"));
        }
        last = position;
        check_number(name, &mut lasts, identity)?;
    }
    Ok(())
}

fn check_ledger(name: &str, ledger: &[(Position, Identity)]) -> Result<(), String> {
    let mut lasts = BTreeMap::new();
    ledger.iter().try_for_each(|(_, identity)| check_number(name, &mut lasts, *identity))
}

fn check_number(
    name: &str,
    lasts: &mut BTreeMap<(u128, u64), u64>,
    identity: Identity,
) -> Result<(), String> {
    let last = lasts.entry((identity.author, identity.outbox)).or_default();
    if identity.outbox != 0 && identity.number <= *last {
        return Err(format!("{name} has {identity:?} after {last}"));
    }
    *last = identity.number;
    Ok(())
}
