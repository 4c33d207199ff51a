//! `--secure`: members with a key join over QUIC, on a port beside the first socket's.
//!
//! The hub announces the port even while another program holds it. A client that has joined with a
//! key does not join without one, so a hub without a port would lock it out, and a program that
//! holds the port could force all others to join in clear text.

mod certificate;
mod counters;
mod thread;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::Context;
use pigeon_datagram::Instant;
use pigeon_guard::{SourceRules, TokenKey};
use pigeon_hub::reliable::{Config, Crypto};
use pigeon_hub::{Event, Hub};
use pigeon_log::Forget;
use pigeon_net::{Interfaces, OpenError, Socket, SocketOptions, Waker, local_addresses};
use pigeon_proto::frame::OtherHub;
use pigeon_proto::{Format, LinkKind, Position};
use pigeon_quic::{Certificate, Fingerprint, Limits, Server, ServerConfig};
use tracing::{error, info, warn};

pub(super) use self::counters::Counters;
use super::archive::Archive;
use super::ending::Ending;
use super::reliable::{Carrier, Link, LinkState, Queues};
use crate::base::bind::{explain, try_bind};
use crate::base::endpoint::ListenAddress;
use crate::base::invitation::KeyedPlace;
use crate::base::random;
use crate::base::system_error;
use crate::words::say;

/// Time between attempts to bind a port in use.
const RETRY: Duration = Duration::from_secs(5);

/// Time limit for the link's goodbye.
const PATIENCE: Duration = Duration::from_millis(500);

/// Maximum number of addresses that clients of other hubs are told.
const MOST_ADDRESSES: usize = 4;

/// The listening port for members with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SecurePort {
    /// The port after the first socket's.
    Next,
    Port(u16),
    /// Disabled.
    Off,
}

impl FromStr for SecurePort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("on", _) => Ok(SecurePort::Next),
            ("off", _) => Ok(SecurePort::Off),
            (_, Ok(port @ 1..)) => Ok(SecurePort::Port(port)),
            _ => Err(say!("hub-secure-port")),
        }
    }
}

impl fmt::Display for SecurePort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecurePort::Next => "on".fmt(f),
            SecurePort::Port(port) => port.fmt(f),
            SecurePort::Off => "off".fmt(f),
        }
    }
}

/// The link, or what is needed to start it.
pub(super) struct Secure {
    address: ListenAddress,
    certificate: Certificate,
    sources: SourceRules,
    hub_waker: Arc<OnceLock<Waker>>,
    running: Option<Running>,
    /// When to try the port again.
    next: Option<Instant>,
}

struct Running {
    link: Link,
    quic: thread::Shared,
    waker: Waker,
    ending: Ending,
}

impl Secure {
    /// Reads or creates the hub's certificate and opens the port. Fails if the certificate cannot
    /// be read or written.
    pub(super) fn start(
        hub: &mut Hub,
        archive: &Archive,
        address: ListenAddress,
        sources: SourceRules,
        hub_waker: &Arc<OnceLock<Waker>>,
        now: Instant,
    ) -> anyhow::Result<Secure> {
        let certificate = certificate::of(archive.folder())?;
        let hub_waker = Arc::clone(hub_waker);
        let mut secure =
            Secure { address, certificate, sources, hub_waker, running: None, next: None };
        secure.open(hub, archive, now)?;
        Ok(secure)
    }

    /// The fingerprint that clients compare.
    pub(super) fn fingerprint(&self) -> Fingerprint {
        self.certificate.fingerprint()
    }

    /// The announced port.
    pub(super) fn port(&self) -> u16 {
        self.address.port
    }

    /// Opens the port, or schedules another attempt.
    fn open(&mut self, hub: &mut Hub, archive: &Archive, now: Instant) -> anyhow::Result<()> {
        let options = SocketOptions { timestamps: false, ..SocketOptions::default() };
        let socket = match try_bind(self.address, &options) {
            Ok(socket) => socket,
            Err(error) => {
                if self.next.is_none() {
                    self.complain(error);
                }
                self.next = Some(now + RETRY);
                return Ok(());
            }
        };
        self.next = None;
        self.running = Some(self.run(hub, archive, socket)?);
        let (port, fingerprint) = (self.port().to_string(), self.fingerprint().to_string());
        info!("{}", say!("hub-keyed", port = port, fingerprint = fingerprint));
        info!("{}", say!("hub-invitation", link = self.place().link()));
        Ok(())
    }

    /// Where members with a key join.
    pub(super) fn place(&self) -> KeyedPlace {
        let bound = self.address.address().map(|address| address.ip());
        let ip = bound.filter(|ip| !ip.is_unspecified());
        KeyedPlace { ip, port: self.port(), fingerprint: self.fingerprint().to_string() }
    }

    fn complain(&self, error: OpenError) {
        warn!("{}", say!("hub-keyed-not-yet", why = format!("{:#}", explain(error))));
    }

