//! A member in its own thread, for programs that send and wait, or wait for messages.

use std::collections::{HashMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use pigeon_client::reliable::{Event as SessionEvent, From, MessageId, SayError, Status};
use pigeon_net::{Driver, Host, Io, Waker};
use pigeon_proto::{Message, Position, RoomName};
use pigeon_quic::Fingerprint;
use thiserror::Error;

use crate::{Event, Member, OpenMemberError, Opened, Options, open};

/// Maximum number of queued events. A program that does not take them slows its member down, but
/// loses nothing.
const MOST_EVENTS: usize = 1_024;

/// Maximum number of events beyond the queue while the program waits for an acknowledgement, which
/// comes behind them on the same stream. Otherwise a program that waits takes no events, its member
/// reads nothing, and the wait never ends. A hub sends about 2 MiB before an acknowledgement.
const MOST_HELD: usize = 16_384;

/// Maximum number of queued requests of the program.
const MOST_ORDERS: usize = 1_024;

/// Time limit for the thread to leave.
const PATIENCE: Duration = Duration::from_secs(2);

/// A member of a hub. Dropping it leaves; messages in the outbox are sent the next time.
#[derive(Debug)]
pub struct Hub {
    orders: SyncSender<Order>,
    events: Receiver<Event>,
    /// Events taken since the member was woken to refill the queue.
    taken: usize,
    waker: Waker,
    messages: Arc<Messages>,
    thread: Option<JoinHandle<()>>,
    fingerprint: Fingerprint,
    is_first: bool,
}

/// A submitted message.
#[derive(Debug)]
pub struct Said {
    id: MessageId,
    messages: Arc<Messages>,
}

/// Why a message is not stored, or not known to be.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum NotSaid {
    /// The message is not stored and will not be.
    #[error("not stored: {0}")]
    Refused(Box<str>),
    /// The hub has not stored it in time. The message waits on disk and is sent again.
    #[error("not stored yet: the message waits, and is sent again")]
    Waiting,
    /// The text is longer than the hub allows.
    #[error("the text is longer than {0} bytes")]
    TooLong(u64),
    /// The outbox is full.
    #[error("too many messages wait for the hub")]
    Full,
    /// The member has left, or cannot continue.
    #[error("the member has left the hub")]
    Left,
}

enum Order {
    Say { room: RoomName, text: Vec<u8>, answer: SyncSender<Result<MessageId, SayError>> },
    Follow { room: RoomName, from: From },
    Unfollow { room: RoomName },
    Processed { room: RoomName, position: Position },
    Command { line: String },
    Quit,
}

/// The status of each message.
#[derive(Debug)]
struct Messages {
    inner: Mutex<Outcomes>,
    changed: Condvar,
    /// Wakes the member's loop.
    waker: Waker,
}

#[derive(Debug, Default)]
struct Outcomes {
    by_id: HashMap<MessageId, Status>,
    /// The present identity of messages that have a new one.
    renumbered: HashMap<MessageId, MessageId>,
    /// Number of calls that wait for an acknowledgement.
    waiting: usize,
    is_over: bool,
}

impl Outcomes {
    /// The final status of a message, by its first identity.
    fn result(&self, id: MessageId) -> Option<Result<(), NotSaid>> {
        match self.by_id.get(&self.present(id)) {
            Some(Status::Stored | Status::Relayed) => Some(Ok(())),
            Some(Status::Refused(refused)) => Some(Err(NotSaid::Refused(refused.text.clone()))),
            _ if self.is_over => Some(Err(NotSaid::Waiting)),
            _ => None,
        }
    }

    fn present(&self, id: MessageId) -> MessageId {
        self.renumbered.get(&id).copied().unwrap_or(id)
    }

    fn renumber(&mut self, from: MessageId, to: MessageId) {
        let Some(status) = self.by_id.remove(&from) else { return };
        self.by_id.insert(to, status);
        let first = self.renumbered.iter().find(|(_, present)| **present == from);
        let first = first.map_or(from, |(first, _)| *first);
        self.renumbered.insert(first, to);
    }

    fn remove(&mut self, id: MessageId) {
        let present = self.present(id);
        self.by_id.remove(&present);
        self.renumbered.remove(&id);
    }
}

