//! Members of other hubs: who they are, and private messages between hubs.
//!
//! Each hub tells its members to the others after a change, and again every few seconds, because
//! what is told may be lost. Here each of them is a member of a link of its own, so that `/who`,
//! notices and `/msg` need nothing special. A name that is used at two hubs is shown as `name@hub`.
//!
//! **A key is one member**, at however many hubs it is: each hub shows its own member with a key, and
//! without one the member that joined last. Joins are numbered by a logical clock, which is ahead of
//! every number that its hub has heard, because the hubs' wall clocks differ. A hub with such a member asks its own
//! connections for a sign, and ends those that give none: the member went on from here while this hub
//! hung or was cut off.
//!
//! A hub's members leave when its lease ends. While this hub is cut off no lease ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use pigeon_datagram::Instant;
use pigeon_guard::Origin;
use pigeon_hub::{Banned, Event, Hub, Input, Keep, LinkId, MemberId, Source};
use pigeon_log::State;
use pigeon_proto::frame::OtherHub;
use pigeon_proto::{Label, LinkKind, Notice, RoomName};
use serde_json::{Value, json};
use tracing::{info, warn};

use super::bans::Bans;
use super::places::Places;
use crate::words::say;

/// Time between looks for changes, and between lists without one.
const LOOK: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_secs(6);

/// Time between requests for a sign of members that are at another hub too.
const PROBE: Duration = Duration::from_secs(2);

/// Maximum number of members that a hub announces, and of those in one part of its list.
const MOST: usize = 10_000;
const PART: usize = 1_000;

/// Maximum bytes of a member or a ban in a list.
const ROW: usize = 512;

/// Maximum number of other hubs.
const MOST_HUBS: usize = 64;

/// Number of a hub's own earlier runs that it announces.
const RUNS: usize = 8;

/// How much greater than every known number of a join one from another hub may be, and the last one.
/// A faulty hub cannot use up all numbers. A greater one counts as 0, but each list with such moves
/// the limit, so that a hub that was restarted soon takes those of an old cluster.
const FURTHEST: u64 = 1 << 20;
const LAST_JOIN: u64 = 1 << 53;

/// Subjects of what is stored.
const HUBS: &str = "hubs";
const BANS: &str = "bans";
const OWN_RUNS: &str = "runs";

/// A member of a hub, as told to the others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Present {
    name: String,
    room: String,
    link: &'static str,
    is_person: bool,
    /// The author of its key, if it has one.
    author: Option<u128>,
    /// The number of its join, if it has a key.
    join: u64,
}

/// A member of another hub: its key, or its hub's run and its name there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Key(u128),
    Name(u128, String),
}

impl Who {
    fn of(run: u128, present: &Present) -> Who {
        match present.author {
            Some(author) => Who::Key(author),
            None => Who::Name(run, present.name.clone()),
        }
    }
}

/// Another hub.
#[derive(Default)]
struct Other {
    name: String,
    /// The list that arrives in parts, by the version of its list.
    version: u64,
    parts: BTreeMap<u64, Vec<Present>>,
    /// Its members by name.
    members: BTreeMap<String, Present>,
    /// The digest of its bans.
    bans: Option<u64>,
}

/// A member of another hub, as shown here.
struct Shown {
    id: MemberId,
    /// Where it is, and its name there.
    run: u128,
    name: String,
    room: String,
    link: &'static str,
    label: String,
}

/// This hub's members with a key.
#[derive(Default)]
struct Here {
    /// Each with the number of its join.
    by_author: BTreeMap<u128, (MemberId, u64)>,
    authors: HashMap<MemberId, u128>,
    /// Private messages of other hubs for a member that are not reported as events yet.
    arrived: BTreeMap<u128, u32>,
    /// The greatest number of a join, here or elsewhere.
    clock: u64,
}

