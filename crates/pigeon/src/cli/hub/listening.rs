//! The hub's sockets for plain members. A service may start before the network has its address, so
//! the hub waits for it.

use std::time::{Duration, Instant};

use pigeon_hub::Hub;
use pigeon_net::{Socket, SocketOptions};
use tracing::{info, warn};

use super::door::DoorArg;
use super::service::{State, notify};
use crate::base::bind::{explain, is_address_missing, try_bind};
use crate::base::signals::Stop;
use crate::base::switch::Switch;
use crate::base::system_error;
use crate::words::say;

/// Time between attempts to bind an address that this host does not have yet; the service manager's
/// timeout is extended by it.
const RETRY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// Opens the listening sockets. `None` if the hub is stopped while it waits for an address.
pub(super) fn open(
    doors: &[DoorArg],
    options: &SocketOptions,
    wait: Switch,
    stop: &Stop,
) -> anyhow::Result<Option<Vec<Socket>>> {
    let mut sockets = Vec::new();
    let mut warned = false;
    while let Some(door) = doors.get(sockets.len()) {
        match try_bind(door.listen, options) {
            Ok(socket) => sockets.push(socket),
            Err(error) if !is_address_missing(&error) => return Err(explain(error)),
            Err(error) if wait == Switch::Off => {
                // Not wrong usage: the address may appear, and then the same settings work.
                return Err(anyhow::anyhow!(system_error::chain(&explain(error))));
            }
            Err(_) => {
                if !std::mem::replace(&mut warned, true) {
                    warn!("{}", say!("hub-waits-for-address", door = door));
                }
                let status = say!("hub-status-waiting", door = door);
                notify(&[State::Starting(PATIENCE), State::Status(&status)]);
                let until = Instant::now() + RETRY;
                while Instant::now() < until {
                    if stop.is_set() {
                        return Ok(None);
                    }
                    std::thread::sleep(RETRY / 20);
                }
            }
        }
    }
    Ok(Some(sockets))
}

/// Logs each socket with its settings.
pub(super) fn announce(hub: &Hub, sockets: &[Socket]) {
    let config = hub.config();
    for (door, socket) in config.doors.iter().zip(sockets) {
        let can = socket.capabilities();
        info!(
            format = %door.format,
            room = %door.room,
            timeout = ?config.timeout,
            max_members = config.max_members,
            gso = can.gso,
            gro = can.gro,
            receive_buffer = can.receive_buffer,
            "{}",
            say!("hub-listening", address = &socket.local_addr())
        );
    }
}
