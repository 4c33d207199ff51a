//! Sessions in a network, and their events.

use std::net::SocketAddr;
use std::time::Duration;

use pigeon_client::{Event, Said, Session, SessionConfig};
use pigeon_netsim::path::{Conditions, Loss, Probability};
use pigeon_netsim::simulation::{Network, Node};
use pigeon_proto::{Name, Notice};
use rand_pcg::Pcg64;

pub(crate) type Member = Session<Pcg64>;

pub(crate) fn hub_address() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 9999))
}

pub(crate) fn member_address(n: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 1, n], 40_000))
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text.as_bytes()).unwrap()
}

pub(crate) fn config() -> SessionConfig {
    SessionConfig {
        hub: hub_address(),
        nick: None,
        left_off: None,
        password: None,
        heartbeat: Duration::from_secs(10),
        plain: false,
    }
}

pub(crate) fn session(network: &Network, n: u8, change: impl FnOnce(&mut SessionConfig)) -> Member {
    let mut config = config();
    change(&mut config);
    Session::new(network.now(), config, Pcg64::new(n.into(), 0))
}

pub(crate) fn join(network: &mut Network, n: u8, nick: &str) -> Node<Member> {
    let session = session(network, n, |config| config.nick = Some(name(nick)));
    network.add(member_address(n), session)
}

pub(crate) fn say(network: &mut Network, member: Node<Member>, line: &str) -> Said {
    network.act(member, |session, now| session.handle_line(now, line.as_bytes()).unwrap())
}

/// The messages shown to a member.
pub(crate) fn heard(network: &Network, member: Node<Member>) -> Vec<String> {
    let texts = network.events(member).iter().filter_map(|(_, event)| match event {
        Event::Received(payload) => Some(String::from_utf8(payload.to_vec()).unwrap()),
        _ => None,
    });
    texts.collect()
}

/// The control lines shown to a member, without changes of members.
pub(crate) fn notices(network: &Network, member: Node<Member>) -> Vec<String> {
    let lines = network.events(member).iter().filter_map(|(_, event)| match event {
        Event::Notice(Notice::News(_)) => None,
        Event::Notice(notice) => Some(String::from_utf8(notice.to_bytes()).unwrap()),
        _ => None,
    });
    lines.map(|line| line.strip_prefix("^hb^ ").unwrap().to_string()).collect()
}

/// A member's events about its hub, without messages and control lines.
pub(crate) fn told(network: &Network, member: Node<Member>) -> Vec<Event> {
    let events = network.events(member).iter().map(|(_, event)| event.clone());
    let is_of_hub = |event: &Event| {
        !matches!(
            event,
            Event::Received(_)
                | Event::Notice(_)
                | Event::Background(_)
                | Event::Elsewhere(_)
                | Event::Answered(_)
        )
    };
    events.filter(is_of_hub).collect()
}

pub(crate) fn after(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn loses(share: f64) -> Conditions {
    let loss = Loss::Random(Probability::new(share).unwrap());
    Conditions { loss, delay: Duration::from_millis(20), ..Conditions::default() }
}
