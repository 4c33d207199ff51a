//! The hub's data besides messages: names, its secret, bans, mutes and room settings.
//!
//! Each is a [`Fact`] under a [`Key`]. The hub reads all of them at its start, keeps them in memory
//! and writes each change through the log's writer. The hub must bound their number.

use std::net::IpAddr;
use std::time::Duration;

use pigeon_proto::{Name, RoomName};
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::entry::millis;

/// A value stored for the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fact {
    /// The secret key of resume tokens.
    ResumeSecret([u8; 16]),
    /// A granted name, which the resume token with this number claims.
    Grant {
        /// The number.
        grant: u32,
        /// The name.
        name: Name,
        /// The holder's room.
        room: RoomName,
        /// The holder's address.
        ip: IpAddr,
        /// The author of the holder's key, if it has one.
        author: Option<u128>,
        /// Whether the holder's client sends the token automatically.
        resumes: bool,
        /// Whether the holder has left, so that others may take the name.
        is_free: bool,
    },
    /// The highest grant number that may have been used.
    Grants(u32),
    /// A banned network or key, in the hub's notation.
    Ban(Box<str>),
    /// A kicked member.
    Kick {
        /// The member's label, in the hub's notation.
        label: Box<str>,
        /// The member's name.
        name: Option<Name>,
        /// The number of the grant of its name.
        grant: Option<u32>,
        /// The member's address.
        ip: IpAddr,
        /// Whether the whole address is locked out.
        is_alone: bool,
        /// When the kick ends, since 1970.
        until: Duration,
    },
    /// A muted name.
    Mute {
        /// The name.
        name: Name,
    },
    /// A room's settings.
    Room {
        /// The room.
        room: RoomName,
        /// The room's settings.
        settings: RoomSettings,
    },
    /// The hub's place in the order that it shares with other hubs.
    Place {
        /// The epoch, in which the log must not assign positions itself.
        epoch: u64,
        /// The place, in the hubs' notation.
        place: Box<str>,
    },
    /// What the hub knows about other hubs with the same rooms.
    Cluster {
        /// The subject, such as the hubs' addresses.
        what: Box<str>,
        /// The value, in the hub's notation.
        value: Box<str>,
    },
}

/// The settings of a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomSettings {
    /// The least time between two messages of one member (slow mode).
    pub slow: Option<Duration>,
}

/// The key of a fact. A fact replaces the one with the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key {
    /// The resume secret.
    ResumeSecret,
    /// The grant with this number.
    Grant(u32),
    /// The highest grant number.
    Grants,
    /// The ban of a network or key.
    Ban(Box<str>),
    /// The kick of a label.
    Kick(Box<str>),
    /// The mute of a name, regardless of capitals.
    Mute(Name),
    /// The settings of a room, regardless of capitals.
    Room(RoomName),
    /// The place among hubs with shared rooms.
    Place,
    /// What is known about other hubs, by subject.
    Cluster(Box<str>),
}

/// All stored facts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Sorted by key.
    pub facts: Vec<Fact>,
    /// The number of facts that this program cannot read: written by a newer one, or damaged. They
    /// stay stored.
    pub unknown: usize,
}

impl State {
    /// The resume secret.
    pub fn resume_secret(&self) -> Option<[u8; 16]> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::ResumeSecret(secret) => Some(*secret),
            _ => None,
        })
    }

    /// What is known about other hubs, by subject.
    pub fn cluster(&self, subject: &str) -> Option<&str> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::Cluster { what, value } if &**what == subject => Some(&**value),
            _ => None,
        })
    }

    /// The place among hubs with shared rooms.
    pub fn place(&self) -> Option<(u64, &str)> {
        self.facts.iter().find_map(|fact| match fact {
            Fact::Place { epoch, place } => Some((*epoch, &**place)),
            _ => None,
        })
    }
}

/// A row to write, or to remove if it has no value.
#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) kind: &'static str,
    pub(crate) key: Box<str>,
    pub(crate) value: Option<String>,
}

impl Change {
    pub(crate) fn set(fact: &Fact) -> Change {
        let (kind, key) = row_key(&fact.key());
        Change { kind, key, value: Some(value_of(fact).to_string()) }
    }

    pub(crate) fn remove(key: &Key) -> Change {
        let (kind, key) = row_key(key);
        Change { kind, key, value: None }
    }

    pub(crate) fn weight(&self) -> usize {
        crate::entry::OVERHEAD + self.key.len() + self.value.as_ref().map_or(0, String::len)
    }
}

