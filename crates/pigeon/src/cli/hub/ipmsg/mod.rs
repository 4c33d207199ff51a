//! `--ipmsg`: users of IP Messenger, FeiQ and iptux are members of the hub.
//!
//! ```text
//!   UDP 2425 ─▶ the link's loop (thread.rs) ─ FromLink ─▶ Link::woken ─▶ Hub::join, handle_input
//!            ◀─ a copy for each contact    ◀─ ToLink ──── Link::event ◀─ Event
//! ```
//!
//! Both queues are bounded. If the hub cannot take a contact's message, the link does not
//! acknowledge it, and the contact's program sends it again. If the link is too slow, lines are
//! dropped and counted. The hub's side maps contacts to members; the link's side knows each
//! contact's room, so that a message crosses the queue once.

mod queue;
mod thread;
mod words;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use ipnet::IpNet;
use pigeon_datagram::{Instant, WallClock};
use pigeon_hub::{Event, Hub, Input, Left, LinkId, MemberId, Origin, Source};
use pigeon_ipmsg::{Config, GATEWAY_VERSION, Identity, Messenger, PORT};
use pigeon_net::{Interfaces, Socket, SocketOptions, Waker};
use pigeon_proto::{
    Command, Format, Incoming, Label, LinkKind, Notice, Reason, Refusal, Setting, Subject,
};
use pigeon_text::Encoding;
use tracing::{error, info, warn};

use self::queue::{FromLink, ToLink};
use super::ending::Ending;
use crate::base::bind::explain;
use crate::base::ipmsg::broadcast_addresses;
use crate::base::networks::{Nets, source_rules};
use crate::base::payload::unknown_label;
use crate::base::system_error;
use crate::base::{host_name, random, services};
use crate::words::say;

/// Length of each queue.
const QUEUE: usize = 4_096;

/// Maximum number of items taken before the hub serves its own sockets again.
const AT_ONCE: usize = 64;

/// Time limit for the link's goodbye.
const PATIENCE: Duration = Duration::from_millis(300);

/// Maximum number of addresses of `--ipmsg-scan`: a /16.
const MAX_SCAN: u64 = 1 << 16;

/// The link's listening address: `*` or an IPv4 address, with an optional port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IpmsgAddress(SocketAddr);

impl FromStr for IpmsgAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()),
            None => (text, Some(PORT)),
        };
        let ip = if host == "*" { Some(Ipv4Addr::UNSPECIFIED) } else { host.parse().ok() };
        let port = port.filter(|&port: &u16| port > 0);
        ip.zip(port)
            .map(|(ip, port)| IpmsgAddress((ip, port).into()))
            .ok_or_else(|| say!("hub-ipmsg-address"))
    }
}

impl fmt::Display for IpmsgAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Networks to scan, as address ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ScanNets(Vec<(Ipv4Addr, Ipv4Addr)>);

impl FromStr for ScanNets {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut ranges = Vec::new();
        for net in text.parse::<Nets>()?.0 {
            let IpNet::V4(net) = net else {
                return Err(say!("hub-ipmsg-ipv6", net = &net));
            };
            // Excludes the network address and the broadcast address.
            let inner = u32::from(net.prefix_len() < 31);
            let first = Ipv4Addr::from_bits(net.network().to_bits() + inner);
            ranges.push((first, Ipv4Addr::from_bits(net.broadcast().to_bits() - inner)));
        }
        let size =
            |(first, last): &(Ipv4Addr, Ipv4Addr)| u64::from(last.to_bits() - first.to_bits());
        match ranges.iter().map(|range| size(range) + 1).sum::<u64>() {
            0 => Err(say!("hub-ipmsg-net")),
            1..=MAX_SCAN => Ok(ScanNets(ranges)),
            many => Err(say!("hub-ipmsg-too-many", many = &many, most = &MAX_SCAN)),
        }
    }
}

/// Parses an encoding for programs without UTF-8.
pub(super) fn legacy_encoding(label: &str) -> Result<Encoding, String> {
    let encoding = Encoding::for_label(label).map_err(|error| unknown_label(&error))?;
    match encoding.is_ascii_compatible() {
        true => Ok(encoding),
        false => Err(say!("hub-ipmsg-not-ascii", encoding = &encoding)),
    }
}

/// The settings of the link.
pub(super) struct Settings {
    pub(super) address: IpmsgAddress,
    pub(super) scan: Option<ScanNets>,
    pub(super) legacy: Encoding,
}

/// The hub's side of the link.
pub(super) struct Link {
    link: LinkId,
    to_link: SyncSender<ToLink>,
    link_waker: Waker,
    from_link: Receiver<FromLink>,
    hub_waker: Arc<OnceLock<Waker>>,
    ending: Ending,
    members: BTreeMap<SocketAddr, MemberId>,
    addresses: BTreeMap<MemberId, SocketAddr>,
    /// Whether the hub requires a password, as sent to the link.
    asks_password: bool,
    /// Lines dropped because the link was too slow.
    lost: u64,
    has_ended: bool,
}

