//! `--cluster`: rooms that several hubs share, over NATS JetStream.
//!
//! The cluster decides the order of messages, so the archive hands it what is said instead of
//! storing that itself. What the stream delivers is stored at its position, then settled, shown to
//! followers, and relayed to plain members if it comes from another hub.
//!
//! - `settings`: the flags. `desk`: what the threads share.
//! - `elsewhere`: members of other hubs. `places`: where clients can go on. `bans`: those of all hubs.
//! - `held`: the log as the order reads it. `shown`: the log as followers may read it.

mod bans;
mod desk;
mod elsewhere;
mod held;
mod places;
mod settings;
mod shown;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use pigeon_cluster::{Again, Numbered, Saved, State, Statistics};
use pigeon_datagram::Instant;
use pigeon_hub::reliable::SayId;
use pigeon_hub::{Event, Hub, LinkId, MemberId, Message};
use pigeon_log::{Fact, Log, Outcome, Ticket};
use pigeon_nats::{Input, Link};
use pigeon_net::Waker;
use pigeon_proto::Position;
use pigeon_proto::frame::OtherHub;
use serde_json::Value;
use tracing::{error, info, warn};

use self::desk::{Desk, News};
use self::elsewhere::Elsewhere;
use self::held::OnDisk;
pub(super) use self::settings::{Broker, Settings, name};
pub(super) use self::shown::Shown;
use super::archive::{Settled, Unstored};
use super::figure::Figure;
use crate::base::thread;
use crate::words::say;

/// Time limit for telling the others that this hub stops.
const PATIENCE: Duration = Duration::from_millis(700);

/// Maximum number of plain members' messages that are handed in together.
const PLAIN: usize = 256;

/// How long other hubs must be out of reach until members are told.
const TOLD_AFTER: Duration = Duration::from_secs(2);

/// Time between two reports of what was lost.
const LOSSES_EVERY: Duration = Duration::from_secs(60);

/// A hub's part in its cluster.
pub(super) struct Cluster {
    desk: Arc<Desk>,
    link: Link,
    is_over: Arc<AtomicBool>,
    /// The state, and the number of other hubs that are alive.
    state: (State, usize),
    /// When members are told that other hubs are out of reach.
    tell_at: Option<Instant>,
    /// Whether they were told.
    is_told: bool,
    elsewhere: Elsewhere,
    /// Plain members' messages of this turn.
    plain: Vec<pigeon_proto::Message>,
    about: Value,
    /// The brokers, for people.
    brokers: String,
    /// The counts of the last report, and the time of the next one.
    told: Losses,
    told_next: Instant,
}

/// Counts of messages and epochs that were not passed on between hubs.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Losses {
    too_large: u64,
    unplaced: u64,
    exhausted: u64,
}

/// For the log's writer.
#[derive(Clone)]
pub(super) struct Writing(Arc<Desk>);

impl Writing {
    /// Outcomes of the log.
    pub(super) fn stored(&self, outcomes: &[(Ticket, Outcome)]) {
        self.0.stored(outcomes);
    }
}

impl Cluster {
    /// Starts the cluster's thread.
    pub(super) fn start(
        settings: &Settings,
        members: &mut Hub,
        log: &Log,
        now: Instant,
        hub: &Arc<OnceLock<Waker>>,
        writing: &OnceLock<Writing>,
    ) -> anyhow::Result<Cluster> {
        let place: Saved = match log.state().place() {
            Some((_, place)) => {
                serde_json::from_str(place).with_context(|| say!("hub-cluster-place"))?
            }
            None => Saved::default(),
        };
        // The hub's author of messages without a key.
        let run = members.config().run;
        let newest = log.durable();
        let shown = Shown::new(place.clone(), newest);
        let desk = Arc::new(Desk::new(log.decided_entries(), shown, Arc::clone(hub)));
        // Before the first place is stored.
        let _ = writing.set(Writing(Arc::clone(&desk)));
        let is_over = Arc::new(AtomicBool::new(false));
        let reader = log.reader().with_context(|| say!("hub-log-unread"))?;
        let held = OnDisk { reader, is_over: Arc::clone(&is_over) };
        let report = {
            let desk = Arc::clone(&desk);
            move |event| desk.event(event)
        };
        let link =
            Link::start(settings.link(), run, place, newest, Box::new(held), Box::new(report))
                .with_context(|| say!("errors-no-thread"))?;
        desk.start(link.inputs());
        let brokers = settings.brokers();
        info!("{}", say!("hub-cluster-starts", name = settings.name(), brokers = &brokers));
        let (state, tell_at) = ((State::CutOff, 0), Some(now + TOLD_AFTER));
        let (elsewhere, about) = (Elsewhere::start(members, now, log.state()), Value::Null);
        let (subject, runs) = elsewhere.own_runs();
        let _ = log.try_set(&fact(subject, runs));
        Ok(Cluster {
            desk,
            link,
            is_over,
            state,
            tell_at,
            is_told: false,
            elsewhere,
            plain: Vec::new(),
            about,
            brokers,
            told: Losses::default(),
            told_next: now,
        })
    }

