//! Runs over abstract streams: ordered bytes with a delay. A break loses the bytes in transit.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use pigeon_datagram::Instant;
use pigeon_hub::reliable::ConnId;

use crate::cell::{Cell, Fault};
use crate::chance::Chance;
use crate::check::Judge;
use crate::client::{Client, ToHub};
use crate::faults::{Happening, Schedule};
use crate::hub::{Hub, ToPeer};
use crate::{CLIENTS, Report};

/// Time limit for settling after the last fault.
const PATIENCE: Duration = Duration::from_secs(900);

/// Maximum number of steps at one time. An end with a timer that is due and does nothing takes more.
const STEPS_AT_ONCE: u32 = 100_000;

/// One run: each of three clients sends this number of messages, then all faults stop. Fails with
/// the checker's finding.
pub fn run(cell: &Cell, seed: u64, messages: u64, fault: Option<Fault>) -> Result<Report, String> {
    let mut world = World::new(cell, seed, messages, fault);
    world.run()
}

/// One run with exactly the happenings of `script`, each with the delay since the one before.
///
/// # Errors
/// What the checker has found.
pub fn run_script(
    cell: &Cell,
    seed: u64,
    messages: u64,
    script: &[(Duration, Happening)],
) -> Result<Report, String> {
    let mut world = World::new(cell, seed, messages, None);
    world.schedule = Schedule::script(script, Chance::new(seed));
    // Tells the checker about restored backups: some of its conditions hold only without them.
    let restores = |wanted: fn(&Happening) -> bool| {
        script.iter().any(|(_, it)| wanted(it)).then_some(Duration::ZERO)
    };
    world.cell.hub_restores = restores(|it| *it == Happening::RestoreHub);
    world.cell.client_restores = restores(|it| matches!(it, Happening::RestoreClient(_)));
    world.run()
}

struct World {
    cell: Cell,
    now: Instant,
    /// Number of steps since the time last changed.
    steps: u32,
    chance: Chance,
    hub: Hub,
    clients: Vec<Client>,
    links: Vec<Link>,
    /// Lost connections, and when the hub notices.
    ghosts: Vec<(Instant, ConnId)>,
    schedule: Schedule,
    judge: Judge,
}

/// A client's connection to the hub.
#[derive(Default)]
struct Link {
    /// When the connection opens or fails to open.
    opens: Option<Instant>,
    conn: Option<ConnId>,
    up: VecDeque<(Instant, Bytes)>,
    down: VecDeque<(Instant, Bytes)>,
    /// When the client notices that the connection is lost.
    breaks: Option<Instant>,
}

impl World {
    fn new(cell: &Cell, seed: u64, messages: u64, fault: Option<Fault>) -> World {
        let mut chance = Chance::new(seed);
        let pace = Duration::from_millis(60);
        let client = |number, chance| Client::new(number, *cell, fault, messages, pace, chance);
        let mut world = World {
            cell: *cell,
            now: Instant::ORIGIN,
            steps: 0,
            hub: Hub::new(*cell, fault, chance.fork()),
            clients: (1..=CLIENTS).map(|number| client(number, chance.fork())).collect(),
            links: (0..CLIENTS).map(|_| Link::default()).collect(),
            ghosts: Vec::new(),
            schedule: Schedule::new(cell, chance.fork()),
            judge: Judge::default(),
            chance,
        };
        world.hub.start();
        for client in 0..world.clients.len() {
            world.clients[client].start(world.now);
            world.carry(client);
        }
        world
    }

    fn run(&mut self) -> Result<Report, String> {
        let mut calm_since = None;
        while !self.is_over() || calm_since.is_none() {
            self.step();
            self.look()?;
            let all_is_said = self.clients.iter().all(|client| client.said >= client.most);
            match calm_since {
                None if all_is_said => {
                    calm_since = Some(self.now);
                    self.schedule.calm();
                    self.hub.is_calm = true;
                    self.clients.iter_mut().for_each(|client| client.is_calm = true);
                }
                Some(since) if since + PATIENCE < self.now => break,
                _ => {}
            }
        }
        // Waits for late messages and duplicates.
        let end = self.now + Duration::from_secs(30);
        while self.next_at().is_some_and(|at| at < end) {
            self.step();
        }
        self.look()?;
        let clients: Vec<&Client> = self.clients.iter().collect();
        let report = self.judge.verdict(&self.cell, &self.hub, &clients)?;
        Ok(Report { seconds: (self.now - Instant::ORIGIN).as_secs(), ..report })
    }

