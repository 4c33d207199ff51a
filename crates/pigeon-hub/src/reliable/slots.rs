//! The open connections in a table, and their number per address.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::connection::Connection;
use super::output::ConnId;

/// The open connections.
#[derive(Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
    per_address: BTreeMap<IpAddr, usize>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

impl Slots {
    /// Number of connections.
    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether an address may have another connection.
    pub(super) fn has_place(&self, ip: IpAddr, most: usize) -> bool {
        self.per_address.get(&counted(ip)).is_none_or(|count| *count < most)
    }

    pub(super) fn insert(&mut self, connection: Connection) -> ConnId {
        *self.per_address.entry(counted(connection.source.ip)).or_default() += 1;
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::default());
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        slot.connection = Some(Box::new(connection));
        ConnId { index, generation: slot.generation }
    }

    pub(super) fn remove(&mut self, conn: ConnId) -> Option<Box<Connection>> {
        self.get(conn)?;
        let slot = self.slots.get_mut(conn.index())?;
        let connection = slot.connection.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(conn.index);
        let ip = counted(connection.source.ip);
        if let Some(count) = self.per_address.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.per_address.remove(&ip);
            }
        }
        Some(connection)
    }

    pub(super) fn get(&self, conn: ConnId) -> Option<&Connection> {
        let slot = self.slots.get(conn.index())?;
        slot.connection.as_deref().filter(|_| slot.generation == conn.generation)
    }

    pub(super) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        let slot = self.slots.get_mut(conn.index())?;
        let is_it = slot.generation == conn.generation;
        slot.connection.as_deref_mut().filter(|_| is_it)
    }

    /// All open connections.
    pub(super) fn all(&self) -> Vec<ConnId> {
        let open = |(index, slot): (usize, &Slot)| {
            let conn = ConnId { index: index as u32, generation: slot.generation };
            slot.connection.is_some().then_some(conn)
        };
        self.slots.iter().enumerate().filter_map(open).collect()
    }
}

/// The address under which a connection is counted: for IPv6 the /64 network.
fn counted(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() >> 64 << 64).into()),
        ip => ip,
    }
}
