//! How to join a running hub, which the hub keeps in a file of its data folder for `pigeon invite`.
//!
//! The file holds ports and no addresses of this host: those change, and are looked up when they are
//! shown. It outlives a hub that is killed, so the hub also holds a lock while it runs. The lock is
//! on a file of its own, because Windows lets nobody read a locked file.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use pigeon_net::{Interfaces, local_addresses};
use serde::{Deserialize, Serialize};

use super::private_file;

const FILE: &str = "invitation";
const LOCK: &str = "invitation.lock";

/// How to join a hub.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invitation {
    /// The hub's name.
    pub(crate) hub: String,
    /// The bound addresses of its sockets for plain members.
    pub(crate) listen: Vec<SocketAddr>,
    pub(crate) page: Option<PagePlace>,
    pub(crate) keyed: Option<KeyedPlace>,
}

/// Where a hub's page is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PagePlace {
    pub(crate) is_https: bool,
    /// `None`: every address of the host.
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: u16,
    /// The names of `--page-name`.
    pub(crate) names: Vec<String>,
    /// The room in which newcomers begin.
    pub(crate) room: String,
}

/// Where members with a key join.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyedPlace {
    /// `None`: every address of the host.
    pub(crate) ip: Option<IpAddr>,
    pub(crate) port: u16,
    pub(crate) fingerprint: String,
}

/// The file of a running hub. Other commands see the hub as stopped once this is dropped.
pub(crate) struct Kept {
    /// Locked. The system releases the lock when the process ends in any way.
    _lock: File,
}

impl Invitation {
    /// Writes the invitation into the hub's data folder.
    pub(crate) fn keep(&self, folder: &Path) -> io::Result<Kept> {
        // The file comes first: once the lock is held, others believe it.
        private_file::write(&folder.join(FILE), &serde_json::to_vec(self)?)?;
        let lock =
            OpenOptions::new().write(true).create(true).truncate(false).open(folder.join(LOCK))?;
        // Waits for those who look, and for nobody else: a folder has one hub.
        lock.lock()?;
        Ok(Kept { _lock: lock })
    }

    /// The invitation of the hub that runs on a folder, if one does.
    pub(crate) fn of(folder: &Path) -> Option<Invitation> {
        let lock = File::open(folder.join(LOCK)).ok()?;
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => {
                serde_json::from_slice(&std::fs::read(folder.join(FILE)).ok()?).ok()
            }
            _ => None,
        }
    }
}

impl PagePlace {
    /// The page's addresses for people: for others first, then for this machine.
    pub(crate) fn urls(&self) -> Vec<String> {
        let addresses = self.ip.map_or_else(
            || own_addresses().chain([Ipv4Addr::LOCALHOST.into()]).collect(),
            |ip| vec![ip],
        );
        let (scheme, usual) = if self.is_https { ("https", 443) } else { ("http", 80) };
        let url = |host: String| match self.port {
            port if port == usual => format!("{scheme}://{host}/"),
            port => format!("{scheme}://{host}:{port}/"),
        };
        let host = |ip: IpAddr| match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        self.names.iter().cloned().chain(addresses.into_iter().map(host)).map(url).collect()
    }

    /// The address that opens the page in its first room.
    pub(crate) fn url(&self) -> String {
        let urls = self.urls();
        format!("{}#room={}", urls.first().map_or("", String::as_str), in_fragment(&self.room))
    }
}

impl KeyedPlace {
    /// The invitation for somebody who has never met the hub, with its key and an address that
    /// others can reach.
    pub(crate) fn link(&self) -> String {
        let ip = self.ip.or_else(|| own_addresses().next());
        let address = SocketAddr::new(ip.unwrap_or(Ipv4Addr::LOCALHOST.into()), self.port);
        format!("pigeon://{address}/#{}", self.fingerprint)
    }
}

/// The addresses of this host that others may reach.
fn own_addresses() -> impl Iterator<Item = IpAddr> {
    let interfaces = local_addresses().ok();
    let addresses: Vec<IpAddr> =
        interfaces.iter().flat_map(Interfaces::iter).map(|local| local.address).collect();
    addresses.into_iter().filter(|ip| ip.is_ipv4() && !ip.is_loopback())
}

/// A text as part of a URL's fragment (RFC 3986 section 2.1).
fn in_fragment(text: &str) -> String {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let escaped = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invitation() -> Invitation {
        let ip = Some([192, 168, 1, 20].into());
        Invitation {
            hub: "图书馆".into(),
            listen: vec!["0.0.0.0:9999".parse().unwrap()],
            page: Some(PagePlace {
                is_https: false,
                ip,
                port: 8080,
                names: Vec::new(),
                room: "lobby 一".into(),
            }),
            keyed: Some(KeyedPlace { ip, port: 10_000, fingerprint: "ab".into() }),
        }
    }

    #[test]
    fn a_hub_is_seen_while_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Invitation::of(folder.path()), None);
        let kept = invitation().keep(folder.path()).unwrap();
        assert_eq!(Invitation::of(folder.path()), Some(invitation()));
        // Looking does not stand in the way of the next one.
        assert_eq!(Invitation::of(folder.path()), Some(invitation()));
        drop(kept);
        assert_eq!(Invitation::of(folder.path()), None, "a killed hub leaves the file");
        let _kept = invitation().keep(folder.path()).unwrap();
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(Invitation::of(folder.path()), None);
    }

    #[test]
    fn places_have_addresses_that_can_be_opened() {
        let invitation = invitation();
        let (page, keyed) = (invitation.page.unwrap(), invitation.keyed.unwrap());
        assert_eq!(page.url(), "http://192.168.1.20:8080/#room=lobby%20%E4%B8%80");
        assert_eq!(keyed.link(), "pigeon://192.168.1.20:10000/#ab");
        let https = PagePlace { is_https: true, port: 443, ..page.clone() };
        assert_eq!(https.urls(), ["https://192.168.1.20/"]);
        let named = PagePlace { names: vec!["chat.example.org".into()], ..https };
        assert_eq!(named.urls()[0], "https://chat.example.org/");
        let v6 = PagePlace { ip: Some("fd00::1".parse().unwrap()), ..page.clone() };
        assert_eq!(v6.urls(), ["http://[fd00::1]:8080/"]);
        let every = PagePlace { ip: None, ..page };
        assert_eq!(every.urls().last().unwrap(), "http://127.0.0.1:8080/");
    }
}
