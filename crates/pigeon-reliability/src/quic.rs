//! Runs over QUIC on a simulated network: datagrams are lost, delayed, repeated, reordered and
//! damaged, and clients change their addresses.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use pigeon_datagram::{Instant, Machine, Received, SocketId, Transmit};
use pigeon_guard::SourceRules;
use pigeon_hub::reliable::ConnId;
use pigeon_netsim::path::{Conditions, Loss, Probability, Reorder};
use pigeon_netsim::simulation::{Network, Node};
use pigeon_quic::{
    Certificate, Client as QuicClient, ClientConfig, ConnId as QuicId, Endpoint as _, Event,
    Limits, Pin, Server, ServerConfig,
};

use crate::cell::{self, Cell, Fault};
use crate::chance::Chance;
use crate::check::Judge;
use crate::client::{Client, ToHub};
use crate::faults::{Happening, Schedule};
use crate::hub::{Hub, ToPeer};
use crate::{CLIENTS, Report};

/// How long a run may take until everything is settled, once nothing happens any more.
const PATIENCE: Duration = Duration::from_secs(900);

/// How far time goes between two looks.
const STRIDE: Duration = Duration::from_millis(20);

/// Maximum number of bytes that are read at once.
const READ: usize = 16_384;

/// How often a client reads that reads slowly.
const READ_EVERY: Duration = Duration::from_millis(100);

/// One run: each of three clients sends `messages` messages, and the run ends when nothing is left
/// to do.
///
/// # Errors
/// What the checker has found.
pub fn run_quic(
    cell: &Cell,
    seed: u64,
    messages: u64,
    fault: Option<Fault>,
) -> Result<Report, String> {
    World::new(cell, seed, messages, fault)?.run()
}

/// The hub and its QUIC server, as a machine.
struct HubMachine {
    hub: Hub,
    server: Option<Server>,
    conns: BTreeMap<ConnId, Way>,
    ids: BTreeMap<QuicId, ConnId>,
    now: Instant,
}

/// A connection, and what the server has not taken.
struct Way {
    quic: QuicId,
    waiting: VecDeque<Bytes>,
    closes: bool,
}

impl HubMachine {
    fn carry(&mut self) {
        let now = self.now;
        while let Some(wish) = self.hub.poll() {
            match wish {
                ToPeer::Send(conn, bytes) => {
                    if let Some(way) = self.conns.get_mut(&conn) {
                        way.waiting.push_back(bytes);
                        self.write(conn);
                    }
                }
                ToPeer::Close(conn) => {
                    if let Some(way) = self.conns.get_mut(&conn) {
                        way.closes = true;
                        self.write(conn);
                    }
                }
                ToPeer::Resume(conn) => self.read(now, conn),
            }
        }
    }

    fn write(&mut self, conn: ConnId) {
        let now = self.now;
        let (Some(way), Some(server)) = (self.conns.get_mut(&conn), &mut self.server) else {
            return;
        };
        let taken = server.write(now, way.quic, way.waiting.make_contiguous());
        way.waiting.retain(|chunk| !chunk.is_empty());
        let is_over = way.closes && way.waiting.is_empty();
        if is_over {
            server.end(now, way.quic);
            let quic = way.quic;
            self.ids.remove(&quic);
            self.conns.remove(&conn);
        }
        if taken > 0 {
            self.hub.sent(now, conn, taken);
        }
    }

    fn read(&mut self, now: Instant, conn: ConnId) {
        while self.hub.wants(conn)
            && let (Some(way), Some(server)) = (self.conns.get(&conn), &mut self.server)
            && let Some(bytes) = server.read(now, way.quic, READ)
        {
            self.hub.received(now, conn, &bytes);
        }
    }

    fn take(&mut self, event: Event) {
        let now = self.now;
        match event {
            Event::Opened { conn: quic, .. } => match self.hub.opened(now) {
                Some(conn) => {
                    self.ids.insert(quic, conn);
                    let way = Way { quic, waiting: VecDeque::new(), closes: false };
                    self.conns.insert(conn, way);
                }
                None => {
                    if let Some(server) = &mut self.server {
                        server.close(now, quic, 1, "full");
                    }
                }
            },
            Event::Readable { conn } => {
                if let Some(conn) = self.ids.get(&conn).copied() {
                    self.read(now, conn);
                }
            }
            Event::Writable { conn } => {
                if let Some(conn) = self.ids.get(&conn).copied() {
                    self.write(conn);
                }
            }
            Event::Moved { .. } => {}
            Event::Closed { conn, .. } => {
                if let Some(conn) = self.ids.remove(&conn) {
                    self.conns.remove(&conn);
                    self.hub.closed(now, conn);
                }
            }
        }
        self.carry();
    }

