//! The thread around an [`Order`].

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use async_nats::jetstream::consumer::pull::Stream as Messages;
use async_nats::jetstream::stream::Stream;
use async_nats::jetstream::{self, Context};
use async_nats::{Client, Subscriber};
use futures_util::StreamExt as _;
use pigeon_cluster::{
    Held, Order, Outcome, Output, RENEW, Rewind, Said, Saved, State, Statistics, Waiting,
};
use pigeon_datagram::Instant;
use pigeon_proto::{Message, Position};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::connection::{self, Error, Sign, Unpublished};
use crate::settings::Settings;
use crate::trouble::Troubles;

/// Delay before the stream is opened again.
const RETRY: Duration = Duration::from_millis(500);

/// Maximum memory of inputs that wait: of reliable members' messages, and of all others. The thread
/// takes none while the hub's log does not answer.
const WAITING: usize = 16 << 20;

/// Memory of an input, besides its text. It bounds the number of each kind to 32,768.
const INPUT: usize = 512;

/// Maximum inputs that are taken at once. Messages among them go out together.
const AT_ONCE: usize = 1_024;

/// From the hub.
pub enum Input {
    /// A reliable member says something. [`Event::Settled`] follows.
    Say {
        /// Identifies the message.
        ticket: u64,
        /// The message.
        said: Said,
    },
    /// Members without a key say something.
    Plain(Vec<Message>),
    /// Whether the messages of [`Event::Store`] are on disk.
    Stored(bool),
    /// Something for all other hubs that are connected now. Nothing is stored, and it may be lost.
    Tell(Value),
    /// Ends the thread.
    Stop,
}

/// To the hub.
#[derive(Debug)]
pub enum Event {
    /// Store messages at their positions, then the place. Answered by [`Input::Stored`].
    Store {
        /// The messages.
        messages: Vec<Said>,
        /// The place.
        saved: Saved,
    },
    /// Members' messages are decided: their tickets, and the decisions.
    Settled(Vec<(u64, Outcome)>),
    /// Messages from other hubs, stored: relay them to plain members.
    Heard(Vec<Message>),
    /// Followers go back.
    Rewound(Rewind),
    /// Followers may read the newest epoch.
    Released,
    /// The state has changed.
    State {
        /// The state.
        state: State,
        /// Hubs that are alive, without this one.
        others: usize,
    },
    /// The stream differs from what it should be.
    Differs(Vec<String>),
    /// What another hub says about itself, when it comes and after each change.
    About {
        /// The hub's run.
        hub: u128,
        /// What it says.
        about: Value,
    },
    /// Another hub has left, or its lease has ended.
    Gone(u128),
    /// What another hub has told all.
    Broadcast {
        /// The hub's run.
        hub: u128,
        /// What it has told.
        body: Value,
    },
    /// The brokers or the stream cannot be reached, or refuse. Reported once for each reason.
    Trouble(String),
    /// Maximum bytes of records and announcements that the brokers accept.
    Limit(usize),
    /// Once a second: the counters, and how many messages wait for their place.
    Counts {
        /// The counters.
        statistics: Statistics,
        /// The number of messages.
        waiting: Waiting,
    },
}

/// A hub's link to the others. Dropping it ends the thread.
pub struct Link {
    inputs: Inputs,
    thread: Option<JoinHandle<()>>,
}

/// Hands in inputs from any thread.
#[derive(Clone)]
pub struct Inputs {
    queue: UnboundedSender<Input>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Memory of the inputs that wait: reliable members' messages, and all others. A common limit was
    /// rejected: plain members could leave reliable ones no room.
    reliable: AtomicUsize,
    others: AtomicUsize,
    /// What the other hubs hear about this one.
    about: Mutex<Value>,
}

impl Inputs {
    fn new() -> (Inputs, UnboundedReceiver<Input>) {
        let (queue, inputs) = unbounded_channel();
        (Inputs { queue, shared: Arc::default() }, inputs)
    }