/// The members of other hubs.
#[derive(Default)]
pub(super) struct Elsewhere {
    links: BTreeMap<&'static str, LinkId>,
    others: BTreeMap<u128, Other>,
    /// At which hubs each key is, and its name there.
    keys: BTreeMap<u128, BTreeMap<u128, String>>,
    shown: BTreeMap<Who, Shown>,
    members: HashMap<MemberId, Who>,
    /// Members that have ended here, such as by a kick, and are not shown until they are gone there.
    hidden: BTreeSet<Who>,
    here: Here,
    places: Places,
    bans: Bans,
    /// Bans and unbans of other hubs, until the hub's own events of them come.
    applied: Vec<(Banned, bool)>,
    /// This hub's runs, the present one first.
    runs: Vec<String>,
    /// The members that were told last.
    told: Vec<Present>,
    told_at: Option<Instant>,
    /// The number of rows in one part of a list, which the brokers accept.
    part: usize,
    /// Numbers of joins of other hubs that were too great.
    excessive: u64,
    version: u64,
    seen_version: Option<u64>,
    bans_told_at: Option<Instant>,
    next: Option<Instant>,
    next_probe: Option<Instant>,
    number: u64,
    /// What is to be told to the others.
    tells: Vec<Value>,
    /// Members that must give a sign.
    probes: Vec<u128>,
}

impl Elsewhere {
    /// What this hub tells about itself, with each lease.
    pub(super) fn about(&self, hub: &Hub) -> Value {
        let place = self.places.own().and_then(|place| serde_json::to_value(place).ok());
        let earlier = self.runs.get(1..).unwrap_or_default();
        json!({
            "name": hub.config().name.as_str(), "secure": place, "earlier": earlier,
            "bans": format!("{:016x}", self.bans.digest()),
        })
    }

    /// Where this hub's members with a key join.
    pub(super) fn set_place(&mut self, place: Option<OtherHub>) {
        self.places.set_own(place);
    }

    /// The places of all hubs, if they have changed.
    pub(super) fn take_places(&mut self) -> Option<Vec<OtherHub>> {
        self.places.take()
    }

    /// What is to be told to the other hubs.
    pub(super) fn take_tells(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.tells)
    }

    /// Members of this hub that must show that they are here.
    pub(super) fn take_probes(&mut self) -> Vec<u128> {
        std::mem::take(&mut self.probes)
    }

    /// What is to be stored, by subject.
    pub(super) fn take_unstored(&mut self) -> Vec<(&'static str, String)> {
        let all = [(HUBS, self.places.take_unstored()), (BANS, self.bans.take_unstored())];
        all.into_iter().filter_map(|(subject, value)| Some((subject, value?))).collect()
    }

    /// The hub at which a member is, if it is another one.
    pub(super) fn hub_of(&self, member: MemberId) -> Option<&str> {
        let shown = self.shown.get(self.members.get(&member)?)?;
        Some(&self.others.get(&shown.run)?.name)
    }

    /// Number of members at other hubs.
    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// The brokers accept so many bytes at once.
    pub(super) fn set_limit(&mut self, bytes: usize) {
        self.part = (bytes / ROW).clamp(1, PART);
    }

    /// Numbers of joins and of bans of other hubs that were too great.
    pub(super) fn excessive(&self) -> u64 {
        self.excessive + self.bans.excessive()
    }

    /// Number of lifted bans that are not remembered any more.
    pub(super) fn forgotten_unbans(&self) -> u64 {
        self.bans.forgotten()
    }
}

/// Other hubs.
impl Elsewhere {
    /// Another hub has come, or says something new about itself.
    pub(super) fn about_other(&mut self, hub: &Hub, now: Instant, run: u128, about: &Value) {
        let is_new = !self.others.contains_key(&run);
        if is_new && self.others.len() >= MOST_HUBS {
            return;
        }
        let text = |field: &str| about.get(field).and_then(Value::as_str);
        let other = self.others.entry(run).or_default();
        let name = text("name").unwrap_or("?");
        other.name = name.chars().filter(|c| c.is_alphanumeric() || "-_.".contains(*c)).collect();
        other.bans = text("bans").and_then(|digest| u64::from_str_radix(digest, 16).ok());
        let place = about.get("secure").cloned();
        self.places.alive(now, run, place.and_then(|place| serde_json::from_value(place).ok()));
        if is_new && other.name == hub.config().name.as_str() {
            warn!("{}", say!("hub-cluster-same-name", name = &other.name));
        }
        if is_new {
            // It knows nothing of this one, or has hung and does not know that its members left here.
            (self.told_at, self.bans_told_at) = (None, None);
            self.tells.push(json!({ "kind": "ask", "hub": hex(run) }));
        }
    }

    /// Another hub is gone, and its members.
    pub(super) fn gone(&mut self, hub: &mut Hub, now: Instant, run: u128) {
        self.places.gone(now, run);
        self.replace(hub, now, run, BTreeMap::new());
        self.others.remove(&run);
    }

