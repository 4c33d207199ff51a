//! Where members with a key can go on: the hubs that are alive, and those that were a while ago.
//!
//! They are stored, so that a hub that has just started names the others before it has heard of them:
//! its clients need them if it is killed again.

use std::collections::BTreeMap;
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_proto::frame::OtherHub;

/// How long a hub is named after its last sign.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Maximum number of hubs that are named without a sign of them.
const MOST: usize = 64;

#[derive(Default)]
pub(super) struct Places {
    own: Option<OtherHub>,
    /// By run.
    alive: BTreeMap<u128, OtherHub>,
    /// The others, the latest first, and until when they are named.
    earlier: Vec<(OtherHub, Instant)>,
    is_changed: bool,
    is_unstored: bool,
}

impl Places {
    /// With the hubs that were known before a restart.
    pub(super) fn start(stored: Option<&str>, now: Instant) -> Places {
        let stored = stored.and_then(|text| serde_json::from_str::<Vec<OtherHub>>(text).ok());
        let stored = stored.unwrap_or_default().into_iter().take(MOST);
        let earlier = stored.map(|place| (place, now + REMEMBERED)).collect();
        Places { earlier, is_changed: true, ..Places::default() }
    }

    pub(super) fn set_own(&mut self, place: Option<OtherHub>) {
        if let Some(own) = &place {
            self.earlier.retain(|(earlier, _)| earlier.fingerprint != own.fingerprint);
        }
        self.is_changed |= self.own != place;
        self.own = place;
    }

    pub(super) fn own(&self) -> Option<&OtherHub> {
        self.own.as_ref()
    }

    /// A hub is alive. `None`: no member joins there with a key.
    pub(super) fn alive(&mut self, now: Instant, run: u128, place: Option<OtherHub>) {
        let Some(place) = place else { return self.gone(now, run) };
        if self.alive.get(&run) == Some(&place) {
            return;
        }
        self.earlier.retain(|(earlier, _)| earlier.fingerprint != place.fingerprint);
        self.alive.insert(run, place);
        (self.is_changed, self.is_unstored) = (true, true);
    }

    /// A hub gives no sign any more.
    pub(super) fn gone(&mut self, now: Instant, run: u128) {
        let Some(place) = self.alive.remove(&run) else { return };
        self.is_changed = true;
        // Unless it has been restarted.
        if self.alive.values().all(|alive| alive.fingerprint != place.fingerprint) {
            self.earlier.insert(0, (place, now + REMEMBERED));
            self.earlier.truncate(MOST);
        }
    }

    /// Drops hubs without a sign for a while.
    pub(super) fn expire(&mut self, now: Instant) {
        let before = self.earlier.len();
        self.earlier.retain(|(_, until)| *until > now);
        if self.earlier.len() < before {
            (self.is_changed, self.is_unstored) = (true, true);
        }
    }

    fn others(&self) -> Vec<OtherHub> {
        let mut others: Vec<OtherHub> = Vec::new();
        for place in self.alive.values().chain(self.earlier.iter().map(|(place, _)| place)) {
            // A hub that was restarted is alive twice for a moment.
            if others.iter().all(|other| other.fingerprint != place.fingerprint) {
                others.push(place.clone());
            }
        }
        others
    }

    /// All hubs, this one first and those without a sign last, if they have changed. Nothing while no
    /// other is known: clients keep the list that they have.
    pub(super) fn take(&mut self) -> Option<Vec<OtherHub>> {
        let others = self.others();
        if others.is_empty() || !std::mem::take(&mut self.is_changed) {
            return None;
        }
        Some(self.own.iter().cloned().chain(others).collect())
    }

    /// The other hubs, to be stored, if they have changed.
    pub(super) fn take_unstored(&mut self) -> Option<String> {
        let is_unstored = std::mem::take(&mut self.is_unstored);
        is_unstored.then(|| serde_json::to_string(&self.others()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::ORIGIN + Duration::from_secs(seconds)
    }

    fn place(port: u16) -> OtherHub {
        let fingerprint = format!("{port:064x}").into();
        let addresses = vec![([127, 0, 0, 1], port).into()];
        OtherHub { addresses, fingerprint, page: None }
    }

    fn ports(places: Option<Vec<OtherHub>>) -> Vec<u16> {
        let ports = places.into_iter().flatten().map(|place| place.addresses[0].port());
        ports.collect()
    }

    #[test]
    fn a_hub_that_was_restarted_names_the_others_until_they_have_given_no_sign_for_ten_minutes() {
        let mut places = Places::start(None, at(0));
        places.set_own(Some(place(1)));
        assert_eq!(places.take(), None, "nobody is told of this hub alone");
        places.alive(at(1), 20, Some(place(2)));
        places.alive(at(1), 30, Some(place(3)));
        assert_eq!(ports(places.take()), [1, 2, 3]);
        let stored = places.take_unstored().unwrap();
        assert_eq!((places.take(), places.take_unstored()), (None, None));

        let mut again = Places::start(Some(&stored), at(0));
        again.set_own(Some(place(1)));
        assert_eq!(ports(again.take()), [1, 2, 3]);
        again.alive(at(5), 31, Some(place(3)));
        assert_eq!(ports(again.take()), [1, 3, 2], "those alive come first");
        again.expire(at(599));
        assert_eq!(again.take(), None);
        again.expire(at(600));
        assert_eq!(ports(again.take()), [1, 3]);
        let stored = again.take_unstored().unwrap();
        assert_eq!(ports(Places::start(Some(&stored), at(0)).take()), [3]);
    }

    #[test]
    fn a_hub_that_is_gone_is_named_last_and_once_after_its_restart() {
        let mut places = Places::start(None, at(0));
        places.alive(at(0), 20, Some(place(2)));
        places.alive(at(0), 30, Some(place(3)));
        places.gone(at(9), 20);
        assert_eq!(ports(places.take()), [3, 2]);
        places.alive(at(20), 21, Some(place(2)));
        assert_eq!(ports(places.take()), [2, 3]);
        // The lease of the run before ends after the new one has come.
        places.alive(at(30), 22, Some(place(2)));
        places.gone(at(38), 21);
        assert_eq!(ports(places.take()), [2, 3]);
        assert!(places.earlier.is_empty());
        // It stops to let members in by a key.
        places.alive(at(40), 22, None);
        assert_eq!(ports(places.take()), [3, 2]);
    }
}
