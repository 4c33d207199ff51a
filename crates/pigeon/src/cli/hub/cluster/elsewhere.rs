//! Members of other hubs: who they are, and private messages between hubs.
//!
//! Each hub tells its members to the others after a change, and again every few seconds, because
//! what is told may be lost. Here each of them is a member of a link of its own, so that `/who`,
//! notices and `/msg` need nothing special. A name that is used at two hubs is shown as `name@hub`.
//!
//! A hub's members leave when its lease ends. While this hub is cut off no lease ends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;
use pigeon_datagram::Instant;
use pigeon_guard::Origin;
use pigeon_hub::{Event, Hub, Input, Keep, LinkId, MemberId, Source};
use pigeon_proto::frame::OtherHub;
use pigeon_proto::{Command, Label, LinkKind, Notice, RoomName};
use serde_json::{Value, json};
use tracing::{info, warn};

use crate::words::say;

/// Time between looks for changes, and between lists without one.
const LOOK: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_secs(6);

/// Maximum number of members that a hub tells, and of those in one part of its list.
const MOST: usize = 10_000;
const PART: usize = 1_000;

/// Maximum number of other hubs, and of bans that are told.
const MOST_HUBS: usize = 64;
const MOST_BANS: usize = 1_000;

/// A member of a hub, as told to the others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Present {
    name: String,
    room: String,
    link: &'static str,
    is_person: bool,
}

/// Another hub.
#[derive(Default)]
struct Other {
    name: String,
    place: Option<OtherHub>,
    /// The list that arrives in parts, by the version of its list.
    version: u64,
    parts: BTreeMap<u64, Vec<Present>>,
    /// Its members by name.
    members: BTreeMap<String, Remote>,
}

struct Remote {
    id: MemberId,
    room: String,
    link: &'static str,
    label: String,
}

/// The members of other hubs.
#[derive(Default)]
pub(super) struct Elsewhere {
    links: BTreeMap<&'static str, LinkId>,
    others: BTreeMap<u128, Other>,
    /// Where each member is, and its name there.
    members: HashMap<MemberId, (u128, String)>,
    /// This hub's own place, and what it has told last.
    place: Option<OtherHub>,
    told: Vec<Present>,
    told_at: Option<Instant>,
    version: u64,
    seen_version: Option<u64>,
    next: Option<Instant>,
    /// Members that have ended here, such as by a kick, and are not shown until they are gone there.
    hidden: BTreeSet<(u128, String)>,
    number: u64,
    /// What is to be told to the others.
    tells: Vec<Value>,
    has_new_places: bool,
    /// Whether a ban comes from another hub.
    is_applying: bool,
}

impl Elsewhere {
    /// What this hub tells about itself, with each lease.
    pub(super) fn about(&self, hub: &Hub) -> Value {
        let place = self.place.as_ref().and_then(|place| serde_json::to_value(place).ok());
        json!({ "name": hub.config().name.as_str(), "secure": place })
    }

    /// Where this hub's members with a key join.
    pub(super) fn set_place(&mut self, place: Option<OtherHub>) {
        self.place = place;
        self.has_new_places = true;
    }

    /// The places of all hubs, if they have changed.
    pub(super) fn take_places(&mut self) -> Option<Vec<OtherHub>> {
        let places = self.others.values().filter_map(|other| other.place.clone());
        // A hub that has just started has not heard of the others: clients keep the list that they have.
        let is_new = !self.others.is_empty() && std::mem::take(&mut self.has_new_places);
        is_new.then(|| self.place.iter().cloned().chain(places).collect())
    }

    /// What is to be told to the other hubs.
    pub(super) fn take_tells(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.tells)
    }

    /// Number of members at other hubs.
    pub(super) fn count(&self) -> usize {
        self.members.len()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }
}

/// Other hubs.
impl Elsewhere {
    /// Another hub has come, or says something new about itself.
    pub(super) fn about_other(&mut self, hub: &Hub, run: u128, about: &Value) {
        let is_new = !self.others.contains_key(&run);
        if is_new && self.others.len() >= MOST_HUBS {
            return;
        }
        let other = self.others.entry(run).or_default();
        let name = about.get("name").and_then(Value::as_str).unwrap_or("?");
        other.name = name.chars().filter(|c| c.is_alphanumeric() || "-_.".contains(*c)).collect();
        let place = about.get("secure").cloned();
        other.place = place.and_then(|place| serde_json::from_value(place).ok());
        self.has_new_places = true;
        if is_new && other.name == hub.config().name.as_str() {
            warn!("{}", say!("hub-cluster-same-name", name = &other.name));
        }
        if is_new {
            // It knows nothing of this one.
            self.told_at = None;
            self.tell_bans(hub);
        }
    }

    /// Another hub is gone, and its members.
    pub(super) fn gone(&mut self, hub: &mut Hub, now: Instant, run: u128) {
        let Some(other) = self.others.remove(&run) else { return };
        self.has_new_places = true;
        self.hidden.retain(|(of, _)| *of != run);
        for remote in other.members.into_values() {
            self.members.remove(&remote.id);
            hub.handle_input(now, remote.id, Input::Leave);
        }
    }