    /// Another hub has told something.
    pub(super) fn told(&mut self, hub: &mut Hub, now: Instant, run: u128, body: &Value) {
        match body.get("kind").and_then(Value::as_str) {
            Some("members") => self.list(hub, now, run, body),
            Some("msg") => self.msg(hub, now, run, body),
            Some("bans") => self.hear_bans(hub, now, body),
            Some("ask")
                if body.get("hub").and_then(Value::as_str) == Some(&hex(hub.config().run)) =>
            {
                self.told_at = None;
            }
            _ => {}
        }
    }

    /// A part of another hub's list.
    fn list(&mut self, hub: &mut Hub, now: Instant, run: u128, body: &Value) {
        let Some(other) = self.others.get_mut(&run) else { return };
        let number = |field: &str| body.get(field).and_then(Value::as_u64).unwrap_or(0);
        let (version, part, parts) = (number("version"), number("part"), number("parts"));
        if version != other.version {
            other.version = version;
            other.parts.clear();
        }
        let rows = body.get("members").and_then(Value::as_array);
        let members = rows.into_iter().flatten().filter_map(present).take(PART);
        let mut members: Vec<Present> = members.collect();
        let before: usize = other.parts.values().map(Vec::len).sum();
        if part >= parts || parts > MOST as u64 || before + members.len() > MOST {
            return;
        }
        let furthest = (self.here.clock + FURTHEST).min(LAST_JOIN);
        for member in members.iter_mut().filter(|it| it.join > furthest) {
            member.join = 0;
            self.excessive += 1;
            self.here.clock = furthest;
        }
        other.parts.insert(part, members);
        if other.parts.len() as u64 == parts {
            let all = std::mem::take(&mut other.parts).into_values().flatten();
            let all = all.map(|it| (it.name.clone(), it)).collect();
            self.replace(hub, now, run, all);
        }
    }

    /// Makes a hub's members those of its list.
    fn replace(&mut self, hub: &mut Hub, now: Instant, run: u128, list: BTreeMap<String, Present>) {
        let Elsewhere { others, keys, shown, here, .. } = self;
        let Some(other) = others.get_mut(&run) else { return };
        let before = std::mem::replace(&mut other.members, list);
        let mut changed = BTreeSet::new();
        for (name, present) in &before {
            if other.members.get(name) == Some(present) {
                continue;
            }
            changed.insert(Who::of(run, present));
            if let Some(author) = present.author
                && let Some(runs) = keys.get_mut(&author)
            {
                runs.remove(&run);
                if runs.is_empty() {
                    keys.remove(&author);
                }
            }
        }
        for (name, present) in &other.members {
            let who = Who::of(run, present);
            if before.get(name) != Some(present) {
                here.clock = here.clock.max(present.join);
                if let Some(author) = present.author {
                    keys.entry(author).or_default().insert(run, name.clone());
                }
                changed.insert(who);
            } else if !shown.contains_key(&who) {
                // There was no room for it before.
                changed.insert(who);
            }
        }
        let mut is_different = false;
        for who in changed {
            is_different |= self.settle(hub, now, &who);
            if !self.is_told(&who) {
                self.hidden.remove(&who);
            }
        }
        if is_different {
            self.relabel(hub, now);
        }
    }

    fn is_told(&self, who: &Who) -> bool {
        match who {
            Who::Key(author) => self.keys.contains_key(author),
            Who::Name(run, name) => {
                self.others.get(run).is_some_and(|other| other.members.contains_key(name))
            }
        }
    }

    /// Where a member is to be shown as one of another hub.
    fn best(&self, who: &Who) -> Option<(u128, &Present)> {
        let at = |run: &u128, name: &str| Some((*run, self.others.get(run)?.members.get(name)?));
        match who {
            _ if self.hidden.contains(who) => None,
            Who::Name(run, name) => at(run, name),
            Who::Key(author) if self.here.by_author.contains_key(author) => None,
            Who::Key(author) => {
                let all = self.keys.get(author)?.iter();
                all.filter_map(|(run, name)| at(run, name)).max_by_key(|(run, it)| (it.join, *run))
            }
        }
    }