    fn end(&mut self) {
        (self.server, self.conns, self.ids) = (None, BTreeMap::new(), BTreeMap::new());
    }
}

impl Machine for HubMachine {
    type Event = ();

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.now = now;
        if let Some(server) = &mut self.server {
            server.handle_datagram(now, datagram);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if let Some(server) = &mut self.server {
            server.handle_timeout(now);
        }
        if self.hub.next_at().is_some_and(|at| at <= now) {
            self.hub.handle_timeout(now);
        }
        self.carry();
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.server.as_mut()?.poll_transmit()
    }

    fn outbox(&self) -> &[u8] {
        self.server.as_ref().map(Machine::outbox).unwrap_or_default()
    }

    fn poll_event(&mut self) -> Option<()> {
        let event = self.server.as_mut()?.poll_event()?;
        self.take(event);
        Some(())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let server = self.server.as_ref().and_then(Machine::poll_timeout);
        [server, self.hub.next_at()].into_iter().flatten().min()
    }
}

/// A client and its end of QUIC, as a machine.
struct ClientMachine {
    client: Client,
    quic: Option<QuicClient>,
    conn: Option<QuicId>,
    waiting: VecDeque<Bytes>,
    /// How much is read in [`READ_EVERY`], and when next.
    reads: Option<usize>,
    next_read: Instant,
    hub: SocketAddr,
    chance: Chance,
    base: std::time::Instant,
    now: Instant,
}

impl ClientMachine {
    /// Begins anew, as a program does that was started again. The old connection is not closed.
    fn open(&mut self) -> Result<(), String> {
        let seed = seed(&mut self.chance);
        let config = ClientConfig { seed, base: self.base, limits: Limits::client() };
        self.quic = Some(QuicClient::new(config).map_err(|error| error.to_string())?);
        self.conn = None;
        self.waiting.clear();
        Ok(())
    }

    fn carry(&mut self) {
        let now = self.now;
        while let Some(wish) = self.client.poll() {
            let Some(quic) = &mut self.quic else { return };
            match wish {
                ToHub::Connect => match quic.connect(now, self.hub, Pin::FirstUse) {
                    Ok(conn) => self.conn = Some(conn),
                    Err(_) => self.client.disconnected(now),
                },
                ToHub::Send(bytes) => {
                    self.waiting.push_back(bytes);
                    self.write();
                }
                ToHub::Close => {
                    self.waiting.clear();
                    if let Some(conn) = self.conn.take() {
                        quic.end(now, conn);
                    }
                }
            }
        }
    }

    fn write(&mut self) {
        if let (Some(quic), Some(conn)) = (&mut self.quic, self.conn) {
            quic.write(self.now, conn, self.waiting.make_contiguous());
            self.waiting.retain(|chunk| !chunk.is_empty());
        }
    }

    fn read(&mut self) {
        let now = self.now;
        let mut left = self.reads.unwrap_or(usize::MAX);
        if self.reads.is_some() {
            if self.next_read > now {
                return;
            }
            self.next_read = now + READ_EVERY;
        }
        while left > 0
            && let (Some(quic), Some(conn)) = (&mut self.quic, self.conn)
            && let Some(bytes) = quic.read(now, conn, left.min(READ))
        {
            left = left.saturating_sub(bytes.len());
            self.client.received(now, &bytes);
            self.carry();
        }
    }

    fn take(&mut self, event: Event) {
        let now = self.now;
        if self.conn != Some(event.conn()) {
            return;
        }
        match event {
            Event::Opened { .. } => self.client.connected(now),
            Event::Readable { .. } => self.read(),
            Event::Writable { .. } => self.write(),
            Event::Moved { .. } => {}
            Event::Closed { .. } => {
                self.reads = self.reads.map(|_| usize::MAX);
                self.next_read = now;
                self.read();
                self.conn = None;
                self.waiting.clear();
                self.client.disconnected(now);
            }
        }
        self.carry();
    }
}

impl Machine for ClientMachine {
    type Event = ();

    fn handle_datagram(&mut self, now: Instant, datagram: &Received<'_>) {
        self.now = now;
        if let Some(quic) = &mut self.quic {
            quic.handle_datagram(now, datagram);
        }
    }

    fn handle_refused(&mut self, now: Instant, socket: SocketId) {
        self.now = now;
        if let Some(quic) = &mut self.quic {
            quic.handle_refused(now, socket);
        }
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        if let Some(quic) = &mut self.quic {
            quic.handle_timeout(now);
        }
        if self.client.next_at().is_some_and(|at| at <= now) {
            self.client.handle_timeout(now);
        }
        if self.reads.is_some() && self.next_read <= now {
            self.read();
        }
        self.carry();
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        self.quic.as_mut()?.poll_transmit()
    }

    fn outbox(&self) -> &[u8] {
        self.quic.as_ref().map(Machine::outbox).unwrap_or_default()
    }