    /// Another hub has told something.
    pub(super) fn told(&mut self, hub: &mut Hub, now: Instant, run: u128, body: &Value) {
        match body.get("kind").and_then(Value::as_str) {
            Some("members") => self.list(hub, now, run, body),
            Some("msg") => self.msg(hub, now, run, body),
            Some("ban") => self.ban(hub, now, body, true),
            Some("unban") => self.ban(hub, now, body, false),
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
        let members = rows.into_iter().flatten().filter_map(present).take(PART).collect();
        if part >= parts || parts > (MOST / PART) as u64 {
            return;
        }
        other.parts.insert(part, members);
        if other.parts.len() as u64 == parts {
            let all = std::mem::take(&mut other.parts).into_values().flatten().collect();
            self.reconcile(hub, now, run, all);
        }
    }

    /// Makes a hub's members those of its list.
    fn reconcile(&mut self, hub: &mut Hub, now: Instant, run: u128, list: Vec<Present>) {
        let wanted: BTreeMap<String, Present> =
            list.into_iter().map(|it| (it.name.clone(), it)).collect();
        self.hidden.retain(|(of, name)| *of != run || wanted.contains_key(name));
        let Some(other) = self.others.get_mut(&run) else { return };
        let is_gone = |(name, remote): &(&String, &Remote)| {
            wanted.get(*name).is_none_or(|wanted| wanted.link != remote.link)
        };
        let gone: Vec<String> =
            other.members.iter().filter(is_gone).map(|(name, _)| name.clone()).collect();
        for name in gone {
            if let Some(remote) = other.members.remove(&name) {
                self.members.remove(&remote.id);
                hub.handle_input(now, remote.id, Input::Leave);
            }
        }
        for (name, wanted) in wanted {
            let known = self.others.get(&run).and_then(|other| other.members.get(&name));
            let (id, room) = match known {
                Some(remote) => (remote.id, remote.room.clone()),
                None => match self.enter(hub, now, run, &wanted) {
                    Some(id) => (id, String::new()),
                    None => continue,
                },
            };
            if room == wanted.room {
                continue;
            }
            if let Ok(there) = RoomName::parse(wanted.room.as_bytes()) {
                let is_here = hub.member(id).and_then(|it| it.room).is_some_and(|it| it == there);
                if !is_here {
                    hub.handle_input(now, id, Input::Command(Command::Join(there)));
                }
            }
            if wanted.is_person {
                hub.handle_input(now, id, Input::Alive);
            }
            let other = self.others.get_mut(&run);
            if let Some(remote) = other.and_then(|other| other.members.get_mut(&name)) {
                remote.room = wanted.room;
            }
        }
        self.relabel(hub, now);
    }

    fn enter(
        &mut self,
        hub: &mut Hub,
        now: Instant,
        run: u128,
        wanted: &Present,
    ) -> Option<MemberId> {
        let link = *self.links.get(wanted.link)?;
        if self.hidden.contains(&(run, wanted.name.clone())) {
            return None;
        }
        self.number += 1;
        // Only its own: limits and kicks are matters of its hub.
        let ip = Ipv6Addr::from((0xfd70_6967_0000_0000 + u128::from(self.number)) << 64 | 1);
        let source = Source { ip: IpAddr::V6(ip), origin: Origin::Loopback };
        let other = self.others.get_mut(&run)?;
        let label = format!("{}@{}", wanted.name, other.name);
        let id = hub.join_elsewhere(now, link, Label::parse(&label)?, source).ok()?;
        let (room, link) = (String::new(), wanted.link);
        other.members.insert(wanted.name.clone(), Remote { id, room, link, label });
        self.members.insert(id, (run, wanted.name.clone()));
        Some(id)
    }

    /// Shows names alone where they are at one hub only.
    fn relabel(&mut self, hub: &mut Hub, now: Instant) {
        let fold = |name: &str| name.to_lowercase();
        let mut used: HashMap<String, usize> = HashMap::new();
        for name in hub.names() {
            *used.entry(fold(name.as_str())).or_default() += 1;
        }
        for name in self.others.values().flat_map(|other| other.members.keys()) {
            *used.entry(fold(name)).or_default() += 1;
        }
        for other in self.others.values_mut() {
            for (name, remote) in &mut other.members {
                let is_alone = used.get(&fold(name)).is_none_or(|count| *count == 1);
                let label = if is_alone { name.clone() } else { format!("{name}@{}", other.name) };
                if label != remote.label
                    && let Some(parsed) = Label::parse(&label)
                {
                    hub.relabel(now, remote.id, parsed);
                    remote.label = label;
                }
            }
        }
    }

    fn msg(&mut self, hub: &mut Hub, now: Instant, run: u128, body: &Value) {
        let text = |field: &str| body.get(field).and_then(Value::as_str);
        let (Some(to_hub), Some(to), Some(from), Some(said)) =
            (text("hub"), text("to"), text("from"), text("text"))
        else {
            return;
        };
        if to_hub != format!("{:032x}", hub.config().run) {
            return;
        }
        let label = self.others.get(&run).and_then(|other| other.members.get(from));
        let label = label.map_or(from, |remote| remote.label.as_str());
        if let Some(label) = Label::parse(label) {
            hub.msg_from(now, label, to, said);
        }
    }

    fn ban(&mut self, hub: &mut Hub, now: Instant, body: &Value, is_banned: bool) {
        let nets = body.get("nets").and_then(Value::as_array);
        let nets = nets.into_iter().flatten().filter_map(Value::as_str).take(MOST_BANS);
        for net in nets {
            let Some(parsed) = net.parse::<IpNet>().ok().filter(is_public) else { continue };
            let has_it = hub.bans().any(|ban| ban == parsed);
            self.is_applying = true;
            match is_banned {
                true if !has_it => {
                    info!("{}", say!("hub-cluster-banned", net = net));
                    let _ = hub.ban(now, net);
                }
                false if has_it => {
                    info!("{}", say!("hub-cluster-unbanned", net = net));
                    hub.unban(net);
                }
                _ => {}
            }
            self.is_applying = false;
        }
    }
}

/// This hub.
impl Elsewhere {
    pub(super) fn start(hub: &mut Hub, now: Instant) -> Elsewhere {
        let mut elsewhere = Elsewhere { next: Some(now), ..Elsewhere::default() };
        for kind in LinkKind::ALL {
            if kind != LinkKind::Import
                && let Some(link) = hub.add_link(kind)
            {
                elsewhere.links.insert(kind.word(), link);
            }
        }
        elsewhere
    }