impl Messages {
    fn lock(&self) -> MutexGuard<'_, Outcomes> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Hub {
    /// Opens a member and starts to connect. The first time it waits for the hub's key.
    pub fn connect(options: Options) -> Result<Hub, OpenMemberError> {
        let Opened { member, socket, clock, fingerprint, is_first } = open(options)?;
        let mut driver = Driver::new(member, socket)
            .map_err(|source| OpenMemberError::Drive(pigeon_net::DriveError::Wait { source }))?
            .with_clock(clock);
        let waker = driver.waker();
        let (orders, ordered) = sync_channel(MOST_ORDERS);
        let (sender, events) = sync_channel(MOST_EVENTS);
        let inner = Mutex::default();
        let messages = Arc::new(Messages { inner, changed: Condvar::new(), waker: waker.clone() });
        let mut host =
            HubHost { ordered, events: sender, held: VecDeque::new(), messages: messages.clone() };
        let thread = std::thread::Builder::new()
            .name("member".into())
            .spawn(move || {
                let _ = driver.run(&mut host);
                host.messages.lock().is_over = true;
                host.messages.changed.notify_all();
            })
            .map_err(|source| OpenMemberError::Thread { source })?;
        let thread = Some(thread);
        Ok(Hub { orders, events, taken: 0, waker, messages, thread, fingerprint, is_first })
    }

    /// The hub's key.
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Whether this is the first contact with the hub.
    pub fn is_first(&self) -> bool {
        self.is_first
    }

    /// Puts a message into the outbox, and sends it until the hub has stored or refused it. If this
    /// program ends before, the next program that opens the same folder continues. Fails if the
    /// outbox does not accept the message.
    pub fn say(&mut self, room: &RoomName, text: &str) -> Result<Said, NotSaid> {
        self.say_bytes(room, text.as_bytes())
    }

    /// Sends bytes, for example in a raw room. Fails like [`say`](Hub::say).
    pub fn say_bytes(&mut self, room: &RoomName, text: &[u8]) -> Result<Said, NotSaid> {
        let (answer, answered) = sync_channel(1);
        self.order(Order::Say { room: room.clone(), text: text.into(), answer })?;
        match answered.recv() {
            Ok(Ok(id)) => Ok(Said { id, messages: self.messages.clone() }),
            Ok(Err(SayError::TooLong { most })) => Err(NotSaid::TooLong(most)),
            Ok(Err(SayError::Full)) => Err(NotSaid::Full),
            Ok(Err(SayError::Ended)) | Err(_) => Err(NotSaid::Left),
        }
    }

    /// Follows a room. Fails if the member has left.
    pub fn follow(&mut self, room: &RoomName, from: From) -> Result<(), NotSaid> {
        self.order(Order::Follow { room: room.clone(), from })
    }

    /// Stops following a room. Fails if the member has left.
    pub fn unfollow(&mut self, room: &RoomName) -> Result<(), NotSaid> {
        self.order(Order::Unfollow { room: room.clone() })
    }

    /// The program has processed this message and all before it in its room: they are not reported
    /// again after a restart. Fails if the member has left.
    pub fn processed(&mut self, message: &Message) -> Result<(), NotSaid> {
        let (room, position) = (message.room.clone(), message.position);
        self.order(Order::Processed { room, position })
    }

    /// Sends a command such as `/who`. The answer is a notice among the events; there is none
    /// without a connection. Fails if the member has left.
    pub fn command(&mut self, line: &str) -> Result<(), NotSaid> {
        self.order(Order::Command { line: line.into() })
    }

    /// The next event, except for the status of messages whose [`Said`] is kept. `None` after `patience`, or if the member has left.
    pub fn next(&mut self, patience: Duration) -> Option<Event> {
        // The member may have held back events while the queue was full. Waking it once for half a
        // queue costs less than for each event.
        let next = self.events.try_recv();
        self.taken += 1;
        if next.is_err() || self.taken >= MOST_EVENTS / 2 {
            self.taken = 0;
            self.waker.wake();
        }
        match next {
            Err(TryRecvError::Empty) => self.events.recv_timeout(patience).ok(),
            next => next.ok(),
        }
    }