    fn poll_event(&mut self) -> Option<()> {
        let event = self.quic.as_mut()?.poll_event()?;
        self.take(event);
        Some(())
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let quic = self.quic.as_ref().and_then(Machine::poll_timeout);
        let read = self.reads.and(self.conn).map(|_| self.next_read);
        [quic, self.client.next_at(), read].into_iter().flatten().min()
    }
}

struct World {
    cell: Cell,
    chance: Chance,
    network: Network,
    hub: Node<HubMachine>,
    clients: Vec<Node<ClientMachine>>,
    certificate: Certificate,
    base: std::time::Instant,
    schedule: Schedule,
    judge: Judge,
    addresses: u8,
}

const HUB: ([u8; 4], u16) = ([10, 0, 0, 1], 7401);

impl World {
    #[expect(clippy::disallowed_methods, reason = "quinn-proto counts from a point on this clock")]
    fn new(cell: &Cell, number: u64, messages: u64, fault: Option<Fault>) -> Result<World, String> {
        let mut chance = Chance::new(number);
        let base = std::time::Instant::now();
        let certificate = Certificate::generate().map_err(|error| error.to_string())?;
        let mut network = Network::new(number);
        network.log_limit(0);
        network.refuses(true);
        let conditions = conditions(&cell.network).map_err(|error| error.to_string())?;
        network.default_conditions(conditions).map_err(|error| error.to_string())?;
        let hub = HubMachine {
            hub: Hub::new(*cell, fault, chance.fork()),
            server: None,
            conns: BTreeMap::new(),
            ids: BTreeMap::new(),
            now: Instant::ORIGIN,
        };
        let hub = network.add(SocketAddr::from(HUB), hub);
        let mut clients = Vec::new();
        for number in 1..=CLIENTS {
            let pace = Duration::from_millis(60);
            let client = Client::new(number, *cell, fault, messages, pace, chance.fork());
            let per_read = |reads: u64| (reads * READ_EVERY.as_millis() as u64 / 1_000) as usize;
            let machine = ClientMachine {
                client,
                quic: None,
                conn: None,
                waiting: VecDeque::new(),
                reads: cell.reads.map(per_read),
                next_read: Instant::ORIGIN,
                hub: SocketAddr::from(HUB),
                chance: chance.fork(),
                base,
                now: Instant::ORIGIN,
            };
            clients.push(network.add(SocketAddr::from(([10, 0, 1, number], 4_000)), machine));
        }
        let schedule = Schedule::new(cell, chance.fork());
        let (judge, addresses) = (Judge::default(), 0);
        let cell = *cell;
        let mut world = World {
            cell,
            chance,
            network,
            hub,
            clients,
            certificate,
            base,
            schedule,
            judge,
            addresses,
        };
        world.start_hub()?;
        for client in 0..world.clients.len() {
            world.start_client(client)?;
        }
        Ok(world)
    }

    fn run(&mut self) -> Result<Report, String> {
        let mut calm_since = None;
        loop {
            let now = self.network.now();
            let next = now + STRIDE;
            self.network
                .run_until(self.schedule.next_at().map_or(next, |at| at.min(next)).max(now));
            let now = self.network.now();
            while let Some(happening) = self.schedule.poll(now) {
                self.happen(happening)?;
            }
            self.look()?;
            let all_is_said =
                self.all_clients(|machine| machine.client.said >= machine.client.most);
            match calm_since {
                None if all_is_said => {
                    calm_since = Some(now);
                    self.schedule.calm();
                    self.network.act(self.hub, |machine, _| machine.hub.is_calm = true);
                    for client in &self.clients {
                        self.network.act(*client, |machine, _| machine.client.is_calm = true);
                    }
                }
                Some(since) if self.is_over() || since + PATIENCE < now => break,
                _ => {}
            }
        }
        self.network.run_for(Duration::from_secs(10));
        self.look()?;
        let hub = &self.network.machine(self.hub).hub;
        let clients: Vec<&Client> =
            self.clients.iter().map(|node| &self.network.machine(*node).client).collect();
        let report = self.judge.verdict(&self.cell, hub, &clients)?;
        let seconds = (self.network.now() - Instant::ORIGIN).as_secs();
        Ok(Report { seconds, ..report })
    }

    fn all_clients(&self, is_so: impl Fn(&ClientMachine) -> bool) -> bool {
        self.clients.iter().all(|node| is_so(self.network.machine(*node)))
    }

    fn is_over(&self) -> bool {
        let hub = &self.network.machine(self.hub).hub;
        self.all_clients(|machine| self.judge.has_all(hub, &machine.client))
    }