    fn is_over(&self) -> bool {
        self.clients.iter().all(|client| self.judge.has_all(&self.hub, client))
    }

    fn look(&mut self) -> Result<(), String> {
        for client in &mut self.clients {
            self.judge.check_stored(&self.hub, &std::mem::take(&mut client.newly_stored))?;
        }
        match self.steps > STEPS_AT_ONCE {
            true => Err(format!("a timer is due at {:?} and does nothing", self.now)),
            false => Ok(()),
        }
    }

    fn next_at(&self) -> Option<Instant> {
        let links = self.links.iter().flat_map(|link| {
            let front = |queue: &VecDeque<(Instant, Bytes)>| queue.front().map(|(at, _)| *at);
            let is_read = link.conn.is_some_and(|conn| self.hub.wants(conn));
            let up = front(&link.up).filter(|_| is_read);
            [link.opens, up, front(&link.down), link.breaks]
        });
        let clients = self.clients.iter().map(Client::next_at);
        let ghosts = self.ghosts.iter().map(|(at, _)| Some(*at));
        let rest = [self.hub.next_at(), self.schedule.next_at()];
        links.chain(clients).chain(ghosts).chain(rest).flatten().min()
    }

    fn step(&mut self) {
        // A run without events for an hour ends at once.
        let next = self.next_at().unwrap_or(self.now + Duration::from_secs(3_600));
        self.steps = if next > self.now { 0 } else { self.steps + 1 };
        self.now = self.now.max(next);
        let now = self.now;
        while let Some(happening) = self.schedule.poll(now) {
            self.happen(happening);
        }
        if self.hub.next_at().is_some_and(|at| at <= now) {
            self.hub.handle_timeout(now);
        }
        while let Some(place) = self.ghosts.iter().position(|(at, _)| *at <= now) {
            let (_, conn) = self.ghosts.swap_remove(place);
            self.hub.closed(now, conn);
        }
        for client in 0..self.clients.len() {
            if self.clients[client].next_at().is_some_and(|at| at <= now) {
                self.clients[client].handle_timeout(now);
            }
            self.deliver(client);
            self.carry(client);
        }
        self.answer();
    }

    /// Delivers bytes to both ends of a link.
    fn deliver(&mut self, client: usize) {
        let now = self.now;
        let link = &mut self.links[client];
        if link.opens.take_if(|at| *at <= now).is_some() {
            link.conn = self.hub.opened(now);
            match link.conn {
                Some(_) => self.clients[client].connected(now),
                None => self.clients[client].disconnected(now),
            }
        }
        let link = &mut self.links[client];
        while let Some(conn) = link.conn.filter(|conn| self.hub.wants(*conn)) {
            let Some((_, bytes)) = link.up.pop_front_if(|(at, _)| *at <= now) else { break };
            self.hub.received(now, conn, &bytes);
        }
        while let Some((_, bytes)) = link.down.pop_front_if(|(at, _)| *at <= now) {
            if let Some(conn) = link.conn {
                self.hub.sent(now, conn, bytes.len());
            }
            self.clients[client].received(now, &bytes);
        }
        if link.breaks.take_if(|at| *at <= now).is_some() {
            *link = Link::default();
            self.clients[client].disconnected(now);
        }
    }

    /// Carries out a client's outputs.
    fn carry(&mut self, client: usize) {
        while let Some(wish) = self.clients[client].poll() {
            let delay = self.delay(0);
            let link = &mut self.links[client];
            match wish {
                ToHub::Connect => {
                    // A handshake takes two round trips.
                    link.opens = Some(self.now + delay * 4);
                }
                ToHub::Send(bytes) => {
                    let before = link.up.back().map_or(self.now, |(at, _)| *at);
                    // Delivers in pieces, like a real stream.
                    let cut = self.chance.below(bytes.len() as u64) as usize;
                    let at = before.max(self.now + delay);
                    link.up.push_back((at, bytes.slice(..cut)));
                    link.up.push_back((at, bytes.slice(cut..)));
                }
                ToHub::Close => {
                    let conn = std::mem::take(link).conn;
                    self.ghosts.extend(conn.map(|conn| (self.now + delay, conn)));
                }
            }
        }
    }

