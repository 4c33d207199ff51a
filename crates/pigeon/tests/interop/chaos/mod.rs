//! Several hubs over NATS JetStream, while hubs and brokers are killed, stopped, emptied and
//! restored, and links are cut: nothing that was acknowledged is lost or doubled, and all have one
//! order.
//!
//! `PIGEON_CLUSTER_ROUNDS=200 cargo test -p pigeon --test interop chaos::` runs 200 rounds.
//! `PIGEON_CLUSTER_SEED=N` draws other faults. Without a number of rounds it is skipped, because it
//! takes minutes. The parts:
//!
//! - `ledger`: what is checked. `sites`: hubs, brokers and the network. `members`: who speaks and
//!   reads.
//! - `silence`: how long a reliable member hears nothing when its hub dies.

mod ledger;
mod members;
mod silence;
mod sites;

use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::sleep;
use std::time::{Duration, Instant};

use ledger::{Acknowledged, Ledger, cut_lost_tails, faults, finds_faults_put_in_by_hand};
use members::{Crowd, Door, Orders, Plain, Reliable, bare};
use sites::{Cut, Sites};

/// How long a wait without any progress may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// How long presence may be wrong, and plain members unheard, after the last event.
const SOON: Duration = Duration::from_secs(20);

/// Rounds between two checks.
const ROUNDS: u32 = 10;

/// Time between two messages of a reliable member.
const PACE: Duration = Duration::from_millis(150);

const HUBS: usize = 3;
const RELIABLE: usize = 9;
const PLAIN: usize = 30;

/// What happens in a round, each to one site.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    HubKilled,
    HubStopped,
    HubRestored,
    BrokerKilled,
    BrokerStopped,
    BrokerEmptied,
    /// All at once: a power failure.
    BrokersKilled,
    /// The stream is gone, and made anew.
    BrokersEmptied,
    /// The stream is as it was at an earlier power failure.
    BrokersOlder,
    SiteCut,
    PairCut,
    BrokersCut,
    MembersCut,
}

const FAULTS: [Fault; 13] = [
    Fault::HubKilled,
    Fault::HubStopped,
    Fault::HubRestored,
    Fault::BrokerKilled,
    Fault::BrokerStopped,
    Fault::BrokerEmptied,
    Fault::BrokersKilled,
    Fault::BrokersEmptied,
    Fault::BrokersOlder,
    Fault::SiteCut,
    Fault::PairCut,
    Fault::BrokersCut,
    Fault::MembersCut,
];

impl Fault {
    /// Whether the only copies of something may go. One at a time until all have what the others
    /// have: nothing can be promised for what was deleted everywhere.
    fn destroys(self) -> bool {
        matches!(self, Fault::HubRestored | Fault::BrokerEmptied)
            || self.is_of_all_brokers() && self != Fault::BrokersKilled
    }

    fn is_of_hub(self) -> bool {
        matches!(self, Fault::HubKilled | Fault::HubStopped | Fault::HubRestored)
    }

    fn is_of_broker(self) -> bool {
        matches!(self, Fault::BrokerKilled | Fault::BrokerStopped | Fault::BrokerEmptied)
            || self.is_of_all_brokers()
    }

    fn is_of_all_brokers(self) -> bool {
        matches!(self, Fault::BrokersKilled | Fault::BrokersEmptied | Fault::BrokersOlder)
    }

    fn is_cut(self) -> bool {
        !self.is_of_hub() && !self.is_of_broker()
    }
}

/// A seeded generator (PCG's multiplier), the same on every machine.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn site(&mut self) -> usize {
        self.roll(HUBS as u64) as usize
    }

    fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.roll(to - from))
    }
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |word| word.parse().unwrap())
}

/// The number in a variable. Without one the test is skipped.
fn asked(name: &str) -> Option<u64> {
    let number = std::env::var(name).ok().map(|word| word.parse().unwrap());
    if number.is_none() {
        let _ = writeln!(std::io::stderr(), "SKIPPED: {name}=NUMBER runs it");
    }
    number
}

