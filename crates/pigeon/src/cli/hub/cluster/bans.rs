//! The bans that all hubs share: of public networks, and of keys.
//!
//! Each ban and each unban has a version, one more than the greatest that its hub knew. The greater
//! version wins, so that an unban also reaches a hub that was away. Hubs compare digests of their
//! lists and tell each other the whole list where these differ.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use pigeon_hub::Banned;
use serde_json::{Value, json};

/// Maximum number of lifted bans that are remembered: the latest. A hub that was away while more were
/// lifted brings earlier bans back. Treating an unknown old ban as lifted was rejected: bans of a hub
/// that was cut off would be lost.
const MOST_LIFTED: usize = 1_000;

/// Maximum number of bans.
const MOST: usize = 10_000;

/// How much greater than every known version one from another hub may be, and the last one. A faulty
/// hub cannot use up all versions at once. Greater ones are not taken, but each list with such moves
/// the limit, so that a new hub soon takes those of an old cluster.
const FURTHEST: u64 = 1 << 20;
const LAST: u64 = 1 << 53;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Record {
    version: u64,
    is_banned: bool,
}

#[derive(Debug, Default)]
pub(super) struct Bans {
    records: BTreeMap<Banned, Record>,
    newest: u64,
    digest: u64,
    is_unstored: bool,
    /// Numbers of versions that were too great, and of lifted bans that were forgotten.
    excessive: u64,
    forgotten: u64,
}

impl Bans {
    /// The stored records, and the bans that hold here: the hub may have been without a cluster
    /// meanwhile. A ban wins wherever the two differ, since they are not stored together.
    pub(super) fn start(stored: Option<&str>, bans: impl Iterator<Item = Banned>) -> Bans {
        let mut own = Bans::default();
        if let Some(rows) = stored.and_then(|text| serde_json::from_str::<Value>(text).ok()) {
            own.take(&rows, LAST);
        }
        own.is_unstored = false;
        bans.for_each(|banned| {
            own.note(banned, true);
        });
        own.summarize();
        own
    }

    /// Those that do not hold here.
    pub(super) fn missing(&self, bans: impl Iterator<Item = Banned>) -> Vec<Banned> {
        let here: BTreeSet<Banned> = bans.collect();
        let banned = self.records.iter().filter(|(_, record)| record.is_banned);
        banned.map(|(banned, _)| *banned).filter(|banned| !here.contains(banned)).collect()
    }

    /// This hub's operator has banned or unbanned something. Returns what to tell the others, if they
    /// do not know it.
    pub(super) fn changed(&mut self, banned: Banned, is_banned: bool) -> Option<Value> {
        let record = self.note(banned, is_banned)?;
        self.summarize();
        Some(Value::Array(vec![row(&banned, record)]))
    }

    fn note(&mut self, banned: Banned, is_banned: bool) -> Option<Record> {
        let known = self.records.get(&banned).is_some_and(|record| record.is_banned);
        if !is_shared(&banned) || known == is_banned {
            return None;
        }
        self.newest = (self.newest + 1).min(LAST);
        let record = Record { version: self.newest, is_banned };
        self.records.insert(banned, record);
        Some(record)
    }

    /// What another hub has told. Returns what has changed by it: whether each is banned.
    pub(super) fn heard(&mut self, rows: &Value) -> Vec<(Banned, bool)> {
        self.take(rows, (self.newest + FURTHEST).min(LAST))
    }

    /// Takes rows up to this version.
    fn take(&mut self, rows: &Value, furthest: u64) -> Vec<(Banned, bool)> {
        let mut changes = Vec::new();
        for (banned, told) in rows.as_array().into_iter().flatten().filter_map(record) {
            if told.version > furthest {
                self.excessive += 1;
                self.newest = furthest;
                continue;
            }
            self.newest = self.newest.max(told.version);
            let known = self.records.get(&banned).copied();
            let is_newer = known.is_none_or(|known| {
                // A ban wins over an unban that did not know it.
                (told.version, told.is_banned) > (known.version, known.is_banned)
            });
            if !is_newer || known.is_none() && self.records.len() >= MOST + MOST_LIFTED {
                continue;
            }
            self.records.insert(banned, told);
            if known.is_some_and(|known| known.is_banned) != told.is_banned {
                changes.push((banned, told.is_banned));
            }
        }
        self.summarize();
        changes
    }

    /// All records, in parts.
    pub(super) fn rows(&self, part: usize) -> Vec<Value> {
        let rows: Vec<Value> =
            self.records.iter().map(|(banned, record)| row(banned, *record)).collect();
        rows.chunks(part).map(|rows| Value::Array(rows.to_vec())).collect()
    }