impl Link {
    /// Opens the socket and starts the link's loop.
    pub(super) fn start(
        hub: &mut Hub,
        settings: &Settings,
        interfaces: &Interfaces,
        hub_waker: &Arc<OnceLock<Waker>>,
    ) -> anyhow::Result<Link> {
        let config = hub.config();
        if config.doors.first().is_some_and(|door| door.format == Format::Raw) {
            return Err(crate::base::status::UsageError(say!("hub-ipmsg-raw-door")).into());
        }
        let SocketAddr::V4(bound) = settings.address.0 else { anyhow::bail!("no IPv4 address") };
        let options = SocketOptions { broadcast: true, timestamps: false, ..Default::default() };
        let socket = Socket::bind(bound.into(), &options).map_err(explain)?;
        let broadcast = broadcast_addresses(bound.into(), interfaces);
        let open = Nets(config.sources.open.clone());
        let messenger = Messenger::new(Config {
            identity: Identity {
                version: format!("{GATEWAY_VERSION} {}", env!("CARGO_PKG_VERSION")),
                nick: config.name.to_string(),
                group: "pigeon".into(),
                user: "pigeon".into(),
                host: host_name::find(),
            },
            legacy: settings.legacy,
            sources: source_rules(&open, [bound.into()], interfaces),
            is_gateway: true,
            joins_texts: true,
            pace: Duration::from_secs(1),
            seed: random::u64()?,
            wall: WallClock::new(services::wall(Instant::ORIGIN).unix, Instant::ORIGIN),
        });
        let greeting = greeting(hub);
        let asks_password = greeting.is_none();
        let link = hub.add_link(LinkKind::IpMessenger).context("there are too many links")?;
        let (to_link, for_link) = sync_channel(QUEUE);
        let (for_hub, from_link) = sync_channel(QUEUE);
        let language = hub.config().language;
        let hub_waker = Arc::clone(hub_waker);
        let contacts =
            thread::Contacts::new(greeting, for_link, for_hub, Arc::clone(&hub_waker), language);
        let scan = settings.scan.as_ref().map(|nets| nets.0.clone()).unwrap_or_default();
        let (link_waker, ending) = thread::start(messenger, socket, contacts, broadcast, scan)?;
        info!("{}", say!("hub-ipmsg-listening", address = &settings.address));
        Ok(Link {
            link,
            to_link,
            link_waker,
            from_link,
            hub_waker,
            ending,
            members: BTreeMap::new(),
            addresses: BTreeMap::new(),
            asks_password,
            lost: 0,
            has_ended: false,
        })
    }

    /// Handles the link's messages.
    pub(super) fn woken(&mut self, hub: &mut Hub, now: Instant) {
        for _ in 0..AT_ONCE {
            match self.from_link.try_recv() {
                Ok(item) => self.take(hub, now, item),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => return self.ended(hub, now),
            }
        }
        self.hub_waker.get().into_iter().for_each(Waker::wake);
    }

    /// Updates whether the hub requires a password, which may change at run time.
    pub(super) fn settle(&mut self, hub: &Hub) {
        let asks_password = hub.config().password.is_some();
        if std::mem::replace(&mut self.asks_password, asks_password) != asks_password {
            self.send(ToLink::Greeting(greeting(hub)));
        }
    }

    fn take(&mut self, hub: &mut Hub, now: Instant, item: FromLink) {
        match item {
            FromLink::Here { who, label } => drop(self.join(hub, now, who, label)),
            FromLink::Says { who, label, text } => {
                let member = self.members.get(&who).copied();
                if let Some(member) = member.or_else(|| self.join(hub, now, who, label)) {
                    say(hub, now, member, &text);
                }
            }
            FromLink::Renamed { who, label } => {
                if let Some(&member) = self.members.get(&who) {
                    hub.relabel(now, member, label);
                }
            }
            FromLink::Gone { who } => {
                if let Some(&member) = self.members.get(&who) {
                    hub.handle_input(now, member, Input::Leave);
                }
            }
        }
    }

    fn join(
        &mut self,
        hub: &mut Hub,
        now: Instant,
        who: SocketAddr,
        label: Label,
    ) -> Option<MemberId> {
        if let Some(&member) = self.members.get(&who) {
            return Some(member);
        }
        let origin = hub.config().sources.origin(who.ip());
        // The allowed networks may have changed since the link was started.
        if origin == Origin::Untrusted {
            return None;
        }
        match hub.join(now, self.link, label, Source { ip: who.ip(), origin }) {
            Ok(member) => {
                self.members.insert(who, member);
                self.addresses.insert(member, who);
                hub.handle_input(now, member, Input::Alive);
                Some(member)
            }
            Err(refusal) => {
                let notice = Notice::Refused(refusal);
                self.send(ToLink::Tell {
                    to: who,
                    text: words::told(&notice, hub.config().language),
                });
                None
            }
        }
    }