    fn order(&mut self, order: Order) -> Result<(), NotSaid> {
        self.orders.send(order).map_err(|_| NotSaid::Left)?;
        self.waker.wake();
        Ok(())
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        let _ = self.orders.try_send(Order::Quit);
        let until = Instant::now() + PATIENCE;
        while let Some(thread) = &self.thread
            && !thread.is_finished()
            && Instant::now() < until
        {
            self.waker.wake();
            // Untaken events must not block the thread.
            while self.events.try_recv().is_ok() {}
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Said {
    /// The message's identity.
    pub fn id(&self) -> MessageId {
        self.id
    }

    /// Waits until the hub has stored the message (or relayed it, if it stores nothing). Fails if
    /// it was refused, or if its status is unknown after `patience`.
    pub fn wait(&self, patience: Duration) -> Result<(), NotSaid> {
        let until = Instant::now() + patience;
        let mut outcomes = self.messages.lock();
        if let Some(result) = outcomes.result(self.id) {
            return result;
        }
        // The member may have stopped reading, because the program takes no events.
        outcomes.waiting += 1;
        self.messages.waker.wake();
        let result = loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break Err(NotSaid::Waiting);
            }
            let waited = self.messages.changed.wait_timeout(outcomes, left);
            outcomes = waited.unwrap_or_else(PoisonError::into_inner).0;
            if let Some(result) = outcomes.result(self.id) {
                break result;
            }
        };
        outcomes.waiting -= 1;
        result
    }
}

impl Said {
    /// Whether the hub only relayed the message, because it stores nothing.
    pub fn is_relayed(&self) -> bool {
        matches!(self.messages.lock().by_id.get(&self.id), Some(Status::Relayed))
    }
}

impl Drop for Said {
    fn drop(&mut self) {
        self.messages.lock().remove(self.id);
    }
}

/// The host of the member.
struct HubHost {
    ordered: Receiver<Order>,
    events: SyncSender<Event>,
    /// Events for which the queue has no room.
    held: VecDeque<Event>,
    messages: Arc<Messages>,
}

impl HubHost {
    fn flush(&mut self) {
        while let Some(event) = self.held.pop_front() {
            if let Err(error) = self.events.try_send(event) {
                let (std::sync::mpsc::TrySendError::Full(event)
                | std::sync::mpsc::TrySendError::Disconnected(event)) = error;
                self.held.push_front(event);
                return;
            }
        }
    }

    /// Passes the status of a message to its `Said`. False if there is none.
    fn note_status(&self, event: &Event) -> bool {
        let (id, status) = match event {
            Event::Session(SessionEvent::Status(id, status)) => (id, status),
            Event::Session(SessionEvent::Renumbered { from, to }) => {
                self.messages.lock().renumber(*from, *to);
                return false;
            }
            _ => return false,
        };
        let mut outcomes = self.messages.lock();
        let Some(known) = outcomes.by_id.get_mut(id) else { return false };
        *known = status.clone();
        self.messages.changed.notify_all();
        true
    }

    /// Whether to stop reading until the program takes events.
    fn is_full(&self) -> bool {
        !self.held.is_empty() && (self.held.len() >= MOST_HELD || self.messages.lock().waiting == 0)
    }

    fn order(&mut self, member: &mut Member, io: &Io<'_>, order: Order) {
        let now = io.now;
        match order {
            Order::Say { room, text, answer } => {
                let said = member.with(now, |session| {
                    let said = session.say(now, room, &text);
                    if let Ok(id) = said {
                        // Inserted before its status can change.
                        self.messages.lock().by_id.insert(id, Status::Waiting);
                    }
                    said
                });
                let _ = answer.try_send(said);
            }
            Order::Follow { room, from } => member.with(now, |it| it.follow(room, from)),
            Order::Unfollow { room } => member.with(now, |it| it.unfollow(&room)),
            Order::Processed { room, position } => {
                member.with(now, |it| it.processed(now, &room, position));
            }
            Order::Command { line } => drop(member.with(now, |it| it.command(&line))),
            Order::Quit => member.with(now, |it| it.quit()),
        }
    }
}

impl Host<Member> for HubHost {
    fn woken(&mut self, member: &mut Member, io: &mut Io<'_>) -> ControlFlow<()> {
        self.flush();
        member.hold(self.is_full());
        while let Ok(order) = self.ordered.try_recv() {
            self.order(member, io, order);
        }
        ControlFlow::Continue(())
    }

    fn event(&mut self, member: &mut Member, io: &mut Io<'_>, event: Event) -> ControlFlow<()> {
        match event {
            Event::Opens(id, hub) => {
                let socket = crate::connect(hub).ok();
                let is_open = socket.is_some_and(|socket| io.open(id, socket).is_ok());
                member.opened(io.now, id, is_open);
            }
            Event::Closes(id) => io.close(id),
            event if self.note_status(&event) => {}
            event => self.held.push_back(event),
        }
        self.flush();
        member.hold(self.is_full());
        match member.is_over() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_with_a_new_identity_has_its_first_ones_result() {
        let id = |number| MessageId { outbox: 7, number };
        let mut outcomes = Outcomes::default();
        outcomes.by_id.insert(id(1), Status::Waiting);
        outcomes.renumber(id(1), id(2));
        outcomes.renumber(id(2), id(3));
        outcomes.renumber(id(8), id(9));
        assert_eq!(outcomes.result(id(1)), None);
        *outcomes.by_id.get_mut(&id(3)).unwrap() = Status::Stored;
        assert_eq!(outcomes.result(id(1)), Some(Ok(())));
        outcomes.remove(id(1));
        assert!(outcomes.by_id.is_empty() && outcomes.renumbered.is_empty());
    }
}