    /// Carries out the hub's outputs.
    fn answer(&mut self) {
        while let Some(wish) = self.hub.poll() {
            let (ToPeer::Send(conn, _) | ToPeer::Close(conn) | ToPeer::Resume(conn)) = wish;
            let of = self.links.iter().position(|link| link.conn == Some(conn));
            let Some(client) = of else {
                // The connection is lost, but the system accepts the bytes anyway.
                if let ToPeer::Send(conn, bytes) = wish {
                    self.hub.sent(self.now, conn, bytes.len());
                }
                continue;
            };
            match wish {
                ToPeer::Send(_, bytes) => {
                    let delay = self.delay(bytes.len() as u64);
                    let link = &mut self.links[client];
                    let before = link.down.back().map_or(self.now, |(at, _)| *at);
                    let reading = self
                        .cell
                        .reads
                        .map(|reads| Duration::from_micros(bytes.len() as u64 * 1_000_000 / reads));
                    let at = before.max(self.now + delay) + reading.unwrap_or_default();
                    link.down.push_back((at, bytes));
                }
                ToPeer::Close(_) => {
                    let link = &mut self.links[client];
                    let last = link.down.back().map_or(self.now, |(at, _)| *at);
                    link.breaks = Some(last + Duration::from_millis(1));
                    link.conn = None;
                }
                ToPeer::Resume(_) => {}
            }
        }
    }

    /// The delay of some bytes. Lost packets delay them further.
    fn delay(&mut self, bytes: u64) -> Duration {
        let network = &self.cell.network;
        let mut delay = self.chance.about(network.delay);
        let datagrams = 1 + bytes / 1_200;
        for _ in 0..datagrams.min(4) {
            while self.chance.permille(network.loss + network.corrupt) {
                delay += network.delay * 3;
            }
        }
        delay
    }

    fn happen(&mut self, happening: Happening) {
        let now = self.now;
        match happening {
            Happening::Cut(client) => {
                self.judge.faults += 1;
                self.cut(client);
            }
            // A stream that continues at another address loses nothing.
            Happening::Move(_) => {}
            Happening::KillHub => self.end_hub(|hub| hub.kill()),
            Happening::RestoreHub => {
                self.end_hub(|hub| hub.restore());
                self.judge.restored(&self.hub);
            }
            Happening::KillClient { client, crashes } => {
                self.end_client(client, |client| client.kill(crashes));
            }
            Happening::RestoreClient(client) => {
                self.end_client(client, Client::restore);
                self.judge.restored_client(&self.clients[client]);
                self.judge.restored(&self.hub);
            }
            Happening::BackUpHub => self.hub.log.back_up(),
            Happening::BackUpClient(client) => self.clients[client].back_up(now),
            Happening::StartHub if !self.hub.is_up() => self.hub.start(),
            Happening::StartClient(client) if !self.clients[client].is_up() => {
                self.clients[client].start(now);
                self.carry(client);
            }
            Happening::StartHub | Happening::StartClient(_) => {}
            Happening::PlainSays => self.hub.plain_says(now),
        }
    }

    /// Breaks a connection: bytes in transit are lost, and each end notices at its own time.
    fn cut(&mut self, client: usize) {
        let link = std::mem::take(&mut self.links[client]);
        let noticed = self.schedule.chance().between(Duration::ZERO, Duration::from_secs(3));
        self.ghosts.extend(link.conn.map(|conn| (self.now + noticed, conn)));
        self.clients[client].disconnected(self.now);
        self.carry(client);
    }

    fn end_hub(&mut self, end: impl FnOnce(&mut Hub)) {
        self.judge.faults += 1;
        end(&mut self.hub);
        self.ghosts.clear();
        for client in 0..self.clients.len() {
            self.links[client] = Link::default();
            self.clients[client].disconnected(self.now);
            self.carry(client);
        }
        self.schedule.later(self.now, Happening::StartHub);
    }

    fn end_client(&mut self, client: usize, end: impl FnOnce(&mut Client)) {
        self.judge.faults += 1;
        let link = std::mem::take(&mut self.links[client]);
        let noticed = self.schedule.chance().between(Duration::ZERO, Duration::from_secs(3));
        self.ghosts.extend(link.conn.map(|conn| (self.now + noticed, conn)));
        end(&mut self.clients[client]);
        self.schedule.later(self.now, Happening::StartClient(client));
    }
}
