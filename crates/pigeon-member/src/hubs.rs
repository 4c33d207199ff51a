//! The hubs at which a member can go on: its own, and those that share rooms with it.

use std::net::SocketAddr;
use std::path::PathBuf;

use pigeon_proto::frame::OtherHub;
use pigeon_quic::Pin;

/// Maximum number of addresses.
const MOST: usize = 64;

/// Where to connect, and which key must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) pin: Pin,
}

/// The member's own hub, and the others, which are kept in a file: a program that starts while its
/// own hub is away goes on at another one.
pub(crate) struct Hubs {
    own: Target,
    others: Vec<Target>,
    in_use: Target,
    path: Option<PathBuf>,
}

impl Hubs {
    pub(crate) fn new(own: Target, path: Option<PathBuf>) -> Hubs {
        let text = path.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        let target = |line: &str| {
            let (address, key) = line.split_once(' ')?;
            Some(Target { address: address.parse().ok()?, pin: Pin::Key(key.parse().ok()?) })
        };
        let others = text.iter().flat_map(|text| text.lines()).filter_map(target).take(MOST);
        Hubs { others: others.collect(), own, in_use: own, path }
    }

    /// The hub in use, or the one used last.
    pub(crate) fn in_use(&self) -> Target {
        self.in_use
    }

    pub(crate) fn own(&self) -> Target {
        self.own
    }

    /// A member is at this hub, which has this key.
    pub(crate) fn set_in_use(&mut self, target: Target, pin: Pin) {
        self.in_use = Target { pin, ..target };
        if self.is_own(target) {
            self.own.pin = pin;
        }
    }

    pub(crate) fn is_own(&self, target: Target) -> bool {
        target == self.own
    }

    /// The addresses of all hubs, beginning with the one in use: the first of each hub, then the second
    /// of each, and so on.
    pub(crate) fn all(&self) -> Vec<Target> {
        let mut all = vec![self.own];
        for other in &self.others {
            if all.iter().all(|known| known.address != other.address) {
                all.push(*other);
            }
        }
        match all.iter().position(|known| known.address == self.in_use.address) {
            Some(at) => all.rotate_left(at),
            None => all.insert(0, self.in_use),
        }
        let mut ranked: Vec<(usize, Target)> = Vec::new();
        for target in all {
            let rank = ranked.iter().filter(|(_, known)| known.pin == target.pin).count();
            ranked.push((rank, target));
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.into_iter().map(|(_, target)| target).collect()
    }

    /// The addresses beside the one in use.
    pub(crate) fn others(&self) -> Vec<Target> {
        self.all().split_off(1)
    }

    /// Whether there is another hub.
    pub(crate) fn has_others(&self) -> bool {
        self.others.iter().chain([&self.own]).any(|it| it.pin != self.in_use.pin)
    }

    /// The own hub has a new address.
    pub(crate) fn move_to(&mut self, address: SocketAddr) {
        self.own.address = address;
        self.in_use = self.own;
    }

    /// The hub in use names all hubs that share its rooms.
    pub(crate) fn heard(&mut self, hubs: &[OtherHub]) {
        let targets = hubs.iter().flat_map(|hub| {
            let key = hub.fingerprint.parse().ok();
            let pin = key.map(Pin::Key);
            hub.addresses
                .iter()
                .filter_map(move |address| Some(Target { address: *address, pin: pin? }))
        });
        let others: Vec<Target> = targets.take(MOST).collect();
        // A hub that knows no others, such as one that has just started, is no reason to forget them.
        let has_other = others.iter().any(|other| other.pin != self.in_use.pin);
        if others != self.others && has_other {
            self.others = others;
            self.keep();
        }
    }

    /// Ignores failures: the list comes again.
    fn keep(&self) {
        let Some(path) = &self.path else { return };
        let line = |target: &Target| match target.pin {
            Pin::Key(key) => format!("{} {key}\n", target.address),
            Pin::FirstUse => String::new(),
        };
        let text: String = self.others.iter().map(line).collect();
        let _ = crate::folder::replace(path, text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(port: u16) -> OtherHub {
        let fingerprint = format!("{port:064x}").into();
        let addresses = vec![SocketAddr::from(([127, 0, 0, 1], port))];
        OtherHub { addresses, fingerprint, page: None }
    }

    #[test]
    fn a_member_goes_on_at_the_next_hub_and_finds_them_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().join("hubs"));
        let address = hub(1).addresses[0];
        let own = Target { address, pin: Pin::Key(hub(1).fingerprint.parse().unwrap()) };
        let mut hubs = Hubs::new(own, path.clone());
        let ports = |hubs: Vec<Target>| -> Vec<u16> {
            hubs.into_iter().map(|target| target.address.port()).collect()
        };
        assert_eq!((ports(hubs.all()), hubs.has_others()), (vec![1], false));
        hubs.heard(&[hub(1), hub(2), hub(3)]);
        assert_eq!(ports(hubs.others()), [2, 3]);
        let other = hubs.others()[0];
        hubs.set_in_use(other, other.pin);
        assert_eq!((ports(hubs.all()), ports(hubs.others())), (vec![2, 3, 1], vec![3, 1]));
        hubs.heard(&[hub(2)]);
        assert_eq!(ports(hubs.others()), [3, 1], "a hub that knows no others");
        hubs.heard(&[hub(3)]);
        assert_eq!(ports(hubs.all()), [2, 1, 3], "the one in use stays");
        let again = Hubs::new(own, path);
        assert_eq!(ports(again.all()), [1, 3]);
        // Hubs with several addresses.
        let several = |n: u16, ports: &[u16]| {
            let addresses = ports.iter().map(|port| hub(*port).addresses[0]).collect();
            OtherHub { addresses, ..hub(n) }
        };
        hubs.heard(&[several(2, &[2, 12, 22])]);
        assert_eq!(ports(hubs.all()), [2, 1, 3], "a list of the hub in use alone");
        hubs.heard(&[several(2, &[2, 12, 22]), several(3, &[3, 13])]);
        assert_eq!(ports(hubs.all()), [2, 3, 1, 12, 13, 22]);
    }
}
