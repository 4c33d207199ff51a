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

/// The member's own hub comes first. The others are kept in a file, so that a program that starts
/// while its own hub is away goes on at another one.
pub(crate) struct Hubs {
    own: Target,
    others: Vec<Target>,
    /// The target in use: 0 is the own hub.
    at: usize,
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
        Hubs { others: others.collect(), own, at: 0, path }
    }

    /// The target in use.
    pub(crate) fn target(&self) -> Target {
        match self.at.checked_sub(1).and_then(|at| self.others.get(at)) {
            Some(target) => *target,
            None => self.own,
        }
    }

    pub(crate) fn is_own(&self) -> bool {
        self.target() == self.own
    }

    /// Whether there is another one.
    pub(crate) fn has_others(&self) -> bool {
        self.others.iter().any(|other| other.address != self.own.address)
    }

    /// The target in use is away: the next one.
    pub(crate) fn go_on(&mut self) {
        let from = self.target();
        for _ in 0..=self.others.len() {
            self.at = (self.at + 1) % (self.others.len() + 1);
            if self.target().address != from.address {
                return;
            }
        }
    }

    /// The own hub has a new address.
    pub(crate) fn move_to(&mut self, address: SocketAddr) {
        self.own.address = address;
        self.at = 0;
    }

    /// The own hub has this key.
    pub(crate) fn met(&mut self, pin: Pin) {
        if self.is_own() {
            self.own.pin = pin;
        }
    }

    /// The hub in use names all hubs that share its rooms.
    pub(crate) fn heard(&mut self, hubs: &[OtherHub]) {
        let in_use = self.target();
        let targets = hubs.iter().flat_map(|hub| {
            let key = hub.fingerprint.parse().ok();
            let pin = key.map(Pin::Key);
            hub.addresses
                .iter()
                .filter_map(move |address| Some(Target { address: *address, pin: pin? }))
        });
        let others: Vec<Target> = targets.take(MOST).collect();
        let has_other = others.iter().any(|other| other.address != in_use.address);
        if others == self.others || !has_other {
            return;
        }
        self.others = others;
        let at = self.others.iter().position(|other| other.address == in_use.address);
        if in_use != self.own {
            self.at = match at {
                Some(at) => at + 1,
                None => {
                    self.others.push(in_use);
                    self.others.len()
                }
            };
        }
        self.keep();
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
        OtherHub { addresses: vec![SocketAddr::from(([127, 0, 0, 1], port))], fingerprint }
    }

    #[test]
    fn a_member_goes_on_at_the_next_hub_and_finds_them_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().join("hubs"));
        let address = hub(1).addresses[0];
        let own = Target { address, pin: Pin::Key(hub(1).fingerprint.parse().unwrap()) };
        let mut hubs = Hubs::new(own, path.clone());
        hubs.go_on();
        assert_eq!((hubs.target(), hubs.has_others()), (own, false));
        hubs.heard(&[hub(1), hub(2), hub(3)]);
        let ports = |hubs: &mut Hubs| -> Vec<u16> {
            let next = |_| {
                hubs.go_on();
                hubs.target().address.port()
            };
            (0..4).map(next).collect()
        };
        assert_eq!(ports(&mut hubs), [2, 3, 1, 2]);
        hubs.heard(&[hub(3), hub(2)]);
        assert_eq!(hubs.target().address.port(), 2, "the one in use stays");
        hubs.heard(&[hub(2)]);
        let mut again = Hubs::new(own, path);
        assert_eq!(ports(&mut again), [3, 2, 1, 3]);
    }
}