    /// What followers may read.
    pub(super) fn shown(&self) -> Shown {
        self.desk.shown.clone()
    }

    /// A plain member's message. It goes out with the others of this turn of the hub's loop, in one
    /// record: other hubs then relay them to each member together.
    pub(super) fn message(&mut self, message: &Message) {
        self.plain.push(undecided(message));
        if self.plain.len() >= PLAIN {
            self.say_plain();
        }
    }

    fn say_plain(&mut self) {
        if !self.plain.is_empty() {
            self.desk.say_plain(std::mem::take(&mut self.plain));
        }
    }

    /// Hands in messages of a link's reliable members. Returns those that were not taken.
    pub(super) fn say(&self, link: LinkId, says: Vec<Unstored>) -> Vec<SayId> {
        let mut refused = Vec::new();
        for unstored in says {
            let said = pigeon_cluster::Said {
                message: undecided(&unstored.message),
                after: unstored.after,
                numbered: Numbered::Author,
                again: Again::No,
            };
            let id = unstored.id;
            if !self.desk.say(link, unstored, said) {
                refused.push(id);
            }
        }
        refused
    }

    /// The outcomes of messages of a link's members, in order.
    pub(super) fn settled(&self, link: LinkId) -> Vec<Settled> {
        self.desk.settled(link)
    }

    /// Relays what other hubs' members have said, and tells what has changed.
    pub(super) fn woken(&mut self, hub: &mut Hub, now: Instant) {
        for message in self.desk.take_heard() {
            hub.relay(now, message);
        }
        let news = self.desk.take_news();
        let is_news = !news.is_empty();
        for news in news {
            match news {
                News::State(state, others) => self.changed(hub, now, state, others),
                News::Differs(what) => {
                    for what in what {
                        warn!("{}", say!("hub-cluster-differs", what = &what));
                    }
                }
                News::About(run, about) => self.elsewhere.about_other(hub, now, run, &about),
                News::Broadcast(run, body) => self.elsewhere.told(hub, now, run, &body),
                News::Gone(run) => self.elsewhere.gone(hub, now, run),
                News::Limit(limit) => self.limited(hub, limit),
                News::Trouble(why) => {
                    let brokers = &self.brokers;
                    warn!(
                        "{}",
                        say!("hub-cluster-trouble", brokers = brokers, why = trouble(&why))
                    );
                }
            }
        }
        if is_news {
            self.hand_in(hub);
        }
    }

    /// The brokers accept so much at once. A record holds any message only if that is enough.
    fn limited(&mut self, hub: &Hub, limit: usize) {
        self.elsewhere.set_limit(limit);
        let config = hub.config();
        let text = config.doors.iter().map(|door| config.most_text(door.format)).max();
        let needed = pigeon_cluster::largest(text.unwrap_or_default());
        if limit < needed {
            warn!("{}", say!("hub-cluster-limit", limit = limit, needed = needed));
        }
    }

    /// Tells what was lost since the last time, once a minute.
    fn tell_losses(&mut self, now: Instant) {
        let Statistics { too_large, unplaced, exhausted, .. } = self.desk.counts().order;
        let losses = Losses { too_large, unplaced, exhausted };
        if losses == self.told || now < self.told_next {
            return;
        }
        let before = std::mem::replace(&mut self.told, losses);
        self.told_next = now + LOSSES_EVERY;
        if too_large > before.too_large {
            warn!("{}", say!("hub-cluster-too-large", count = too_large - before.too_large));
        }
        if unplaced > before.unplaced {
            warn!("{}", say!("hub-cluster-unplaced", count = unplaced - before.unplaced));
        }
        if exhausted > before.exhausted {
            error!("{}", say!("hub-cluster-exhausted", last = Position::END.epoch()));
        }
    }

    /// Tells the other hubs what there is to tell.
    fn hand_in(&mut self, hub: &Hub) {
        let about = self.elsewhere.about(hub);
        if about != self.about {
            self.about.clone_from(&about);
            self.desk.set_about(about);
        }
        self.hand_in_tells();
    }

    fn hand_in_tells(&mut self) {
        for body in self.elsewhere.take_tells() {
            self.desk.input(Input::Tell(body));
        }
    }