    /// Shows a member as it is at its hub, or not at all. Returns whether anything has changed.
    fn settle(&mut self, hub: &mut Hub, now: Instant, who: &Who) -> bool {
        let best = self.best(who).map(|(run, present)| (run, present.clone()));
        let is_over =
            |shown: &&Shown| best.as_ref().is_none_or(|(_, present)| present.link != shown.link);
        let mut is_different = false;
        if let Some(id) = self.shown.get(who).filter(is_over).map(|shown| shown.id) {
            self.shown.remove(who);
            self.members.remove(&id);
            hub.handle_input(now, id, Input::Leave);
            is_different = true;
        }
        let Some((run, present)) = best else { return is_different };
        let Present { name, room, link, is_person, author, .. } = present;
        if !self.shown.contains_key(who) {
            let Some((id, label)) = self.enter(hub, now, run, &name, link, author) else {
                return is_different;
            };
            self.members.insert(id, who.clone());
            let (name, room) = (name.clone(), String::new());
            self.shown.insert(who.clone(), Shown { id, run, name, room, link, label });
        }
        let Some(shown) = self.shown.get_mut(who) else { return is_different };
        is_different |= (shown.run, &shown.name, &shown.room) != (run, &name, &room);
        (shown.run, shown.name) = (run, name);
        let id = shown.id;
        if shown.room != room
            && let Ok(there) = RoomName::parse(room.as_bytes())
        {
            hub.move_elsewhere(now, id, there);
            shown.room = room;
        }
        if is_person {
            hub.handle_input(now, id, Input::Alive);
        }
        is_different
    }

    fn enter(
        &mut self,
        hub: &mut Hub,
        now: Instant,
        run: u128,
        name: &str,
        link: &str,
        author: Option<u128>,
    ) -> Option<(MemberId, String)> {
        let link = *self.links.get(link)?;
        self.number += 1;
        // Only its own: limits and kicks are matters of its hub.
        let ip = Ipv6Addr::from((0xfd70_6967_0000_0000 + u128::from(self.number)) << 64 | 1);
        let source = Source { ip: IpAddr::V6(ip), origin: Origin::Loopback };
        let label = format!("{name}@{}", self.others.get(&run)?.name);
        let id = hub.join_elsewhere(now, link, Label::parse(&label)?, source, author).ok()?;
        Some((id, label))
    }

    /// Shows names alone where they are at one hub only.
    fn relabel(&mut self, hub: &mut Hub, now: Instant) {
        let fold = |name: &str| name.to_lowercase();
        let mut used: HashMap<String, usize> = HashMap::new();
        for name in hub.names() {
            *used.entry(fold(name.as_str())).or_default() += 1;
        }
        for shown in self.shown.values() {
            *used.entry(fold(&shown.name)).or_default() += 1;
        }
        for shown in self.shown.values_mut() {
            let (name, at) = (&shown.name, self.others.get(&shown.run).map(|other| &other.name));
            let is_alone = used.get(&fold(name)).is_none_or(|count| *count == 1);
            let label = match at {
                Some(at) if !is_alone => format!("{name}@{at}"),
                _ => name.clone(),
            };
            if label != shown.label
                && let Some(parsed) = Label::parse(&label)
            {
                hub.relabel(now, shown.id, parsed);
                shown.label = label;
            }
        }
    }

    /// A private message for a member of this hub: of a key, wherever it is.
    fn msg(&mut self, hub: &mut Hub, now: Instant, run: u128, body: &Value) {
        let text = |field: &str| body.get(field).and_then(Value::as_str);
        let (Some(to_hub), Some(to), Some(from), Some(said)) =
            (text("hub"), text("to"), text("from"), text("text"))
        else {
            return;
        };
        let author = text("author").and_then(|author| u128::from_str_radix(author, 16).ok());
        let own = author.and_then(|author| Some((author, self.here.by_author.get(&author)?.0)));
        let member = own.and_then(|(_, member)| hub.member(member));
        let to = match member {
            Some(member) => member.name.map_or(member.label, |name| Label::from(&name)).to_string(),
            None if to_hub == hex(hub.config().run) => to.to_owned(),
            None => return,
        };
        let sender = self.others.get(&run).and_then(|other| other.members.get(from));
        let shown = sender.and_then(|sender| self.shown.get(&Who::of(run, sender)));
        let label = Label::parse(shown.map_or(from, |shown| shown.label.as_str()));
        if let Some(label) = label
            && hub.msg_from(now, label, &to, said)
            && let Some((author, _)) = own
        {
            *self.here.arrived.entry(author).or_default() += 1;
        }
    }