    /// Hands something in. False if too much waits, or the thread has ended.
    pub fn input(&self, input: Input) -> bool {
        let memory = input.memory();
        let share = self.shared.of(&input);
        let waiting = share.fetch_add(memory, Ordering::Relaxed);
        // The largest input has room if nothing else waits.
        let has_room = memory == 0 || waiting == 0 || waiting + memory <= WAITING;
        if !has_room {
            share.fetch_sub(memory, Ordering::Relaxed);
        }
        has_room && self.queue.send(input).is_ok()
    }

    /// What the other hubs hear about this one, with each lease.
    pub fn set_about(&self, about: Value) {
        *self.shared.about() = about;
    }
}

impl Shared {
    /// What an input is charged to.
    fn of(&self, input: &Input) -> &AtomicUsize {
        match input {
            Input::Say { .. } => &self.reliable,
            _ => &self.others,
        }
    }

    fn about(&self) -> MutexGuard<'_, Value> {
        self.about.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Input {
    fn memory(&self) -> usize {
        match self {
            Input::Say { said, .. } => INPUT + said.message.text.len(),
            Input::Plain(messages) => messages.iter().map(|it| INPUT + it.text.len()).sum(),
            Input::Tell(body) => INPUT + memory_of(body),
            // One answers each store.
            Input::Stored(_) | Input::Stop => 0,
        }
    }
}

fn memory_of(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(values) => values.iter().map(memory_of).sum(),
            Value::Object(fields) => fields.iter().map(|(key, it)| key.len() + memory_of(it)).sum(),
            _ => 0,
        }
}

impl Link {
    /// Starts the thread: the hub's run, its stored place, its log. `report` must not block.
    pub fn start(
        settings: Settings,
        hub: u128,
        saved: Saved,
        newest: Position,
        held: Box<dyn Held + Send>,
        report: Box<dyn FnMut(Event) + Send>,
    ) -> io::Result<Link> {
        let (inputs, from_hub) = Inputs::new();
        let shared = Arc::clone(&inputs.shared);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name("cluster".into()).spawn(move || {
            let order = Order::new(hub, saved, newest);
            runtime.block_on(Driver::run(settings, hub, order, held, report, from_hub, shared));
        })?;
        Ok(Link { inputs, thread: Some(thread) })
    }

    /// For other threads.
    pub fn inputs(&self) -> Inputs {
        self.inputs.clone()
    }