    /// For `/metrics`: name, description, whether it is a sum, value.
    pub(super) fn figures(&self) -> Vec<Figure> {
        let counts = self.desk.counts();
        let counted = counts.order;
        let state = match self.state.0 {
            State::CutOff => 0.0,
            State::CatchingUp => 1.0,
            State::InOrder => 2.0,
        };
        let sum = |name, help, value| Figure { name, help, is_sum: true, value: value as f64 };
        let level = |name, help, value| Figure { name, help, is_sum: false, value };
        vec![
            level("pigeon_cluster_state", "0 cut off, 1 catching up, 2 in order", state),
            level("pigeon_cluster_hubs", "Other hubs that are alive", self.state.1 as f64),
            level(
                "pigeon_cluster_waiting",
                "Reliable members' messages that wait for a place",
                counts.waiting.reliable as f64,
            ),
            level(
                "pigeon_cluster_waiting_plain",
                "Plain members' messages that wait for a place",
                counts.waiting.plain as f64,
            ),
            sum("pigeon_cluster_read", "Records read from the stream", counted.read),
            sum("pigeon_cluster_doubles", "Messages that the log held already", counted.doubles),
            sum("pigeon_cluster_epochs", "Epochs entered", counted.epochs),
            sum("pigeon_cluster_said_again", "Messages said again", counted.said_again),
            sum(
                "pigeon_cluster_dropped",
                "Plain members' messages without room to wait",
                counts.dropped(),
            ),
            sum(
                "pigeon_cluster_refused",
                "Reliable members' messages without room to wait",
                counts.refused(),
            ),
            sum(
                "pigeon_cluster_too_large",
                "Messages and lists too large for the NATS servers",
                counted.too_large,
            ),
            sum(
                "pigeon_cluster_unplaced",
                "Messages and epochs without a position",
                counted.unplaced + counted.exhausted,
            ),
            sum(
                "pigeon_cluster_excessive",
                "Numbers of joins and bans from other hubs that were too great",
                self.elsewhere.excessive(),
            ),
            sum(
                "pigeon_cluster_unbans_forgotten",
                "Lifted bans that are not remembered any more",
                self.elsewhere.forgotten_unbans(),
            ),
        ]
    }

    /// An event of the hub.
    pub(super) fn event(&mut self, hub: &mut Hub, now: Instant, event: &Event) {
        self.elsewhere.event(hub, now, event);
        self.hand_in_tells();
    }

    /// What is to be stored.
    pub(super) fn take_unstored(&mut self) -> Vec<Fact> {
        let all = self.elsewhere.take_unstored().into_iter();
        all.map(|(subject, value)| fact(subject, value)).collect()
    }

    /// Members of this hub that are at another one too, and must show that they are here.
    pub(super) fn take_probes(&mut self) -> Vec<u128> {
        self.elsewhere.take_probes()
    }

    /// Where this hub's members with a key join.
    pub(super) fn set_place(&mut self, place: Option<OtherHub>) {
        self.elsewhere.set_place(place);
    }

    /// The places of all hubs, if they have changed.
    pub(super) fn take_places(&mut self) -> Option<Vec<OtherHub>> {
        self.elsewhere.take_places()
    }

    /// The hub at which a member is, if it is another one.
    pub(super) fn hub_of(&self, member: MemberId) -> Option<&str> {
        self.elsewhere.hub_of(member)
    }

    /// Number of members at other hubs.
    pub(super) fn elsewhere(&self) -> usize {
        self.elsewhere.count()
    }

    fn changed(&mut self, hub: &mut Hub, now: Instant, state: State, others: usize) {
        let (before, had) = std::mem::replace(&mut self.state, (state, others));
        if before != state {
            match state {
                State::CutOff => warn!("{}", say!("hub-cluster-is-cut-off")),
                State::CatchingUp => info!("{}", say!("hub-cluster-reads")),
                State::InOrder => info!("{}", say!("hub-cluster-is-in-order")),
            }
        }
        if others != had {
            info!("{}", say!("hub-cluster-alive", count = others));
        }
        match state {
            State::InOrder => {
                self.tell_at = None;
                if std::mem::take(&mut self.is_told) {
                    hub.announce_cluster(now, true);
                }
            }
            _ if !self.is_told => {
                self.tell_at.get_or_insert(now + TOLD_AFTER);
            }
            _ => {}
        }
    }

    /// When [`tick`](Cluster::tick) is due.
    pub(super) fn next(&self) -> Option<Instant> {
        let at_once = (!self.plain.is_empty()).then_some(Instant::ORIGIN);
        [at_once, self.tell_at, self.elsewhere.next()].into_iter().flatten().min()
    }