    /// An event of the hub.
    pub(super) fn event(&mut self, event: &Event) {
        match event {
            Event::Reply { to, notice: Notice::MsgFrom { name, text } } => {
                if let Some((run, there)) = self.members.get(to) {
                    self.tells.push(json!({
                        "kind": "msg", "hub": format!("{run:032x}"), "to": there,
                        "from": name.as_str(), "text": text.as_str(),
                    }));
                }
            }
            // Ended by this hub's operator.
            Event::Left { member, .. } => {
                if let Some((run, name)) = self.members.remove(member) {
                    if let Some(other) = self.others.get_mut(&run) {
                        other.members.remove(&name);
                    }
                    self.hidden.insert((run, name));
                }
            }
            Event::Keep(Keep::Ban(net)) if is_public(net) && !self.is_applying => {
                self.tells.push(json!({ "kind": "ban", "nets": [net.to_string()] }));
            }
            Event::Keep(Keep::BanGone(net)) if is_public(net) && !self.is_applying => {
                self.tells.push(json!({ "kind": "unban", "nets": [net.to_string()] }));
            }
            _ => {}
        }
    }

    /// Bans hold at a hub that comes later.
    fn tell_bans(&mut self, hub: &Hub) {
        let nets = hub.bans().filter(is_public).take(MOST_BANS);
        let nets: Vec<String> = nets.map(|net| net.to_string()).collect();
        if !nets.is_empty() {
            self.tells.push(json!({ "kind": "ban", "nets": nets }));
        }
    }

    /// Tells the others this hub's members, if that is due.
    pub(super) fn tick(&mut self, hub: &mut Hub, now: Instant) {
        if self.next.is_none_or(|next| next > now) {
            return;
        }
        self.next = Some(now + LOOK);
        if self.others.is_empty() {
            return;
        }
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
        let parts = self.told.len().div_ceil(PART).max(1);
        for part in 0..parts {
            let members = self.told.iter().skip(part * PART).take(PART);
            let rows: Vec<Value> = members
                .map(|it| json!([it.name, it.room, it.link, u8::from(it.is_person)]))
                .collect();
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
                let (room, link) = (it.room?.to_string(), it.link.word());
                Some(Present { name, room, link, is_person: it.is_person })
            })
            .collect();
        members.sort_by(|a, b| b.is_person.cmp(&a.is_person).then_with(|| a.cmp(b)));
        members.truncate(MOST);
        members
    }
}

fn present(row: &Value) -> Option<Present> {
    let text = |at: usize| row.get(at).and_then(Value::as_str);
    let kind = LinkKind::ALL.into_iter().find(|kind| Some(kind.word()) == text(2))?;
    Some(Present {
        name: text(0)?.to_owned(),
        room: text(1)?.to_owned(),
        link: kind.word(),
        is_person: row.get(3).and_then(Value::as_u64) == Some(1),
    })
}

/// Whether a network is the same for all hubs.
fn is_public(net: &IpNet) -> bool {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bans_of_private_networks_stay_at_their_hub() {
        let public = |net: &str| is_public(&net.parse().unwrap());
        assert!(public("203.0.113.0/24") && public("2001:db8::/32"));
        for private in ["10.0.0.0/8", "192.168.7.1/32", "127.0.0.1/32", "fd00::/8", "fe80::/10"] {
            assert!(!public(private), "{private}");
        }
    }
}