    fn run(&self, hub: &mut Hub, archive: &Archive, socket: Socket) -> anyhow::Result<Running> {
        let config = hub.config();
        let limits = Limits {
            connections: config.max_members,
            per_address: config.max_per_address.unwrap_or(usize::MAX),
            ..Limits::default()
        };
        let base = std::time::Instant::now();
        let server = Server::new(ServerConfig {
            certificate: &self.certificate,
            seed: random::bytes()?,
            base,
            limits,
            sources: self.sources.clone(),
        })
        .with_context(|| say!("hub-quic"))?;
        let crypto = Crypto { verify: pigeon_quic::verify, author: pigeon_quic::author };
        let fingerprint = self.fingerprint().to_string();
        let nonces = TokenKey::new(random::bytes()?);
        let sessions = Config {
            stores: archive.stores(),
            max_text: config.most_text(Format::Chat),
            max_connections: config.max_members,
            max_per_address: config.max_per_address.unwrap_or(usize::MAX),
            ..Config::new(config.name.as_str(), &fingerprint, nonces, crypto)
        };
        let queues = Arc::new(Queues::default());
        let (waker, quic, ending) = thread::start(server, socket, Arc::clone(&self.hub_waker), {
            let (queues, hub) = (Arc::clone(&queues), Arc::clone(&self.hub_waker));
            let (log, readers) = (archive.newest_entries(), [archive.reader()?, archive.reader()?]);
            let sources = self.sources.clone();
            move |waker| Carrier::new(sessions, queues, hub, log, readers, waker, sources)
        })?;
        archive.wake_when_stored(waker.clone());
        let link = Link::new(hub, LinkKind::Key, queues, waker.clone(), &self.hub_waker)?;
        Ok(Running { link, quic, waker, ending })
    }

    /// Handles the link's and the log's results.
    pub(super) fn woken(&mut self, hub: &mut Hub, archive: &Archive, now: Instant) {
        let Some(running) = &mut self.running else { return };
        running.link.settled(hub, archive, now);
        running.link.woken(hub, archive, now);
        if let Some(why) = running.ending.why() {
            error!("{}", say!("hub-keyed-gone", why = system_error::chain(&why)));
            running.link.lost(hub, now);
            self.running = None;
            self.next = Some(now + RETRY);
        }
    }

    pub(super) fn event(&mut self, event: &Event) {
        if let Some(running) = &mut self.running {
            running.link.event(event);
        }
    }

    /// The link's state for the operator.
    pub(super) fn state(&self) -> Option<LinkState> {
        self.running.as_ref().map(|running| running.link.state())
    }

    /// The counters of the link since its start.
    pub(super) fn counters(&self) -> Option<Counters> {
        let Running { link, quic, .. } = self.running.as_ref()?;
        let quic = *quic.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Counters { link: link.state(), quic })
    }

    /// Reports deleted messages.
    pub(super) fn forgot(&self, what: &Forget) {
        if let Some(running) = &self.running {
            running.link.forgot(what);
        }
    }

    /// A member is at another hub too.
    pub(super) fn elsewhere(&self, author: u128) {
        self.running.iter().for_each(|running| running.link.elsewhere(author));
    }

    /// The hubs with the same rooms.
    pub(super) fn hubs(&self, hubs: Vec<OtherHub>) {
        self.running.iter().for_each(|running| running.link.hubs(hubs.clone()));
    }

    /// Where members with a key reach this hub: its address, or all of this host's.
    pub(super) fn here(&self) -> OtherHub {
        let bound = self.address.address().map(|address| address.ip());
        let ips = match bound.filter(|ip| !ip.is_unspecified()) {
            Some(ip) => vec![ip],
            None => {
                let interfaces = local_addresses().ok();
                let all = interfaces.iter().flat_map(Interfaces::iter).map(|it| it.address);
                let is_useful = |ip: &IpAddr| match ip {
                    IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
                    IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
                };
                all.filter(is_useful).take(MOST_ADDRESSES).collect()
            }
        };
        let address = |ip| SocketAddr::new(ip, self.port());
        let fingerprint = self.fingerprint().to_string().into();
        OtherHub { addresses: ips.into_iter().map(address).collect(), fingerprint, page: None }
    }

    /// Followers that began after one position and before another begin anew.
    pub(super) fn rewound(&self, to: Position, up_to: Position) {
        self.running.iter().for_each(|running| running.link.rewound(to, up_to));
    }

    /// When [`tick`](Secure::tick) is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let lists = self.running.as_ref().and_then(|running| running.link.deadline());
        [self.next, lists].into_iter().flatten().min()
    }

    /// Reports members to those who watch, and tries the port again if it is due.
    pub(super) fn tick(&mut self, hub: &mut Hub, archive: &Archive, now: Instant) {
        if let Some(running) = &mut self.running
            && running.link.deadline().is_some_and(|at| at <= now)
        {
            running.link.list(hub, now);
        }
        if self.next.is_some_and(|next| next <= now)
            && let Err(error) = self.open(hub, archive, now)
        {
            error!("{}", say!("hub-keyed-not-yet", why = system_error::chain(&error)));
            self.next = Some(now + RETRY);
        }
    }

    /// Stops the link after its goodbye. Returns its last counters.
    pub(super) fn close(self) -> Option<Counters> {
        let Running { link, quic, ending, waker } = self.running?;
        waker.wake();
        ending.wait(PATIENCE);
        let quic = *quic.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Counters { link: link.state(), quic })
    }
}
