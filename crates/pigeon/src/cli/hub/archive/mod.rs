//! The hub's log for the loop. A writer thread stores messages and persistent state, and reader
//! threads answer members' requests, so the loop never waits for the disk.

mod facts;
mod lookup;
mod shared;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use pigeon_datagram::Instant;
use pigeon_hub::reliable::SayId;
use pigeon_hub::{Event, Hub, Keep, LinkId, Lookup, MemberId, Message, Wanted};
use pigeon_log::{
    Append, Fact, Forget, ForgetError, Forgotten, Log, Numbering, Options, Outcome, Pending,
    Position, Report, Trouble,
};
use pigeon_net::Waker;
use pigeon_proto::frame::OtherHub;
use pigeon_proto::{Reason, RoomName};
use tracing::{error, info, warn};

use self::facts::{change, keep_of};
use self::lookup::read_on_a_thread;
use self::shared::{Shared, Unsettled};
use super::cluster::{self, Cluster};
use super::figure::Figure;
use super::room_log::{All, Memory, Newest, in_memory, relayed};
use crate::base::library_error::trouble_in;
use crate::base::random;
use crate::base::system_error;
use crate::base::thread;
use crate::words::{self, say};

/// Time between checks for newly stored messages.
const NEWEST_EVERY: Duration = Duration::from_secs(1);

/// Time limit for storing queued items when the hub stops.
const PATIENCE: Duration = Duration::from_millis(700);

/// A hub's log.
pub(super) struct Archive {
    log: Log,
    /// Messages for reliable members, if the hub keeps no history.
    memory: Option<Memory>,
    /// Decides the order of messages, if several hubs share rooms.
    cluster: Option<Cluster>,
    folder: PathBuf,
    shared: Arc<Shared>,
    history: SyncSender<Lookup>,
    searches: SyncSender<Lookup>,
    forgetting: Vec<Pending<Result<Forgotten, ForgetError>>>,
    /// Deletions since the last [`take_forgotten`](Archive::take_forgotten).
    forgotten: Vec<Forget>,
    /// When to check for newly stored messages.
    next_newest: Instant,
    /// Messages that were relayed but not stored.
    lost: u64,
    trouble: Option<Trouble>,
}

/// A reliable member's message for the log.
pub(super) struct Unstored {
    pub(super) id: SayId,
    pub(super) message: Message,
    /// The number of the outbox's preceding message.
    pub(super) after: u64,
}

/// The result of a reliable member's message.
pub(super) struct Settled {
    pub(super) id: SayId,
    pub(super) message: Message,
    /// `Err`: refused for good.
    pub(super) outcome: Result<Outcome, Reason>,
}