#[test]
fn nothing_acknowledged_is_lost_or_doubled_whatever_becomes_of_hubs_brokers_and_links() {
    let Some(rounds) = asked("PIGEON_CLUSTER_ROUNDS").map(|rounds| rounds as u32) else { return };
    sites::with("rounds", HUBS, HUBS, move |sites| {
        let mut chaos = Chaos::start(sites, variable("PIGEON_CLUSTER_SEED", 7));
        chaos.settle("before anything happens");
        for round in 1..=rounds {
            chaos.round(round);
            if round % ROUNDS == 0 || round == rounds {
                chaos.settle(&format!("after round {round}"));
            }
        }
        chaos.end(rounds);
    });
}

struct Chaos<'a> {
    sites: &'a mut Sites,
    dice: Dice,
    orders: Arc<Orders>,
    reliable: Vec<Reliable>,
    plain: Crowd,
    /// Whether something was deleted since all had everything.
    has_destroyed: bool,
    counts: Vec<(Fault, u32)>,
    /// When the last program was started or link mended.
    last: Instant,
    /// How often the brokers had to be started again.
    stalls: u32,
    /// How long presence and plain members needed.
    presence: Vec<Duration>,
    hearing: Vec<Duration>,
}

impl<'a> Chaos<'a> {
    fn start(sites: &'a mut Sites, seed: u64) -> Chaos<'a> {
        println!("seed {seed}");
        let orders = Orders::with_pace(PACE);
        let reliable = (0..RELIABLE).map(|n| {
            let hub = &sites.hubs[n % HUBS];
            let door = Door { secure: hub.secure, fingerprint: hub.fingerprint.unwrap() };
            Reliable::start(&format!("key{n}"), door, &sites.folder, Arc::clone(&orders))
        });
        let reliable = reliable.collect();
        let plain = (0..PLAIN).map(|n| Plain::join(&format!("udp{n}"), sites.hubs[n % HUBS].plain));
        let plain = Crowd::start(plain.collect(), Arc::clone(&orders));
        Chaos {
            sites,
            dice: Dice(seed),
            orders,
            reliable,
            plain,
            has_destroyed: false,
            counts: FAULTS.map(|fault| (fault, 0)).into(),
            last: Instant::now(),
            stalls: 0,
            presence: Vec::new(),
            hearing: Vec::new(),
        }
    }

    /// One to three faults at once, for up to two seconds.
    fn round(&mut self, round: u32) {
        let mut faults: Vec<(Fault, usize)> = Vec::new();
        let wanted = 1 + self.dice.roll(3);
        // Some do not go together.
        for _ in 0..wanted * 5 {
            if faults.len() as u64 == wanted {
                break;
            }
            let fault = FAULTS[self.dice.roll(FAULTS.len() as u64) as usize];
            let site = self.dice.site();
            let is_beside = |other: &(Fault, usize)| {
                fault.is_cut() && other.0.is_cut()
                    || fault.is_of_all_brokers() && other.0.is_of_broker()
                    || other.0.is_of_all_brokers() && fault.is_of_broker()
                    || other.1 == site
                        && (fault.is_of_hub() && other.0.is_of_hub()
                            || fault.is_of_broker() && other.0.is_of_broker())
            };
            if fault.destroys() && self.has_destroyed
                || fault.is_cut() && !self.sites.has_links()
                || faults.iter().any(is_beside)
            {
                continue;
            }
            self.has_destroyed |= fault.destroys();
            faults.push((fault, site));
        }
        println!("round {round}: {faults:?}");
        for (fault, site) in &faults {
            self.counts.iter_mut().filter(|it| it.0 == *fault).for_each(|it| it.1 += 1);
            self.begin(*fault, *site);
            sleep(self.dice.millis(0, 300));
        }
        // Some last until leases run out and connections count as dead.
        let longest = if self.dice.roll(8) == 0 { 12_000 } else { 2_000 };
        sleep(self.dice.millis(300, longest));
        for (fault, site) in faults {
            self.end_of(fault, site);
            sleep(self.dice.millis(0, 300));
        }
        self.last = Instant::now();
        sleep(self.dice.millis(200, 1_000));
    }

    fn begin(&mut self, fault: Fault, site: usize) {
        match fault {
            Fault::HubKilled | Fault::HubRestored => self.sites.kill_hub(site),
            Fault::HubStopped => self.sites.signal_hub(site, "STOP"),
            Fault::BrokerKilled | Fault::BrokerEmptied => self.sites.kill_broker(site),
            Fault::BrokerStopped => self.sites.signal_broker(site, "STOP"),
            Fault::BrokersKilled | Fault::BrokersEmptied | Fault::BrokersOlder => {
                (0..HUBS).for_each(|n| self.sites.kill_broker(n));
            }
            Fault::SiteCut => self.sites.cut(Cut::Site(site)),
            Fault::PairCut => self.sites.cut(Cut::Pair(site, (site + 1) % HUBS)),
            Fault::BrokersCut => self.sites.cut(Cut::Brokers(site)),
            Fault::MembersCut => self.sites.cut(Cut::Members(site)),
        }
    }

    fn end_of(&mut self, fault: Fault, site: usize) {
        match fault {
            Fault::HubKilled | Fault::HubRestored => {
                if fault == Fault::HubRestored {
                    self.sites.restore(site);
                }
                // Up to an hour before or after the others.
                self.sites.hubs[site].clock = self.dice.roll(7_200) as i64 - 3_600;
                self.sites.start_hub(site);
            }
            Fault::HubStopped => self.sites.signal_hub(site, "CONT"),
            Fault::BrokerKilled | Fault::BrokerEmptied => {
                if fault == Fault::BrokerEmptied {
                    self.sites.empty_broker(site);
                }
                self.sites.start_broker(site);
            }
            Fault::BrokerStopped => self.sites.signal_broker(site, "CONT"),
            Fault::BrokersKilled | Fault::BrokersEmptied | Fault::BrokersOlder => {
                for n in 0..HUBS {
                    match fault {
                        Fault::BrokersKilled => self.sites.copy_broker(n),
                        Fault::BrokersEmptied => self.sites.empty_broker(n),
                        _ => self.sites.put_copy_of_broker(n),
                    }
                    self.sites.start_broker(n);
                }
            }
            _ => self.sites.heal_links(),
        }
    }

    /// Waits until everything is said, stored and read everywhere, and checks who is present and who
    /// hears.
    fn settle(&mut self, when: &str) {
        self.orders.speak.store(false, Ordering::Relaxed);
        let presence = match std::env::var_os("WITHOUT_PRESENCE") {
            Some(_) => Duration::ZERO,
            None => self.await_presence(when),
        };
        let hearing = self.await_hearing(when);
        self.await_ledgers(when);
        println!(
            "{when}: presence right after {presence:.1?}, plain members hear after {hearing:.1?}, \
             {} messages in every ledger after {:.1?}",
            self.acknowledged().values().map(|it| it.len()).sum::<usize>(),
            self.last.elapsed()
        );
        self.presence.push(presence);
        self.hearing.push(hearing);
        self.check();
        (0..HUBS).for_each(|n| self.sites.back_up(n));
        self.has_destroyed = false;
        self.orders.speak.store(true, Ordering::Relaxed);
    }

    /// Starts all brokers again if they have stopped for good, as an operator would, and waits anew.
    /// nats-server 2.9.10 sometimes does after several failures: it reports a stalled catch-up every ten
    /// seconds, and no stream has a leader that stores anything.
    fn revive_brokers(&mut self, start: &mut Instant) {
        if start.elapsed() < PATIENCE / 2 || !(0..HUBS).any(|n| self.sites.is_stalled(n)) {
            return;
        }
        println!("the brokers have stalled, and are started again");
        (0..HUBS).for_each(|n| self.sites.kill_broker(n));
        (0..HUBS).for_each(|n| self.sites.start_broker(n));
        self.stalls += 1;
        assert!(self.stalls < 10, "the brokers stall each time");
        (self.last, *start) = (Instant::now(), Instant::now());
    }

    /// Waits until a plain member of every hub gets exactly all names from `/who`.
    fn await_presence(&mut self, when: &str) -> Duration {
        let all = |prefix, count| (0..count).map(move |n| format!("{prefix}{n}"));
        let mut wanted: Vec<String> = all("key", RELIABLE).chain(all("udp", PLAIN)).collect();
        wanted.sort();
        let mut is_right = [false; HUBS];
        let mut got: Vec<Vec<String>> = vec![Vec::new(); HUBS];
        let mut start = Instant::now();
        for asker in 0.. {
            self.revive_brokers(&mut start);
            let asker = |hub: usize| hub + asker % (PLAIN / HUBS) * HUBS;
            for hub in (0..HUBS).filter(|hub| !is_right[*hub]) {
                self.plain.lock()[asker(hub)].ask();
            }
            sleep(Duration::from_millis(300));
            for hub in 0..HUBS {
                if let Some(roster) = &self.plain.lock()[asker(hub)].roster
                    && !is_right[hub]
                {
                    got[hub] = roster.iter().cloned().collect();
                    let mut names: Vec<&str> = roster.iter().map(|name| bare(name)).collect();
                    names.sort_unstable();
                    is_right[hub] = names == wanted;
                }
            }
            if is_right == [true; HUBS] {
                return self.last.elapsed();
            }
            let differs = |hub: usize| {
                let times = |name: &String| got[hub].iter().filter(|it| bare(it) == name).count();
                let missing: Vec<_> = wanted.iter().filter(|name| times(name) == 0).collect();
                let wrong = got[hub].iter().filter(|name| {
                    let name = bare(name).to_string();
                    !wanted.contains(&name) || times(&name) > 1
                });
                let wrong: Vec<_> = wrong.collect();
                format!("hub{hub}: {}, missing {missing:?}, wrong {wrong:?}", is_right[hub])
            };
            assert!(
                start.elapsed() < PATIENCE,
                "{when}: presence is wrong: {:?}",
                (0..HUBS).map(differs).collect::<Vec<_>>()
            );
        }
        unreachable!()
    }

    /// Waits until every plain member has heard every other one.
    fn await_hearing(&mut self, when: &str) -> Duration {
        self.plain.lock().iter_mut().for_each(|member| member.heard.clear());
        let names: Vec<String> = (0..PLAIN).map(|n| format!("udp{n}")).collect();
        let mut start = Instant::now();
        for attempt in 1.. {
            self.revive_brokers(&mut start);
            let heard_by = |member: &Plain, name: &str| {
                (1..attempt)
                    .any(|attempt| member.heard.contains(&format!("{name} {when} {attempt}")))
            };
            let members = self.plain.lock();
            let unheard: Vec<&str> = names
                .iter()
                .filter(|name| members.iter().any(|member| !heard_by(member, name)))
                .map(String::as_str)
                .collect();
            if unheard.is_empty() {
                return self.last.elapsed();
            }
            let deaf = |member: &Plain| {
                let not = names.iter().filter(|name| !heard_by(member, name)).count();
                format!("{} does not hear {not}", member.name)
            };
            assert!(
                start.elapsed() < PATIENCE,
                "{when}: {:?}",
                members.iter().map(deaf).collect::<Vec<_>>()
            );
            for member in members.iter().filter(|it| unheard.contains(&it.name.as_str())) {
                member.send(&format!("{} {when} {attempt}", member.name));
            }
            drop(members);
            sleep(Duration::from_millis(700));
        }
        unreachable!()
    }

    /// Waits until everything that was said is acknowledged and in every ledger.
    fn await_ledgers(&self, when: &str) {
        let progress = || {
            let of = |it: &Reliable| {
                let book = it.book();
                (book.acknowledged.len(), book.texts.len())
            };
            self.reliable.iter().map(of).collect::<Vec<_>>()
        };
        let (mut before, mut since) = (progress(), Instant::now());
        while let Some(waits) = self.waits_for() {
            assert!(self.reliable.iter().all(Reliable::is_running), "{when}: a member has ended");
            if since.elapsed() > PATIENCE {
                self.report();
                panic!("{when}: nothing more happens: {waits}");
            }
            sleep(Duration::from_millis(100));
            let now = progress();
            if now != before {
                (before, since) = (now, Instant::now());
            }
        }
    }

    /// The first thing that is not as it must be in the end.
    fn waits_for(&self) -> Option<String> {
        let all = self.acknowledged();
        for member in &self.reliable {
            let book = member.book();
            let (said, stored) = (book.said, book.acknowledged.len() as u64);
            if stored < said && book.troubles.is_empty() {
                return Some(format!("{}: {said} said, {stored} stored", member.name));
            }
            for (name, numbers) in &all {
                for number in numbers {
                    if !book.texts.contains(&format!("{name} {number}")) {
                        return Some(format!("{} has not read \"{name} {number}\"", member.name));
                    }
                }
            }
        }
        None
    }

    fn acknowledged(&self) -> Acknowledged {
        let of = |it: &Reliable| (it.name.clone(), it.book().acknowledged.clone());
        self.reliable.iter().map(of).collect()
    }

    /// What members have read and hubs hold, and how many lost tails were cut from the hubs' logs.
    fn ledgers(&self) -> (Vec<Ledger>, usize) {
        let read = self.reliable.iter().map(|it| Ledger::read(&it.name, &it.ledger));
        let (mut all, acknowledged): (Vec<Ledger>, _) = (read.collect(), self.acknowledged());
        let members = all.clone();
        let mut tails = 0;
        for n in 0..HUBS {
            let mut hub = Ledger::exported(&format!("hub{n}"), &self.sites.export(n));
            tails += cut_lost_tails(&mut hub, &members, &acknowledged);
            all.push(hub);
        }
        (all, tails)
    }

    fn check(&self) {
        for member in &self.reliable {
            let troubles = &member.book().troubles;
            assert!(troubles.is_empty(), "{}: {troubles:?}", member.name);
        }
        let faults = faults(&self.ledgers().0, &self.acknowledged());
        if !faults.is_empty() {
            self.report();
            let first: Vec<&String> = faults.iter().take(10).collect();
            panic!(
                "{} faults: {first:#?}\nthe ledgers are in {}",
                faults.len(),
                self.sites.folder.display()
            );
        }
    }

    fn report(&self) {
        for member in &self.reliable {
            let book = member.book();
            let hub = self.sites.hubs.iter().position(|hub| hub.fingerprint == book.hub);
            eprintln!(
                "{}: at hub {hub:?}, {} moves, {} said, {} stored, {} read",
                member.name,
                book.moves,
                book.said,
                book.acknowledged.len(),
                book.texts.len()
            );
        }
        for n in 0..HUBS {
            let said = self.sites.said(n);
            said.iter().rev().take(15).rev().for_each(|line| eprintln!("hub{n}: {line}"));
        }
    }

    fn end(self, rounds: u32) {
        self.orders.end.store(true, Ordering::Relaxed);
        let acknowledged = self.acknowledged();
        let (ledgers, tails) = self.ledgers();
        assert!(tails <= 1 + rounds as usize / 50, "{tails} lost tails");
        assert!(self.stalls <= 1 + rounds / 50, "the brokers stalled {} times", self.stalls);
        finds_faults_put_in_by_hand(&ledgers, &acknowledged);
        let stored: usize = acknowledged.values().map(|it| it.len()).sum();
        let moves: u32 = self.reliable.iter().map(|it| it.book().moves).sum();
        let [presence, hearing] =
            [&self.presence, &self.hearing].map(|all| *all.iter().max().unwrap());
        let epochs: BTreeSet<u64> = ledgers[0].lines.iter().map(ledger::Line::epoch).collect();
        println!(
            "{rounds} rounds, {} epochs: {:?}; {stored} messages of {RELIABLE} reliable members acknowledged, \
             {} in a ledger, {moves} moves to another hub: 0 lost, 0 doubled, one order, {tails} \
             tails of plain messages in a hub's log only, brokers started again {} times; presence \
             right after at most {presence:.1?}, plain members hear after at most {hearing:.1?}: \
             20 s wanted",
            epochs.len(),
            self.counts,
            ledgers[0].lines.len(),
            self.stalls,
        );
        self.reliable.into_iter().for_each(Reliable::join);
        // A busy machine may take longer than the 20 s that are printed.
        assert!(presence <= 3 * SOON, "presence is right in time");
        assert!(hearing <= 3 * SOON, "plain members hear in time");
        if !self.sites.has_clocks() {
            println!("all clocks were equal");
        }
    }
}