impl Fact {
    /// The fact's key.
    pub fn key(&self) -> Key {
        match self {
            Fact::ResumeSecret(_) => Key::ResumeSecret,
            Fact::Grant { grant, .. } => Key::Grant(*grant),
            Fact::Grants(_) => Key::Grants,
            Fact::Ban(net) => Key::Ban(net.clone()),
            Fact::Kick { label, .. } => Key::Kick(label.clone()),
            Fact::Mute { name } => Key::Mute(name.clone()),
            Fact::Room { room, .. } => Key::Room(room.clone()),
            Fact::Place { .. } => Key::Place,
            Fact::Cluster { what, .. } => Key::Cluster(what.clone()),
        }
    }
}

/// Reads all facts.
pub(crate) fn load(connection: &Connection) -> rusqlite::Result<State> {
    let mut state = State::default();
    let mut statement =
        connection.prepare_cached("SELECT kind, value FROM facts ORDER BY kind, key")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text = |at| row.get_ref(at).ok().and_then(|value| value.as_str().ok()).unwrap_or("");
        match fact_of(text(0), text(1)) {
            Some(fact) => state.facts.push(fact),
            None => state.unknown += 1,
        }
    }
    Ok(state)
}

fn row_key(key: &Key) -> (&'static str, Box<str>) {
    match key {
        Key::ResumeSecret => ("resume-secret", "".into()),
        Key::Grant(grant) => ("grant", grant.to_string().into()),
        Key::Grants => ("grants", "".into()),
        Key::Ban(net) => ("ban", net.clone()),
        Key::Kick(label) => ("kick", label.clone()),
        Key::Mute(name) => ("mute", name.folded()),
        Key::Room(room) => ("room", room.folded()),
        Key::Place => ("place", "".into()),
        Key::Cluster(what) => ("cluster", what.clone()),
    }
}

/// JSON, so that a fact can gain a field without a new file version.
fn value_of(fact: &Fact) -> Value {
    match fact {
        Fact::ResumeSecret(secret) => {
            json!({ "secret": format!("{:032x}", u128::from_be_bytes(*secret)) })
        }
        Fact::Grant { grant, name, room, ip, author, resumes, is_free } => json!({
            "grant": grant,
            "name": name.as_str(),
            "room": room.as_str(),
            "ip": ip.to_string(),
            "author": author.map(|author| format!("{author:032x}")),
            "resumes": resumes,
            "free": is_free,
        }),
        Fact::Grants(last) => json!({ "last": last }),
        Fact::Ban(net) => json!({ "net": net }),
        Fact::Kick { label, name, grant, ip, is_alone, until } => json!({
            "label": label,
            "name": name.as_ref().map(Name::as_str),
            "grant": grant,
            "ip": ip.to_string(),
            "alone": is_alone,
            "until_ms": millis(*until),
        }),
        Fact::Mute { name } => json!({ "name": name.as_str() }),
        Fact::Room { room, settings } => {
            json!({ "room": room.as_str(), "slow_ms": settings.slow.map(millis) })
        }
        Fact::Place { epoch, place } => json!({ "epoch": epoch, "place": place }),
        Fact::Cluster { what, value } => json!({ "what": what, "value": value }),
    }
}

fn fact_of(kind: &str, value: &str) -> Option<Fact> {
    let value: Value = serde_json::from_str(value).ok()?;
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    let time = |field: &str| value.get(field).and_then(Value::as_u64).map(Duration::from_millis);
    let number = |field: &str| value.get(field)?.as_u64()?.try_into().ok();
    let name = || Name::parse(text("name")?.as_bytes()).ok();
    let room = || RoomName::parse(text("room")?.as_bytes()).ok();
    Some(match kind {
        "resume-secret" => {
            let secret = u128::from_str_radix(text("secret")?, 16).ok()?;
            Fact::ResumeSecret(secret.to_be_bytes())
        }
        "grant" => Fact::Grant {
            grant: number("grant")?,
            name: name()?,
            room: room()?,
            ip: text("ip")?.parse().ok()?,
            author: text("author").and_then(|author| u128::from_str_radix(author, 16).ok()),
            resumes: value.get("resumes")?.as_bool()?,
            is_free: value.get("free")?.as_bool()?,
        },
        "grants" => Fact::Grants(number("last")?),
        "ban" => Fact::Ban(text("net")?.into()),
        "kick" => Fact::Kick {
            label: text("label")?.into(),
            name: name(),
            grant: number("grant"),
            ip: text("ip")?.parse().ok()?,
            is_alone: value.get("alone")?.as_bool()?,
            until: time("until_ms")?,
        },
        "mute" => Fact::Mute { name: name()? },
        "room" => Fact::Room { room: room()?, settings: RoomSettings { slow: time("slow_ms") } },
        "place" => Fact::Place { epoch: number("epoch")?.into(), place: text("place")?.into() },
        "cluster" => Fact::Cluster { what: text("what")?.into(), value: text("value")?.into() },
        _ => return None,
    })
}