    fn hear_bans(&mut self, hub: &mut Hub, now: Instant, body: &Value) {
        let Some(rows) = body.get("rows") else { return };
        for (banned, is_banned) in self.bans.heard(rows) {
            let net = banned.to_string();
            let had_it = hub.bans().any(|it| it == banned);
            let has_changed = match is_banned {
                true => {
                    info!("{}", say!("hub-cluster-banned", net = &net));
                    hub.ban_exactly(now, banned).is_ok() && !had_it
                }
                false => {
                    info!("{}", say!("hub-cluster-unbanned", net = &net));
                    hub.unban(&net)
                }
            };
            if has_changed {
                self.applied.push((banned, is_banned));
            }
        }
    }
}

/// This hub.
impl Elsewhere {
    /// With what was known before a restart.
    pub(super) fn start(hub: &mut Hub, now: Instant, state: &State) -> Elsewhere {
        let runs = state.cluster(OWN_RUNS).and_then(|text| serde_json::from_str(text).ok());
        let mut runs: Vec<String> = runs.unwrap_or_default();
        runs.insert(0, hex(hub.config().run));
        runs.truncate(RUNS);
        let bans = Bans::start(state.cluster(BANS), hub.bans());
        for banned in bans.missing(hub.bans()) {
            // At the limit of bans it is missing again, and that is the operator's to see.
            let _ = hub.ban_exactly(now, banned);
        }
        let mut elsewhere = Elsewhere {
            places: Places::start(state.cluster(HUBS), now),
            bans,
            runs,
            next: Some(now),
            part: PART,
            ..Elsewhere::default()
        };
        for kind in LinkKind::ALL {
            if kind != LinkKind::Import
                && let Some(link) = hub.add_link(kind)
            {
                elsewhere.links.insert(kind.word(), link);
            }
        }
        elsewhere
    }

    /// This hub's runs, to be stored before its first lease: the next run names them, so that nobody
    /// waits for the end of their leases.
    pub(super) fn own_runs(&self) -> (&'static str, String) {
        (OWN_RUNS, serde_json::to_string(&self.runs).unwrap_or_default())
    }

    /// An event of the hub.
    pub(super) fn event(&mut self, hub: &mut Hub, now: Instant, event: &Event) {
        match event {
            Event::Joined { member, .. } if !self.members.contains_key(member) => {
                if let Some(author) = hub.member(*member).and_then(|view| view.author) {
                    self.here.clock = (self.here.clock + 1).min(LAST_JOIN);
                    self.here.by_author.insert(author, (*member, self.here.clock));
                    self.here.authors.insert(*member, author);
                    self.settle(hub, now, &Who::Key(author));
                }
            }
            Event::Left { member, .. } => self.left(hub, now, *member),
            Event::Reply { to, notice: Notice::MsgFrom { name, text } } => {
                self.pass_on(*to, name.as_str(), text.as_str());
            }
            Event::Keep(Keep::Ban(banned)) => self.ban_changed(*banned, true),
            Event::Keep(Keep::BanGone(banned)) => self.ban_changed(*banned, false),
            _ => {}
        }
    }

    fn left(&mut self, hub: &mut Hub, now: Instant, member: MemberId) {
        // Ended by this hub's operator.
        if let Some(who) = self.members.remove(&member) {
            self.shown.remove(&who);
            self.hidden.insert(who);
        }
        let Some(author) = self.here.authors.remove(&member) else { return };
        if self.here.by_author.get(&author).is_some_and(|(newest, _)| *newest == member) {
            self.here.by_author.remove(&author);
            self.here.arrived.remove(&author);
            // It may be at another hub.
            if self.settle(hub, now, &Who::Key(author)) {
                self.relabel(hub, now);
            }
        }
    }

    /// Passes a private message to a member of another hub on, or to one that is there too.
    fn pass_on(&mut self, to: MemberId, from: &str, text: &str) {
        let (run, name, author) = match (self.members.get(&to), self.here.authors.get(&to)) {
            (Some(who), _) => {
                let Some(shown) = self.shown.get(who) else { return };
                let author = if let Who::Key(author) = who { Some(*author) } else { None };
                (shown.run, shown.name.clone(), author)
            }
            (None, Some(author)) => {
                if let Some(arrived) = self.here.arrived.get_mut(author).filter(|it| **it > 0) {
                    *arrived -= 1;
                    return;
                }
                let Some((run, name)) =
                    self.keys.get(author).and_then(|runs| runs.first_key_value())
                else {
                    return;
                };
                (*run, name.clone(), Some(*author))
            }
            (None, None) => return,
        };
        self.tells.push(json!({
            "kind": "msg", "hub": hex(run), "to": name, "author": author.map(hex),
            "from": from, "text": text,
        }));
    }