    /// Number of versions of other hubs that were too great.
    pub(super) fn excessive(&self) -> u64 {
        self.excessive
    }

    /// Number of lifted bans that are not remembered any more.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Equal at hubs with the same records.
    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    /// The records, to be stored, if they have changed.
    pub(super) fn take_unstored(&mut self) -> Option<String> {
        std::mem::take(&mut self.is_unstored).then(|| self.text())
    }

    fn text(&self) -> String {
        let rows = self.records.iter().map(|(banned, record)| row(banned, *record));
        Value::Array(rows.collect()).to_string()
    }

    /// Forgets the oldest lifted bans beyond the limit, and computes the digest.
    fn summarize(&mut self) {
        let lifted = self.records.iter().filter(|(_, record)| !record.is_banned);
        let mut lifted: Vec<(u64, Banned)> =
            lifted.map(|(banned, record)| (record.version, *banned)).collect();
        lifted.sort_unstable();
        for (_, banned) in lifted.iter().rev().skip(MOST_LIFTED) {
            self.records.remove(banned);
            self.forgotten += 1;
        }
        // FNV-1a: the same at every hub, whatever it was built with.
        let digest = self.text().bytes().fold(0xcbf2_9ce4_8422_2325, |digest: u64, byte| {
            (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        self.is_unstored |= digest != self.digest;
        self.digest = digest;
    }
}

/// Whether a ban means the same at every hub.
fn is_shared(banned: &Banned) -> bool {
    let Banned::Net(net) = banned else { return true };
    match net {
        IpNet::V4(net) => {
            let ip = net.network();
            !(ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified())
        }
        IpNet::V6(net) => {
            let ip = net.network();
            !(ip.is_unique_local()
                || ip.is_loopback()
                || ip.is_unicast_link_local()
                || ip.is_unspecified())
        }
    }
}

fn row(banned: &Banned, record: Record) -> Value {
    json!([banned.to_string(), record.version, u8::from(record.is_banned)])
}

fn record(row: &Value) -> Option<(Banned, Record)> {
    let banned: Banned = row.get(0)?.as_str()?.parse().ok()?;
    let number = |at: usize| row.get(at).and_then(Value::as_u64);
    let record = Record { version: number(1)?, is_banned: number(2)? == 1 };
    is_shared(&banned).then_some((banned, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn banned(text: &str) -> Banned {
        text.parse().unwrap()
    }

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const NET: &str = "203.0.113.0/24";

    /// Tells everything from one hub to the other.
    fn meet(from: &Bans, to: &mut Bans) -> Vec<(Banned, bool)> {
        from.rows(1_000).iter().flat_map(|rows| to.heard(rows)).collect()
    }

    #[test]
    fn bans_of_private_networks_stay_at_their_hub() {
        for public in ["203.0.113.0/24", "2001:db8::/32", KEY] {
            assert!(is_shared(&banned(public)), "{public}");
        }
        for private in ["10.0.0.0/8", "192.168.7.1/32", "127.0.0.1/32", "fd00::/8", "fe80::/10"] {
            assert!(!is_shared(&banned(private)), "{private}");
            let mut bans = Bans::default();
            assert_eq!(bans.changed(banned(private), true), None);
            assert_eq!(bans.heard(&json!([[private, 7, 1]])), []);
        }
    }

    #[test]
    fn an_unban_reaches_a_hub_that_was_away_and_its_ban_does_not_come_back() {
        let (mut a, mut b) = (Bans::default(), Bans::default());
        for subject in [NET, KEY] {
            let told = a.changed(banned(subject), true).unwrap();
            assert_eq!(b.heard(&told), [(banned(subject), true)]);
            assert_eq!(b.heard(&told), [], "once");
            assert_eq!(b.changed(banned(subject), true), None, "the event of the applied ban");
        }
        assert_eq!(a.digest(), b.digest());
        let stored = b.take_unstored().unwrap();
        a.changed(banned(KEY), false).unwrap();
        let bans = [NET, KEY].map(banned);
        let mut b = Bans::start(Some(&stored), bans.into_iter());
        assert_ne!(a.digest(), b.digest());
        assert_eq!(meet(&b, &mut a), []);
        assert_eq!(meet(&a, &mut b), [(banned(KEY), false)]);
        assert_eq!(b.changed(banned(KEY), false), None);
        assert_eq!(a.digest(), b.digest());
        // Banned again, by the other one.
        b.changed(banned(KEY), true).unwrap();
        assert_eq!(meet(&a, &mut b), []);
        assert_eq!(meet(&b, &mut a), [(banned(KEY), true)]);
    }

    #[test]
    fn a_ban_wins_where_the_list_and_the_bans_differ_after_a_restart() {
        let (mut a, mut b) = (Bans::default(), Bans::default());
        let told = a.changed(banned(NET), true).unwrap();
        b.heard(&told);
        let stored = b.take_unstored().unwrap();
        let mut b = Bans::start(Some(&stored), [banned(KEY), banned("10.0.0.0/8")].into_iter());
        assert!(b.take_unstored().is_some());
        assert_eq!(b.missing([banned(KEY)].into_iter()), [banned(NET)]);
        assert_eq!(meet(&b, &mut a), [(banned(KEY), true)]);
        assert_eq!(a.digest(), b.digest());
        let told = a.changed(banned(NET), false).unwrap();
        b.heard(&told);
        let b = Bans::start(b.take_unstored().as_deref(), [banned(NET)].into_iter());
        assert_eq!(meet(&b, &mut a), [(banned(NET), true)]);
    }

    #[test]
    fn a_faulty_hub_cannot_use_up_all_versions() {
        let mut bans = Bans::default();
        for version in [(1_u64 << 53) - 1, 1 << 53, u64::MAX] {
            assert_eq!(bans.heard(&json!([[KEY, version, 1]])), []);
        }
        assert!(bans.changed(banned(KEY), true).is_some());
        assert_eq!((bans.newest, bans.excessive()), (3 * FURTHEST + 1, 3));
        let again = Bans::start(bans.take_unstored().as_deref(), [banned(KEY)].into_iter());
        assert_eq!(again.newest, bans.newest, "an own version is taken back after a restart");
    }

    #[test]
    fn a_new_hub_takes_the_bans_of_an_old_cluster_within_a_few_lists() {
        let mut new = Bans::default();
        let told = json!([[KEY, 3 * FURTHEST, 1]]);
        let lists = (1..=3).find(|_| new.heard(&told) == [(banned(KEY), true)]);
        assert_eq!(lists, Some(3));
    }

    #[test]
    fn a_hub_that_was_away_brings_back_bans_that_were_lifted_too_long_ago_to_be_remembered() {
        let (mut a, mut away) = (Bans::default(), Bans::default());
        for n in [1, 2] {
            let told = a.changed(Banned::Key(n), true).unwrap();
            away.heard(&told);
        }
        a.changed(Banned::Key(1), false).unwrap();
        for n in 3..MOST_LIFTED as u128 + 2 {
            a.changed(Banned::Key(n), true).unwrap();
            a.changed(Banned::Key(n), false).unwrap();
        }
        assert_eq!((a.forgotten(), meet(&away, &mut a)), (0, vec![]));
        a.changed(Banned::Key(2), false).unwrap();
        assert_eq!((a.forgotten(), meet(&away, &mut a)), (1, vec![(Banned::Key(1), true)]));
    }

    #[test]
    fn of_two_at_once_the_ban_wins_at_both() {
        let (mut a, mut b) = (Bans::default(), Bans::default());
        a.heard(&json!([[NET, 1, 1]]));
        b.heard(&json!([[NET, 1, 1]]));
        a.changed(banned(NET), false).unwrap();
        b.heard(&json!([[NET, 2, 1]]));
        assert_eq!((meet(&a, &mut b), meet(&b, &mut a)), (vec![], vec![(banned(NET), true)]));
        assert_eq!(a.digest(), b.digest());
    }

    #[test]
    fn lifted_bans_are_bounded_and_hubs_agree_which_are_remembered() {
        let (mut a, mut b) = (Bans::default(), Bans::default());
        for n in 0..MOST_LIFTED as u128 + 10 {
            a.changed(Banned::Key(n), true).unwrap();
            a.changed(Banned::Key(n), false).unwrap();
        }
        assert_eq!(a.records.len(), MOST_LIFTED);
        b.heard(&json!([[Banned::Key(7_777_777).to_string(), 1, 0]]));
        meet(&a, &mut b);
        assert_eq!(a.digest(), b.digest());
        for wrong in
            [json!(7), json!([7]), json!([[NET]]), json!([[NET, u64::MAX, 1], ["x", 1, 1]])]
        {
            assert_eq!(a.heard(&wrong), [], "{wrong}");
        }
        assert_eq!(a.digest(), b.digest());
    }
}