    /// Tells members that other hubs are out of reach, if that is due.
    pub(super) fn tick(&mut self, hub: &mut Hub, now: Instant) {
        self.say_plain();
        if self.tell_at.take_if(|at| *at <= now).is_some() {
            self.is_told = true;
            hub.announce_cluster(now, false);
        }
        self.elsewhere.tick(hub, now);
        self.tell_losses(now);
        self.hand_in(hub);
    }

    /// Followers in these ranges begin anew: after `to`, and before `up_to`.
    pub(super) fn take_rewinds(&self) -> Vec<(Position, Position)> {
        let rewinds = self.desk.take_rewinds().into_iter();
        rewinds.map(|rewind| (rewind.to, rewind.up_to)).collect()
    }

    /// The longest time until an outcome since the last call, and how many messages wait.
    pub(super) fn take_lag(&self) -> (Duration, usize) {
        self.desk.take_lag()
    }

    /// The rows of the console's statistics.
    pub(super) fn statistics(&self) -> Vec<[String; 2]> {
        let counts = self.desk.counts();
        let counted = counts.order;
        let state = match self.state.0 {
            State::CutOff => say!("hub-cluster-cut-off"),
            State::CatchingUp => say!("hub-cluster-catching-up"),
            State::InOrder => say!("hub-cluster-in-order"),
        };
        let row = |name: String, value: u64| [name, value.to_string()];
        vec![
            [say!("hub-stat-cluster"), state],
            row(say!("hub-stat-cluster-others"), self.state.1 as u64),
            row(say!("hub-stat-cluster-members"), self.elsewhere.count() as u64),
            row(say!("hub-stat-cluster-waiting"), counts.waiting.reliable as u64),
            row(say!("hub-stat-cluster-waiting-plain"), counts.waiting.plain as u64),
            row(say!("hub-stat-cluster-read"), counted.read),
            row(say!("hub-stat-cluster-doubles"), counted.doubles),
            row(say!("hub-stat-cluster-epochs"), counted.epochs),
            row(say!("hub-stat-cluster-said-again"), counted.said_again),
            row(say!("hub-stat-cluster-refused"), counts.refused()),
            row(say!("hub-stat-cluster-dropped"), counts.dropped()),
            row(say!("hub-stat-cluster-too-large"), counted.too_large),
            row(say!("hub-stat-cluster-unplaced"), counted.unplaced + counted.exhausted),
            row(say!("hub-stat-cluster-excessive"), self.elsewhere.excessive()),
            row(say!("hub-stat-cluster-unbans-forgotten"), self.elsewhere.forgotten_unbans()),
        ]
    }

    /// Tells the other hubs that this one stops, unless that takes too long.
    pub(super) fn close(mut self) {
        self.say_plain();
        self.is_over.store(true, Ordering::Release);
        let (done, ended) = sync_channel::<()>(0);
        let link = self.link;
        let closing = thread::spawn("leave cluster", move || {
            drop(link);
            drop(done);
        });
        if closing.is_err() {
            error!("{}", say!("hub-cluster-not-left"));
        }
        let _ = ended.recv_timeout(PATIENCE);
    }
}

fn fact(subject: &str, value: String) -> Fact {
    Fact::Cluster { what: subject.into(), value: value.into() }
}

/// A message without a position yet.
fn undecided(message: &Message) -> pigeon_proto::Message {
    let Message { room, label, link, wall, text, identity, .. } = message;
    pigeon_proto::Message {
        position: Position::START,
        room: room.clone(),
        speaker: label.clone(),
        link: *link,
        wall: *wall,
        text: text.clone(),
        identity: *identity,
    }
}

/// Why the brokers cannot be used, from the words of their client.
fn trouble(why: &str) -> String {
    let low = why.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| low.contains(word));
    match () {
        () if has(&["authorization", "authentication"]) => say!("hub-cluster-refused"),
        // Rustls calls what a server without TLS sends a corrupt message.
        () if has(&["tls", "certificate", "corrupt message"]) => {
            let cause = why.strip_prefix("IO error: ").unwrap_or(why);
            say!("hub-cluster-tls", why = &pigeon_text::escape(&cause))
        }
        () if has(&["dns"]) => say!("hub-cluster-unknown"),
        () if has(&["io error"]) => say!("hub-cluster-unreached"),
        () if has(&["timed out", "timeout"]) => say!("hub-cluster-silent"),
        () if has(&["jetstream unavailable", "jetstream not", "no responders"]) => {
            say!("hub-cluster-no-jetstream")
        }
        () => pigeon_text::escape(&why).to_string(),
    }
}