impl Archive {
    /// Opens the log of a folder. Returns the secret for its hub's resume tokens.
    pub(super) fn open(
        folder: &Path,
        options: Options,
        waker: &Arc<OnceLock<Waker>>,
    ) -> anyhow::Result<(Archive, [u8; 16])> {
        let shared = Arc::new(Shared {
            inner: Mutex::default(),
            waker: Arc::clone(waker),
            followers: Mutex::default(),
            cluster: OnceLock::new(),
        });
        let report = {
            let shared = Arc::clone(&shared);
            move |report| shared.report(report)
        };
        let log = Log::open(folder, options, report)?;
        let secret = match log.state().resume_secret() {
            Some(secret) => secret,
            None => {
                let secret = random::bytes()?;
                log.try_set(&Fact::ResumeSecret(secret))
                    .ok()
                    .with_context(|| say!("hub-log-unwritten"))?;
                secret
            }
        };
        let [history, searches] = [("history", &shared), ("search", &shared)]
            .map(|(name, shared)| read_on_a_thread(name, &log, Arc::clone(shared)));
        let archive = Archive {
            folder: folder.to_owned(),
            shared,
            history: history?,
            searches: searches?,
            forgetting: Vec::new(),
            forgotten: Vec::new(),
            next_newest: Instant::ORIGIN,
            lost: 0,
            trouble: None,
            memory: None,
            cluster: None,
            log,
        };
        Ok((archive, secret))
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Restores the previous hub's state, and waits until the resulting changes are on disk.
    /// Otherwise a member number could be assigned twice, and an old resume token would act for
    /// another member.
    pub(super) fn restore(&self, hub: &mut Hub, now: Instant) -> anyhow::Result<()> {
        let state = self.log.state();
        if state.unknown > 0 {
            warn!(facts = state.unknown, "{}", say!("hub-facts-unknown"));
        }
        let mut kept: Vec<Keep> = state.facts.iter().filter_map(keep_of).collect();
        // Member numbers first, because names refer to them.
        kept.sort_by_key(|kept| !matches!(kept, Keep::Grants(_)));
        if !matches!(kept.first(), Some(Keep::Grants(_))) {
            kept.insert(0, Keep::Grants(0));
        }
        hub.restore(now, kept);
        let reader = self.log.reader().with_context(|| say!("hub-log-unread"))?;
        for room in reader.rooms()? {
            let newest = reader.newest(Some(&room))?;
            hub.set_newest(&room, newest.get());
        }
        Ok(())
    }

    /// Waits until everything queued is on disk. Called before the hub serves.
    pub(super) fn settle(&self) {
        self.log.flush().wait();
    }

    /// Keeps messages in memory from now on, and not on disk.
    pub(super) fn keep_no_history(&mut self) -> anyhow::Result<()> {
        self.memory = Some(Memory::new(random::bytes()?));
        Ok(())
    }

    /// Shares rooms with other hubs from now on. Without settings the hub goes on alone.
    pub(super) fn join_cluster(
        &mut self,
        settings: Option<&cluster::Settings>,
        hub: &mut Hub,
        now: Instant,
    ) -> anyhow::Result<()> {
        let Some(settings) = settings else {
            let why = |trouble| anyhow!(trouble_in(words::language(), &trouble));
            return self.log.go_alone().map_err(why);
        };
        let Shared { waker, cluster, .. } = &*self.shared;
        self.cluster = Some(Cluster::start(settings, hub, &self.log, now, waker, cluster)?);
        Ok(())
    }

    /// Passes an event of the hub to the cluster.
    pub(super) fn event(&mut self, hub: &mut Hub, now: Instant, event: &Event) {
        self.cluster.iter_mut().for_each(|cluster| cluster.event(hub, now, event));
        self.store_cluster();
    }

    /// Stores what the cluster knows. A full queue is as if it were stored before a power failure: the
    /// other hubs tell it again.
    fn store_cluster(&mut self) {
        for fact in self.cluster.iter_mut().flat_map(Cluster::take_unstored) {
            let _ = self.log.try_set(&fact);
        }
    }

    /// Members that are at another hub too, and must show that they are here.
    pub(super) fn take_probes(&mut self) -> Vec<u128> {
        self.cluster.as_mut().map(Cluster::take_probes).unwrap_or_default()
    }

    /// Where this hub's members with a key join, for clients of other hubs.
    pub(super) fn set_place(&mut self, place: Option<OtherHub>) {
        self.cluster.iter_mut().for_each(|cluster| cluster.set_place(place.clone()));
    }

    /// The places of all hubs with the same rooms, if they have changed.
    pub(super) fn take_places(&mut self) -> Option<Vec<OtherHub>> {
        self.cluster.as_mut()?.take_places()
    }

    /// The cluster's figures.
    pub(super) fn cluster_figures(&self) -> Vec<Figure> {
        self.cluster.as_ref().map(Cluster::figures).unwrap_or_default()
    }

    /// The hub at which a member is, if it is another one.
    pub(super) fn hub_of(&self, member: MemberId) -> Option<&str> {
        self.cluster.as_ref()?.hub_of(member)
    }

    /// Number of members at other hubs.
    pub(super) fn elsewhere(&self) -> usize {
        self.cluster.as_ref().map_or(0, Cluster::elsewhere)
    }

    /// Whether messages are stored.
    pub(super) fn stores(&self) -> bool {
        self.memory.is_none()
    }

    /// Stores a message. If the queue is full, the log counts it and marks the gap.
    pub(super) fn message(&mut self, message: Message) {
        if let Some(memory) = &self.memory {
            memory.lock().append(in_memory(&message, None));
            return self.shared.wake_followers();
        }
        if let Some(cluster) = &mut self.cluster {
            return cluster.message(&message);
        }
        let _ = self.log.try_append(append(message, Numbering::ByHub));
    }

    /// Queues messages of a link's members, which the log stores together;
    /// [`settled`](Archive::settled) returns the results. Returns those for which the queue has no
    /// room.
    pub(super) fn say(&self, link: LinkId, says: Vec<Unstored>) -> Vec<SayId> {
        if says.is_empty() {
            return Vec::new();
        }
        if let Some(memory) = &self.memory {
            self.say_in_memory(memory, link, says);
            return Vec::new();
        }
        if let Some(cluster) = &self.cluster {
            return cluster.say(link, says);
        }
        let appends = says.iter().map(|Unstored { message, after, .. }| {
            append(message.clone(), Numbering::ByAuthor { after: *after })
        });
        // Locked until the messages are in `says`, or the writer could settle them first.
        let mut inner = self.shared.lock();
        let since = std::time::Instant::now();
        let tickets = self.log.try_append_all(appends.collect());
        let mut refused = Vec::new();
        for (Unstored { id, message, .. }, ticket) in says.into_iter().zip(tickets) {
            match ticket {
                Ok(ticket) => {
                    inner.says.insert(ticket, Unsettled { link, id, message, since });
                }
                Err(_) => refused.push(id),
            }
        }
        refused
    }

    fn say_in_memory(&self, memory: &Memory, link: LinkId, says: Vec<Unstored>) {
        let mut log = memory.lock();
        let settled = says.into_iter().map(|Unstored { id, message, after }| {
            let outcome = Ok(relayed(log.append(in_memory(&message, Some(after)))));
            Settled { id, message, outcome }
        });
        self.shared.lock().settled.entry(link).or_default().extend(settled);
        drop(log);
        self.shared.wake_followers();
        self.shared.wake();
    }

    /// The results of messages of a link's members, in the order of the log.
    pub(super) fn settled(&self, link: LinkId) -> Vec<Settled> {
        match &self.cluster {
            Some(cluster) => cluster.settled(link),
            None => self.shared.lock().settled.remove(&link).unwrap_or_default(),
        }
    }

    /// The longest time until a message was on disk, or has waited, since the last call; and how many
    /// wait.
    pub(super) fn take_lag(&self) -> (Duration, usize) {
        if let Some(cluster) = &self.cluster {
            return cluster.take_lag();
        }
        let mut inner = self.shared.lock();
        let oldest = inner.says.first_key_value().map(|(_, oldest)| oldest.since.elapsed());
        let lag = std::mem::take(&mut inner.lag).max(oldest.unwrap_or_default());
        (lag, inner.says.len())
    }

    /// Messages that were relayed but not stored.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Whether messages are stored at present.
    pub(super) fn is_well(&self) -> bool {
        self.trouble.is_none()
    }

    /// Wakes a loop whenever something is on disk.
    pub(super) fn wake_when_stored(&self, waker: Waker) {
        let followers = self.shared.followers.lock();
        followers.unwrap_or_else(PoisonError::into_inner).push(waker);
    }

    /// The newest entries, for a loop that must not wait for the disk.
    pub(super) fn newest_entries(&self) -> Newest {
        match &self.memory {
            Some(memory) => Newest::Memory(memory.clone()),
            None => Newest::Disk(self.log.newest_entries(), self.shown()),
        }
    }

    /// A reader with its own connection, for one thread.
    pub(super) fn reader(&self) -> anyhow::Result<All> {
        Ok(match &self.memory {
            Some(memory) => All::Memory(memory.clone()),
            None => {
                All::Disk(self.log.reader().with_context(|| say!("hub-log-unread"))?, self.shown())
            }
        })
    }

    /// What followers may read, if other hubs decide.
    fn shown(&self) -> Option<cluster::Shown> {
        self.cluster.as_ref().map(Cluster::shown)
    }

    /// Followers in these ranges begin anew: after the first position, and before the second.
    pub(super) fn take_rewinds(&self) -> Vec<(Position, Position)> {
        self.cluster.as_ref().map(Cluster::take_rewinds).unwrap_or_default()
    }

    /// Stores a change of persistent state.
    pub(super) fn keep(&self, keep: Keep) {
        // Locked until the change is in `pending`, or the writer could settle it first.
        let mut inner = self.shared.lock();
        match change(&self.log, &keep) {
            Ok(ticket) => drop(inner.pending.insert(ticket, keep)),
            Err(_) => inner.owe(keep),
        }
    }

    /// Queues a member's request for a reader thread.
    pub(super) fn look_up(&self, hub: &mut Hub, now: Instant, lookup: Lookup) {
        let queue = match lookup.wanted {
            Wanted::Before(_) => &self.history,
            Wanted::Matching(_) => &self.searches,
        };
        if let Err(TrySendError::Full(lookup) | TrySendError::Disconnected(lookup)) =
            queue.try_send(lookup)
        {
            hub.found(now, lookup, None);
        }
    }

    /// Deletes permanently. The result is logged.
    pub(super) fn forget(&mut self, what: Forget) {
        if let Some(memory) = &self.memory {
            match &what {
                Forget::Room(room) => memory.lock().forget(Some(room), None),
                Forget::Speaker(name) => memory.lock().forget(None, Some(name)),
            }
        }
        self.forgetting.push(self.log.forget(what));
    }

    /// Returns the deletions since the last call.
    pub(super) fn take_forgotten(&mut self) -> Vec<Forget> {
        std::mem::take(&mut self.forgotten)
    }

    /// Whether the log has messages in a room of this name, or under this name.
    pub(super) fn holds_room(&self, name: &RoomName) -> anyhow::Result<bool> {
        if let Some(memory) = &self.memory {
            return Ok(memory.lock().holds(name));
        }
        let reader = self.log.reader()?;
        Ok(reader.newest(Some(name))? > Position::START)
    }

    /// Handles results of the log's threads.
    pub(super) fn woken(&mut self, hub: &mut Hub, now: Instant) {
        let (reports, answers) = {
            let mut inner = self.shared.lock();
            (std::mem::take(&mut inner.reports), std::mem::take(&mut inner.answers))
        };
        reports.into_iter().for_each(|report| self.note(hub, now, report));
        answers.into_iter().for_each(|(lookup, found)| hub.found(now, lookup, found));
        if let Some(cluster) = &mut self.cluster {
            cluster.woken(hub, now);
        }
        self.store_cluster();
    }

    fn note(&mut self, hub: &mut Hub, now: Instant, report: Report) {
        match report {
            Report::Unable { trouble, error } => {
                let why = trouble_in(words::language(), &trouble);
                error!(%error, "{}", say!("hub-history-stopped", why = why));
                if self.trouble.replace(trouble).is_none() {
                    hub.announce_history(now, false);
                }
            }
            Report::Healed { lost } => {
                self.lost += lost;
                if self.trouble.take().is_some() {
                    info!(lost, "{}", say!("hub-history-back"));
                    hub.announce_history(now, true);
                } else if lost > 0 {
                    warn!(lost, "{}", say!("hub-history-slow"));
                }
                let (owed, forgone) = {
                    let mut inner = self.shared.lock();
                    (std::mem::take(&mut inner.owed), std::mem::take(&mut inner.forgone))
                };
                if forgone > 0 {
                    warn!(changes = forgone, "{}", say!("hub-changes-lost"));
                }
                owed.into_iter().for_each(|keep| self.keep(keep));
            }
            Report::Forgotten(Forgotten { what, messages, .. }) => {
                info!(messages, "{}", said_of(&what));
                self.forgotten.push(what);
            }
            Report::Settled { .. } => {}
        }
    }

    /// When [`tick`](Archive::tick) is due.
    pub(super) fn next(&self) -> Instant {
        let cluster = self.cluster.as_ref().and_then(Cluster::next);
        cluster.map_or(self.next_newest, |next| next.min(self.next_newest))
    }

    /// Reports stored messages to the hub, and failed deletions to the operator.
    pub(super) fn tick(&mut self, hub: &mut Hub, now: Instant) {
        if let Some(cluster) = &mut self.cluster {
            cluster.tick(hub, now);
        }
        self.store_cluster();
        if now < self.next_newest {
            return;
        }
        self.next_newest = now + NEWEST_EVERY;
        for (room, position) in self.log.take_newest() {
            hub.set_newest(&room, position.get());
        }
        self.forgetting.retain(|pending| match pending.poll() {
            None => true,
            Some(Ok(_)) => false,
            Some(Err(error)) => {
                error!("{}", system_error::whole(&error));
                false
            }
        });
    }

    /// The rows of the console's statistics.
    pub(super) fn statistics(&self) -> Vec<[String; 2]> {
        let state = match &self.trouble {
            Some(trouble) => trouble_in(words::language(), trouble),
            None => say!("hub-stat-well"),
        };
        let mut rows = vec![
            [say!("hub-stat-history"), state],
            [say!("hub-stat-newest"), self.log.durable().to_string()],
            [say!("hub-stat-not-kept"), self.lost.to_string()],
        ];
        rows.extend(self.cluster.iter().flat_map(Cluster::statistics));
        rows
    }

    /// Stores what is queued, and reports if that takes too long: the disk may hang.
    pub(super) fn close(self) {
        if let Some(cluster) = self.cluster {
            cluster.close();
        }
        let (done, ended) = sync_channel::<()>(0);
        let log = self.log;
        let closing = thread::spawn("close log", move || {
            log.close();
            drop(done);
        });
        if closing.is_ok() && ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
            error!("{}", say!("hub-disk-slow"));
        }
    }
}

fn append(message: Message, numbering: Numbering) -> Append {
    let Message { room, label, link, wall, text, identity, .. } = message;
    Append { room, speaker: label, link, wall, text, identity, numbering }
}

/// Describes the deletion.
pub(super) fn said_of(what: &Forget) -> String {
    match what {
        Forget::Room(room) => say!("hub-forgotten-room", what = room),
        Forget::Speaker(name) => {
            say!("hub-forgotten-name", what = &pigeon_text::escape(&**name))
        }
    }
}