    fn look(&mut self) -> Result<(), String> {
        for node in &self.clients {
            let stored = self
                .network
                .act(*node, |machine, _| std::mem::take(&mut machine.client.newly_stored));
            self.judge.check_stored(&self.network.machine(self.hub).hub, &stored)?;
        }
        Ok(())
    }

    fn restored(&mut self) {
        self.judge.restored(&self.network.machine(self.hub).hub);
    }

    fn start_hub(&mut self) -> Result<(), String> {
        let config = ServerConfig {
            certificate: &self.certificate,
            seed: seed(&mut self.chance),
            base: self.base,
            limits: Limits::default(),
            sources: SourceRules { open: Vec::new(), own: Vec::new(), never: Vec::new() },
        };
        let server = Server::new(config).map_err(|error| error.to_string())?;
        self.network.act(self.hub, |machine, now| {
            (machine.now, machine.server) = (now, Some(server));
            machine.hub.start();
        });
        Ok(())
    }

    fn start_client(&mut self, client: usize) -> Result<(), String> {
        self.network.act(self.clients[client], |machine, now| {
            machine.now = now;
            machine.open()?;
            machine.client.start(now);
            machine.carry();
            Ok(())
        })
    }

    fn end_client(&mut self, client: usize, end: impl FnOnce(&mut Client)) {
        self.judge.faults += 1;
        self.network.act(self.clients[client], |machine, _| {
            (machine.quic, machine.conn) = (None, None);
            end(&mut machine.client);
        });
        let now = self.network.now();
        self.schedule.later(now, Happening::StartClient(client));
    }

    fn end_hub(&mut self, end: impl FnOnce(&mut Hub)) {
        self.judge.faults += 1;
        self.network.act(self.hub, |machine, _| {
            machine.end();
            end(&mut machine.hub);
        });
        let now = self.network.now();
        self.schedule.later(now, Happening::StartHub);
    }

    fn happen(&mut self, happening: Happening) -> Result<(), String> {
        match happening {
            Happening::Cut(client) => {
                self.judge.faults += 1;
                self.network.act(self.clients[client], |machine, now| {
                    machine.now = now;
                    if machine.client.is_up() {
                        machine.open()?;
                        machine.client.disconnected(now);
                        machine.carry();
                    }
                    Ok::<(), String>(())
                })?;
            }
            Happening::Move(client) => {
                self.judge.faults += 1;
                self.addresses = self.addresses.wrapping_add(1);
                let address = ([10, 1, client as u8, 1], 4_000 + u16::from(self.addresses));
                self.network.readdress(self.clients[client], address.into());
                // Now and then the system says so.
                if self.chance.permille(500) {
                    self.network.act(self.clients[client], |machine, now| {
                        machine.quic.iter_mut().for_each(|quic| quic.rebind(now));
                    });
                }
            }
            Happening::KillHub => self.end_hub(Hub::kill),
            Happening::RestoreHub => {
                self.end_hub(Hub::restore);
                self.restored();
            }
            Happening::KillClient { client, crashes } => {
                self.end_client(client, |client| client.kill(crashes));
            }
            Happening::RestoreClient(client) => {
                self.end_client(client, Client::restore);
                self.judge.restored_client(&self.network.machine(self.clients[client]).client);
                self.restored();
            }
            Happening::BackUpHub => {
                self.network.act(self.hub, |machine, _| machine.hub.log.back_up());
            }
            Happening::BackUpClient(client) => {
                self.network.act(self.clients[client], |machine, now| machine.client.back_up(now));
            }
            Happening::StartHub => {
                if !self.network.machine(self.hub).hub.is_up() {
                    self.start_hub()?;
                }
            }
            Happening::StartClient(client) => {
                if !self.network.machine(self.clients[client]).client.is_up() {
                    self.start_client(client)?;
                }
            }
            Happening::PlainSays => {
                self.network.act(self.hub, |machine, now| machine.hub.plain_says(now));
            }
        }
        Ok(())
    }
}

fn seed(chance: &mut Chance) -> [u8; 32] {
    let mut seed = [0; 32];
    seed[..8].copy_from_slice(&chance.below(u64::MAX).to_be_bytes());
    seed
}

/// What each of the two paths of a node does: a datagram meets these conditions four times on its way
/// there and back, so each has half of the loss of one way, and half of its delay.
fn conditions(
    network: &cell::Network,
) -> Result<Conditions, pigeon_netsim::path::ProbabilityError> {
    let half = |permille: u64| Probability::new(permille as f64 / 2_000.0);
    Ok(Conditions {
        loss: Loss::Random(half(network.loss)?),
        delay: network.delay / 2,
        reorder: Reorder {
            probability: half(network.reorder)?,
            by: network.delay + Duration::from_millis(5),
        },
        duplicate: half(network.duplicate)?,
        corrupt: half(network.corrupt)?,
        ..Conditions::default()
    })
}
