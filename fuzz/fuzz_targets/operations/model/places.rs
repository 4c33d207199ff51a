//! The hub's own view of members, rooms, names and timers, which must agree.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use pigeon_datagram::Machine;
use pigeon_hub::Hub;

/// Each member's room; `None` before it has sent the password.
pub(super) type Places = BTreeMap<SocketAddr, Option<String>>;

/// Checks the hub's state for consistency. Only addresses in `spoke` can be members.
pub(super) fn look(hub: &Hub, spoke: &BTreeSet<SocketAddr>) -> Places {
    let places = members(hub, spoke);
    check_rooms(hub, &places);
    assert!(places.is_empty() || hub.poll_timeout().is_some(), "members, and no timer");
    places
}

fn members(hub: &Hub, spoke: &BTreeSet<SocketAddr>) -> Places {
    let members: Vec<_> = hub.members().collect();
    assert_eq!(members.len(), hub.member_count());
    assert!(members.len() <= hub.config().max_members);
    let mut places = Places::new();
    let mut names = BTreeSet::new();
    for member in &members {
        let room = member.room.as_ref().map(|room| room.as_str().to_string());
        let address = member.address.expect("there is no other link");
        assert!(places.insert(address, room).is_none(), "{member:?} twice");
        assert!(spoke.contains(&address), "{member:?} sent nothing");
        if let Some(name) = &member.name {
            assert!(names.insert(fold(name.as_str())), "{name} twice");
            assert_ne!(name.as_str().to_lowercase(), "hub");
        }
    }
    places
}

fn check_rooms(hub: &Hub, places: &Places) {
    let mut rooms = BTreeSet::new();
    for room in hub.rooms() {
        let name = room.name.as_str();
        assert!(rooms.insert(fold(name)), "room {name} twice");
        let here = places.values().filter(|place| place.as_deref() == Some(name)).count();
        assert_eq!(here, room.members, "members of {name}");
        let has_door = hub.config().doors.iter().any(|door| door.room == room.name);
        assert!(here > 0 || has_door, "{name} is empty, and still there");
        if let Some(most) = hub.config().max_per_room {
            assert!(here <= most, "{here} in {name}");
        }
    }
    let inside = places.values().filter(|place| place.is_some()).count();
    let counted: usize = hub.rooms().map(|room| room.members).sum();
    assert_eq!(inside, counted, "somebody is in a room that is not there");
    assert!(inside == places.len() || hub.config().password.is_some());
}

/// The member with a name or an address.
pub(super) fn holder(hub: &Hub, name: &str) -> Option<SocketAddr> {
    let folded = fold(name);
    let has = |other: &str| fold(other) == folded;
    let named = hub.members().find(|m| m.name.as_ref().is_some_and(|n| has(n.as_str())));
    named.and_then(|member| member.address).or_else(|| name.parse().ok())
}

/// Folds a name for comparison.
fn fold(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).collect()
}