    fn ban_changed(&mut self, banned: Banned, is_banned: bool) {
        // An event that comes after the list has changed again is not the operator's.
        if let Some(place) = self.applied.iter().position(|it| *it == (banned, is_banned)) {
            self.applied.remove(place);
            return;
        }
        if let Some(rows) = self.bans.changed(banned, is_banned) {
            self.tells.push(json!({ "kind": "bans", "rows": rows }));
        }
    }

    /// Tells the others this hub's members and bans, if that is due.
    pub(super) fn tick(&mut self, hub: &mut Hub, now: Instant) {
        if self.next.is_none_or(|next| next > now) {
            return;
        }
        self.next = Some(now + LOOK);
        self.places.expire(now);
        if self.others.is_empty() {
            return;
        }
        if self.next_probe.is_none_or(|at| at <= now) {
            self.next_probe = Some(now + PROBE);
            let is_elsewhere = |author: &&u128| self.keys.contains_key(*author);
            self.probes = self.here.by_author.keys().filter(is_elsewhere).copied().collect();
        }
        self.tell_bans(now);
        self.tell_members(hub, now);
    }

    /// What was told may have been lost, or a hub may have been away.
    fn tell_bans(&mut self, now: Instant) {
        let own = Some(self.bans.digest());
        let is_soon = self.bans_told_at.is_some_and(|at| now < at + AGAIN);
        if is_soon || self.others.values().all(|other| other.bans == own) {
            return;
        }
        self.bans_told_at = Some(now);
        let parts = self.bans.rows(self.part).into_iter();
        self.tells.extend(parts.map(|rows| json!({ "kind": "bans", "rows": rows })));
    }

    fn tell_members(&mut self, hub: &mut Hub, now: Instant) {
        let version = hub.roster_version();
        if self.seen_version != Some(version) {
            self.seen_version = Some(version);
            let members = self.own(hub);
            if members != self.told {
                self.told = members;
                self.told_at = None;
            }
            self.relabel(hub, now);
        }
        if self.told_at.is_some_and(|at| now < at + AGAIN) {
            return;
        }
        self.told_at = Some(now);
        self.version += 1;
        let parts = self.told.len().div_ceil(self.part).max(1);
        for part in 0..parts {
            let members = self.told.iter().skip(part * self.part).take(self.part);
            let rows: Vec<Value> = members.map(row).collect();
            self.tells.push(json!({
                "kind": "members", "version": self.version, "part": part, "parts": parts,
                "members": rows,
            }));
        }
    }

    /// This hub's own members, people first.
    fn own(&self, hub: &Hub) -> Vec<Present> {
        let own = hub.members().filter(|it| !self.members.contains_key(&it.id));
        let mut members: Vec<Present> = own
            .filter_map(|it| {
                let name = it.name.map_or_else(|| it.label.to_string(), |name| name.to_string());
                let (room, link, is_person) = (it.room?.to_string(), it.link.word(), it.is_person);
                let join = it.author.and_then(|author| self.here.by_author.get(&author));
                let join = join.map_or(0, |(_, join)| *join);
                Some(Present { name, room, link, is_person, author: it.author, join })
            })
            .collect();
        members.sort_by(|a, b| b.is_person.cmp(&a.is_person).then_with(|| a.cmp(b)));
        members.truncate(MOST);
        members
    }
}

fn hex(number: u128) -> String {
    format!("{number:032x}")
}

fn row(present: &Present) -> Value {
    let Present { name, room, link, is_person, author, join } = present;
    let is_person = u8::from(*is_person);
    match author {
        Some(author) => json!([name, room, link, is_person, hex(*author), join]),
        None => json!([name, room, link, is_person]),
    }
}

fn present(row: &Value) -> Option<Present> {
    let text = |at: usize| row.get(at).and_then(Value::as_str);
    let number = |at: usize| row.get(at).and_then(Value::as_u64);
    let kind = LinkKind::ALL.into_iter().find(|kind| Some(kind.word()) == text(2))?;
    let author = text(4).and_then(|author| u128::from_str_radix(author, 16).ok());
    Some(Present {
        name: text(0)?.to_owned(),
        room: text(1)?.to_owned(),
        link: kind.word(),
        is_person: number(3) == Some(1),
        author,
        join: number(5).unwrap_or(0),
    })
}

#[cfg(test)]
mod tests;