    /// Hands something in. False if too much waits, or the thread has ended.
    pub fn input(&self, input: Input) -> bool {
        self.inputs.input(input)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.input(Input::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A lease: sent to every hub, and not stored.
#[derive(Serialize, Deserialize)]
struct Lease {
    hub: String,
    epoch: u64,
    cursor: u64,
    digest: String,
    /// The hub stops.
    #[serde(default)]
    leaves: bool,
    /// What the hub says about itself.
    #[serde(default)]
    about: Value,
}

/// Something for all other hubs: not stored.
#[derive(Serialize, Deserialize)]
struct Tell {
    hub: String,
    body: Value,
}

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// What tasks report, with the number of the connection that they belong to.
enum Done {
    Published { id: u64, bytes: usize, answer: Result<u64, Unpublished> },
    Looked { cursor: u64, record: Option<u64>, last: u64 },
}

struct Driver {
    settings: Settings,
    hub: u128,
    order: Order,
    held: Box<dyn Held + Send>,
    report: Box<dyn FnMut(Event) + Send>,
    origin: std::time::Instant,
    client: Client,
    context: Context,
    /// Increases with each connection: answers to an earlier one are ignored.
    generation: u64,
    opening: Option<Boxed<(Stream, Vec<String>, pigeon_cluster::Stream)>>,
    open_at: Option<Instant>,
    stream: Option<Stream>,
    reading: Option<Boxed<Messages>>,
    messages: Option<Messages>,
    done: UnboundedSender<(u64, Done)>,
    told: (Option<State>, usize),
    troubles: Troubles,
    differences: Vec<String>,
    /// The limit that was reported last.
    limit: usize,
    /// Delay before the next connection that the order wants.
    delay: Duration,
    /// Number of announcements that were too large for the brokers.
    too_large: u64,
    shared: Arc<Shared>,
    /// What the other hubs have said about themselves.
    others: BTreeMap<u128, Value>,
    /// What is to be told.
    tells: Vec<Value>,
}

impl Driver {
    async fn run(
        settings: Settings,
        hub: u128,
        order: Order,
        held: Box<dyn Held + Send>,
        mut report: Box<dyn FnMut(Event) + Send>,
        mut from_hub: UnboundedReceiver<Input>,
        shared: Arc<Shared>,
    ) {
        let (signs, mut sign) = unbounded_channel();
        let client = match connection::connect(&settings, signs).await {
            Ok(client) => client,
            Err(error) => return report(Event::Trouble(error.to_string())),
        };
        let mut leases = match client.subscribe(settings.lease()).await {
            Ok(leases) => leases,
            Err(error) => return report(Event::Trouble(error.to_string())),
        };
        let mut tells = match client.subscribe(settings.tell()).await {
            Ok(tells) => tells,
            Err(error) => return report(Event::Trouble(error.to_string())),
        };
        let (done, mut answers) = unbounded_channel();
        let mut context = jetstream::new(client.clone());
        context.set_timeout(Duration::from_secs(5));
        let mut driver = Driver {
            settings,
            hub,
            order,
            held,
            report,
            origin: std::time::Instant::now(),
            client,
            context,
            generation: 0,
            opening: None,
            open_at: Some(Instant::ORIGIN),
            stream: None,
            reading: None,
            messages: None,
            done,
            told: (None, usize::MAX),
            troubles: Troubles::default(),
            differences: Vec::new(),
            limit: 0,
            delay: Duration::ZERO,
            too_large: 0,
            shared,
            others: BTreeMap::new(),
            tells: Vec::new(),
        };
        let mut inputs = Vec::new();
        let mut sleep = Box::pin(tokio::time::sleep(Duration::ZERO));
        let mut due = None;
        let mut renew = tokio::time::interval(RENEW);
        renew.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            driver.drain().await;
            let now = driver.now();
            let next = [driver.order.poll_timeout(), driver.open_at].into_iter().flatten().min();
            if let Some(next) = next.filter(|_| next != due) {
                sleep.as_mut().reset(tokio::time::Instant::now() + (next - now));
            }
            due = next;
            let wants = driver.order.wants();
            tokio::select! {
                _ = from_hub.recv_many(&mut inputs, AT_ONCE) => {
                    let is_over =
                        inputs.is_empty() || inputs.iter().any(|it| matches!(it, Input::Stop));
                    driver.inputs(inputs.drain(..));
                    if is_over {
                        // What was said just before the end is published.
                        driver.drain().await;
                        break;
                    }
                }
                Some(sign) = sign.recv() => driver.sign(sign),
                opened = wait(&mut driver.opening) => driver.opened(opened),
                messages = wait(&mut driver.reading) => match messages {
                    Ok(messages) => driver.messages = Some(messages),
                    Err(error) => driver.close(Some(error)),
                },
                message = next_of(&mut driver.messages), if wants => match message {
                    Some(Ok(message)) => driver.delivered(&message),
                    Some(Err(error)) => driver.close(Some(error.into())),
                    None => driver.close(None),
                },
                Some((generation, done)) = answers.recv() => driver.answered(generation, done),
                lease = leases.next() => match lease {
                    Some(lease) => driver.lease(&lease.payload),
                    None => break,
                },
                told = tells.next() => match told {
                    Some(told) => driver.told(&told.payload),
                    None => break,
                },
                _ = renew.tick() => {
                    driver.count();
                    driver.renew(false).await;
                    driver.look();
                }
                () = &mut sleep, if due.is_some() => {
                    due = None;
                    driver.timeout();
                }
            }
        }
        driver.leave(&mut leases).await;
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    fn inputs(&mut self, inputs: impl Iterator<Item = Input>) {
        let now = self.now();
        for input in inputs {
            self.shared.of(&input).fetch_sub(input.memory(), Ordering::Relaxed);
            match input {
                Input::Say { ticket, said } => self.order.say(ticket, said, &*self.held),
                Input::Plain(messages) => {
                    messages.into_iter().for_each(|message| self.order.say_plain(message));
                }
                Input::Stored(is_stored) => self.order.stored(now, is_stored, &*self.held),
                Input::Tell(body) => self.tells.push(body),
                // Handled by the loop.
                Input::Stop => {}
            }
        }
        self.order.pump(now, &*self.held);
    }

    fn sign(&mut self, sign: Sign) {
        match sign {
            Sign::Connected => self.open_at = Some(self.now()),
            Sign::Disconnected => {
                self.troubles.disconnected();
                self.close(None);
                self.open_at = None;
            }
            Sign::Trouble(why) => {
                let why = self.troubles.not_opened(why);
                self.trouble(why);
            }
        }
    }

    fn trouble(&mut self, why: Option<String>) {
        if let Some(why) = why {
            (self.report)(Event::Trouble(why));
        }
    }

    fn timeout(&mut self) {
        let now = self.now();
        if self.open_at.take_if(|at| *at <= now).is_some() && self.opening.is_none() {
            self.close(None);
            self.open_at = None;
            let (client, settings) = (self.client.clone(), self.settings.clone());
            let cursor = self.order.cursor();
            self.opening = Some(Box::pin(async move {
                let (stream, differences) = connection::open(&client, &settings).await?;
                let place = connection::describe(&client, &stream, &settings, cursor).await?;
                Ok((stream, differences, place))
            }));
        }
        self.order.handle_timeout(now, &*self.held);
    }

    fn opened(&mut self, opened: Result<(Stream, Vec<String>, pigeon_cluster::Stream), Error>) {
        self.opening = None;
        match opened {
            Ok((stream, differences, place)) => {
                if !differences.is_empty() && differences != self.differences {
                    (self.report)(Event::Differs(differences.clone()));
                }
                self.differences = differences;
                self.troubles.opened();
                self.generation += 1;
                self.stream = Some(stream);
                self.order.connected(self.now(), place, &*self.held);
                self.limited();
            }
            Err(error) => self.close(Some(error)),
        }
    }

    /// Reports the limit if it has changed.
    fn limited(&mut self) {
        let limit = self.order.limit();
        if limit != self.limit {
            self.limit = limit;
            (self.report)(Event::Limit(limit));
        }
    }

    /// Ends the connection to the stream, and opens it again soon.
    fn close(&mut self, error: Option<Error>) {
        if let Some(error) = error {
            let why = self.troubles.not_opened(error.to_string());
            self.trouble(why);
        }
        self.generation += 1;
        (self.opening, self.reading, self.messages) = (None, None, None);
        let now = self.now();
        if self.stream.take().is_some() {
            self.order.disconnected(now);
        }
        self.open_at = Some(now + RETRY);
    }

    fn delivered(&mut self, message: &async_nats::jetstream::Message) {
        let Ok(info) = message.info() else { return };
        let sequence = info.stream_sequence;
        self.order.delivered(self.now(), sequence, &message.payload, &*self.held);
    }

    fn answered(&mut self, generation: u64, done: Done) {
        if generation != self.generation {
            return;
        }
        let now = self.now();
        match done {
            Done::Published { id, answer: Ok(sequence), .. } => {
                self.troubles.published(now);
                self.order.acknowledged(now, id, sequence, &*self.held);
            }
            Done::Published { id, bytes, answer: Err(why) } => self.unpublished(id, bytes, why),
            Done::Looked { cursor, record, last } => self.order.looked(now, cursor, record, last),
        }
    }

    fn unpublished(&mut self, id: u64, bytes: usize, why: Unpublished) {
        let now = self.now();
        if let Unpublished::TooLarge = why {
            self.order.too_large(now, id, bytes, &*self.held);
            return self.limited();
        }
        let reported = self.troubles.unpublished(now, &why);
        self.trouble(reported);
        // Another hub's opening is read at once. One that the brokers do not take is not repeated at
        // full speed.
        self.delay = if let Unpublished::Late = why { Duration::ZERO } else { RETRY };
        self.order.refused(now, id, &*self.held);
    }

    fn lease(&mut self, payload: &[u8]) {
        let Ok(lease) = serde_json::from_slice::<Lease>(payload) else { return };
        let Ok(hub) = u128::from_str_radix(&lease.hub, 16) else { return };
        let Ok(digest) = u64::from_str_radix(&lease.digest, 16) else { return };
        let now = self.now();
        if hub == self.hub {
            return;
        }
        if lease.leaves {
            return self.order.left(now, hub, &*self.held);
        }
        let place = (lease.epoch, lease.cursor, digest);
        self.order.heard(now, hub, place, &*self.held);
        let is_alive = self.order.alive().contains(&hub);
        if is_alive && self.others.get(&hub) != Some(&lease.about) {
            // A hub that was restarted names its earlier runs: nobody waits for the end of their leases.
            let earlier = lease.about.get("earlier").and_then(Value::as_array);
            let earlier = earlier.into_iter().flatten().filter_map(Value::as_str);
            for run in earlier.filter_map(|run| u128::from_str_radix(run, 16).ok()) {
                if self.others.contains_key(&run) && run != hub {
                    self.order.left(now, run, &*self.held);
                }
            }
            self.others.insert(hub, lease.about.clone());
            (self.report)(Event::About { hub, about: lease.about });
        }
    }

    fn told(&mut self, payload: &[u8]) {
        let Ok(Tell { hub, body }) = serde_json::from_slice(payload) else { return };
        let Ok(hub) = u128::from_str_radix(&hub, 16) else { return };
        if hub != self.hub && self.others.contains_key(&hub) {
            (self.report)(Event::Broadcast { hub, body });
        }
    }

    async fn tell(&mut self) {
        for body in std::mem::take(&mut self.tells) {
            if self.stream.is_none() {
                continue;
            }
            let tell = Tell { hub: format!("{:032x}", self.hub), body };
            let payload = serde_json::to_vec(&tell).unwrap_or_default();
            self.too_large += u64::from(payload.len() > self.client.max_payload());
            let sending = self.client.publish(self.settings.tell(), payload.into());
            let _ = tokio::time::timeout(Duration::from_secs(1), sending).await;
        }
    }

    fn count(&mut self) {
        let (mut statistics, waiting) = (self.order.statistics(), self.order.waiting());
        statistics.too_large += self.too_large;
        (self.report)(Event::Counts { statistics, waiting });
    }

    /// Renews the lease.
    async fn renew(&mut self, leaves: bool) {
        if self.stream.is_none() {
            return;
        }
        let place = self.order.place();
        let lease = Lease {
            hub: format!("{:032x}", self.hub),
            epoch: place.epoch,
            cursor: place.cursor,
            digest: format!("{:016x}", place.digest),
            leaves,
            about: self.shared.about().clone(),
        };
        let payload = serde_json::to_vec(&lease).unwrap_or_default();
        let sending = self.client.publish(self.settings.lease(), payload.into());
        let _ = tokio::time::timeout(Duration::from_secs(1), sending).await;
    }

    /// Looks whether the stream is still what was read.
    fn look(&self) {
        let Some(stream) = self.stream.clone() else { return };
        let (done, generation, cursor) = (self.done.clone(), self.generation, self.order.cursor());
        tokio::spawn(async move {
            if let Ok((record, last)) = connection::look(&stream, cursor).await {
                let _ = done.send((generation, Done::Looked { cursor, record, last }));
            }
        });
    }

    /// Carries out what the order wants.
    async fn drain(&mut self) {
        let mut settled = Vec::new();
        while let Some(output) = self.order.poll_output() {
            match output {
                Output::Read { after } => {
                    self.messages = None;
                    if let Some(stream) = self.stream.clone() {
                        self.reading =
                            Some(Box::pin(async move { connection::read(&stream, after).await }));
                    }
                }
                Output::Publish { id, record, expect } => self.publish(id, record, expect).await,
                Output::Connect => {
                    self.close(None);
                    self.open_at = Some(self.now() + std::mem::take(&mut self.delay));
                }
                Output::Store { messages, saved } => {
                    (self.report)(Event::Store { messages, saved })
                }
                Output::Settled { ticket, outcome } => settled.push((ticket, outcome)),
                Output::Heard(messages) => (self.report)(Event::Heard(messages)),
                Output::Rewound(rewind) => (self.report)(Event::Rewound(rewind)),
                Output::Released => (self.report)(Event::Released),
                Output::Renew => self.renew(false).await,
            }
        }
        if !settled.is_empty() {
            (self.report)(Event::Settled(settled));
        }
        self.tell().await;
        let alive = self.order.alive();
        let gone: Vec<u128> =
            self.others.keys().filter(|it| !alive.contains(it)).copied().collect();
        for hub in gone {
            self.others.remove(&hub);
            (self.report)(Event::Gone(hub));
        }
        let told = (Some(self.order.state()), alive.len());
        if told != self.told {
            self.told = told;
            (self.report)(Event::State { state: self.order.state(), others: told.1 });
        }
    }

    async fn publish(&mut self, id: u64, record: pigeon_cluster::Record, expect: Option<u64>) {
        let subject = if expect.is_some() { self.settings.epoch() } else { self.settings.log() };
        let payload = record.to_bytes();
        let bytes = payload.len();
        match connection::publish(&self.context, subject, payload.into(), expect).await {
            Ok(answer) => {
                let (done, generation) = (self.done.clone(), self.generation);
                tokio::spawn(async move {
                    let answer = answer.await;
                    let _ = done.send((generation, Done::Published { id, bytes, answer }));
                });
            }
            Err(why) => self.unpublished(id, bytes, why),
        }
    }

    /// Tells the others, so that nobody waits for the end of the lease.
    async fn leave(&mut self, leases: &mut Subscriber) {
        self.renew(true).await;
        let _ = tokio::time::timeout(Duration::from_millis(300), self.client.flush()).await;
        let _ = leases.unsubscribe().await;
    }
}

async fn wait<T>(future: &mut Option<Boxed<T>>) -> Result<T, Error> {
    match future {
        Some(it) => {
            let result = it.await;
            *future = None;
            result
        }
        None => pending().await,
    }
}

async fn next_of(
    messages: &mut Option<Messages>,
) -> Option<<Messages as futures_util::Stream>::Item> {
    match messages {
        Some(messages) => messages.next().await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pigeon_cluster::{Again, Numbered};
    use pigeon_proto::{Identity, LinkKind, RoomName};

    fn plain(text: &[u8]) -> Input {
        Input::Plain(vec![Message {
            position: Position::START,
            room: RoomName::lobby(),
            speaker: "somebody".into(),
            link: LinkKind::Plain,
            wall: Duration::ZERO,
            text: text.into(),
            identity: Identity { author: 1, outbox: 0, number: 1 },
        }])
    }

    fn say() -> Input {
        let Input::Plain(mut messages) = plain(b"") else { panic!() };
        let (numbered, again) = (Numbered::Author, Again::No);
        let said = Said { message: messages.remove(0), after: 0, numbered, again };
        Input::Say { ticket: 1, said }
    }

    #[test]
    fn what_waits_for_a_thread_that_takes_nothing_is_bounded() {
        let (inputs, mut queue) = Inputs::new();
        assert_eq!((0..100_000).take_while(|_| inputs.input(plain(b""))).count(), 32_768);
        assert!(!inputs.input(Input::Tell(Value::Null)));
        assert!(inputs.input(Input::Stored(true)), "the log's answer always has room");
        assert_eq!((0..100_000).take_while(|_| inputs.input(say())).count(), 32_768);
        let taken = queue.try_recv().unwrap();
        inputs.shared.of(&taken).fetch_sub(taken.memory(), Ordering::Relaxed);
        assert!(inputs.input(plain(b"")) && !inputs.input(plain(b"")));
        assert!(!inputs.input(say()));
        let (inputs, _queue) = Inputs::new();
        let text = vec![b'x'; 64 << 10];
        assert!((0..100_000).take_while(|_| inputs.input(plain(&text))).count() < 256);
        let (inputs, _queue) = Inputs::new();
        let Input::Plain(mut messages) = plain(&text) else { panic!() };
        let largest = vec![messages.remove(0); 256];
        assert!(inputs.input(Input::Plain(largest)));
    }
}