    /// Passes events about contacts to the link.
    pub(super) fn event(&mut self, hub: &Hub, event: &Event) {
        match event {
            Event::Message(message) if !message.is_raw && !self.members.is_empty() => {
                let except = message.speaker.and_then(|id| self.addresses.get(&id)).copied();
                let (room, text) =
                    (message.room.clone(), words::line(&message.label, &message.text));
                self.send(ToLink::Line { room, text, except });
            }
            Event::Reply { to, notice } => self.reply(hub, *to, notice),
            Event::Joined { member, room: Some(room), .. } | Event::Moved { member, room } => {
                if let Some(&of) = self.addresses.get(member) {
                    self.send(ToLink::Room { of, room: room.clone() });
                }
            }
            Event::Left { member, reason, .. } => {
                if let Some(who) = self.addresses.remove(member) {
                    self.members.remove(&who);
                    let is_removed = matches!(reason, Left::Kicked | Left::Banned);
                    if let Some(text) = words::gone(*reason, hub.config().language) {
                        self.send(ToLink::Tell { to: who, text });
                    }
                    self.send(ToLink::Left { who, is_removed });
                }
            }
            Event::Stopped => self.send(ToLink::Stop),
            _ => {}
        }
    }

    fn reply(&mut self, hub: &Hub, member: MemberId, notice: &Notice) {
        // Repeats the password request for the text that was refused with it, worded for contacts.
        let asked = Refusal::new(Subject::Member, Reason::Password);
        let Some(&to) = self.addresses.get(&member) else { return };
        if *notice == Notice::Refused(asked) {
            return;
        }
        if let Notice::Set(Setting::Encoding(charset)) = notice
            && let Ok(encoding) = Encoding::for_label(&charset.to_string())
        {
            self.send(ToLink::Encoding { of: to, encoding });
        }
        let language = hub.member(member).map_or(hub.config().language, |member| member.language);
        self.send(ToLink::Tell { to, text: words::told(notice, language) });
    }

    fn send(&mut self, item: ToLink) {
        match self.to_link.try_send(item) {
            Ok(()) => self.link_waker.wake(),
            Err(TrySendError::Disconnected(_)) => {}
            Err(TrySendError::Full(_)) => {
                self.lost += 1;
                if self.lost.is_power_of_two() {
                    warn!(lines = self.lost, "{}", say!("hub-ipmsg-lost"));
                }
            }
        }
    }

    /// Handles an unexpected end of the link's loop.
    fn ended(&mut self, hub: &mut Hub, now: Instant) {
        if std::mem::replace(&mut self.has_ended, true) {
            return;
        }
        if let Some(why) = self.ending.why() {
            error!("{}", say!("hub-ipmsg-gone", why = system_error::chain(&why)));
        }
        for (_, member) in std::mem::take(&mut self.members) {
            self.addresses.remove(&member);
            hub.handle_input(now, member, Input::Leave);
        }
    }

    /// Stops the link after its goodbye.
    pub(super) fn close(self) {
        let Link { to_link, link_waker, ending, .. } = self;
        let _ = to_link.try_send(ToLink::Stop);
        link_waker.wake();
        ending.wait(PATIENCE);
    }
}

/// The greeting for new contacts. `None` before the password, if the hub requires one.
fn greeting(hub: &Hub) -> Option<Arc<str>> {
    let config = hub.config();
    config.password.is_none().then(|| words::greeting(config))
}

/// Handles a contact's text: a command, or a message to its room.
fn say(hub: &mut Hub, now: Instant, member: MemberId, text: &str) {
    // The full-width slash of a Chinese keyboard.
    let text = match text.strip_prefix('／') {
        Some(rest) => format!("/{rest}"),
        None => text.to_string(),
    };
    match Incoming::parse(Format::Chat, text.as_bytes()) {
        Incoming::Message(text) => {
            hub.handle_input(now, member, Input::Say { text, identity: None });
        }
        Incoming::Command(line) => match Command::parse(line) {
            Ok(command) => hub.handle_input(now, member, Input::Command(command)),
            Err(refusal) => hub.refuse(now, member, refusal),
        },
        Incoming::Quit => hub.handle_input(now, member, Input::Leave),
        // Only hubs send these; ignored here.
        Incoming::Heartbeat { .. }
        | Incoming::Empty
        | Incoming::Reply
        | Incoming::Prove(_)
        | Incoming::Discover(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_ipv4_and_its_port_is_the_usual_one() {
        let read = |text: &str| text.parse::<IpmsgAddress>().map(|address| address.to_string());
        assert_eq!(read("*"), Ok("0.0.0.0:2425".into()));
        assert_eq!(read("127.0.0.3"), Ok("127.0.0.3:2425".into()));
        assert_eq!(read("*:2426"), Ok("0.0.0.0:2426".into()));
        for wrong in ["", "9999", "*:0", "localhost", "::1", "[::1]:2425", "chat@*:9999"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn networks_to_search_are_ranges_and_bounded() {
        let read = |text: &str| text.parse::<ScanNets>();
        let ip = |text: &str| text.parse::<Ipv4Addr>().unwrap();
        assert_eq!(
            read("10.0.7.0/24,10.0.9.5").unwrap().0,
            [(ip("10.0.7.1"), ip("10.0.7.254")), (ip("10.0.9.5"), ip("10.0.9.5"))]
        );
        assert!(read("10.0.0.0/16").is_ok());
        for wrong in ["", "10.0.0.0/8", "fe80::/64", "0.0.0.0/0", "x"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
