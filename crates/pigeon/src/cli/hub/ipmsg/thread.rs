//! The IP Messenger side of the link: a loop with its own socket and thread.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::ControlFlow;
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use pigeon_datagram::Instant;
use pigeon_ipmsg::{Event, Messenger, Text, WhyUndelivered};
use pigeon_net::{Driver, Host, Io, Socket, Waker};
use pigeon_proto::{Language, RoomName};
use tracing::{debug, info};

use super::super::ending::Ending;
use super::queue::{FromLink, ToLink};
use super::words;
use crate::words::say;

/// How long a contact is ignored after the operator removed it.
const REMOVED_FOR: Duration = Duration::from_secs(600);

/// Maximum number of removed contacts remembered.
const MAX_REMOVED: usize = 1_024;

/// Maximum number of changes waiting for the hub: about one per contact.
const MAX_PENDING: usize = 8_192;

/// Starts the loop, which announces the hub.
pub(super) fn start(
    mut messenger: Messenger,
    socket: Socket,
    mut contacts: Contacts,
    broadcast: Vec<SocketAddr>,
    scan: Vec<(Ipv4Addr, Ipv4Addr)>,
) -> anyhow::Result<(Waker, Ending)> {
    messenger.announce(Instant::ORIGIN, &broadcast);
    messenger.scan(Instant::ORIGIN, &scan);
    contacts.broadcast = broadcast;
    let mut driver = Driver::new(messenger, socket).with_context(|| say!("errors-watch-socket"))?;
    let waker = driver.waker();
    let hub = Arc::clone(&contacts.hub);
    let ending = Ending::of("ipmsg", hub, move || {
        let result = driver.run(&mut contacts);
        let statistics = driver.machine().statistics();
        debug!(?statistics, "IP Messenger: ended");
        Ok(result?)
    })?;
    Ok((waker, ending))
}

/// The host of the messenger: each contact's room, and the queues to the hub.
pub(super) struct Contacts {
    greeting: Option<Arc<str>>,
    from_hub: Receiver<ToLink>,
    to_hub: SyncSender<FromLink>,
    hub: Arc<OnceLock<Waker>>,
    rooms: BTreeMap<SocketAddr, RoomName>,
    /// Contacts the operator removed, and until when they are ignored.
    removed: BTreeMap<SocketAddr, Instant>,
    /// Messages that the hub could not take yet.
    pending: VecDeque<FromLink>,
    broadcast: Vec<SocketAddr>,
    language: Language,
}

impl Contacts {
    pub(super) fn new(
        greeting: Option<Arc<str>>,
        from_hub: Receiver<ToLink>,
        to_hub: SyncSender<FromLink>,
        hub: Arc<OnceLock<Waker>>,
        language: Language,
    ) -> Contacts {
        Contacts {
            greeting,
            from_hub,
            to_hub,
            hub,
            rooms: BTreeMap::new(),
            removed: BTreeMap::new(),
            pending: VecDeque::new(),
            broadcast: Vec::new(),
            language,
        }
    }

    /// Sends a text to a contact, in parts if it is long.
    fn tell(messenger: &mut Messenger, now: Instant, to: SocketAddr, text: &Arc<str>) {
        // Skips a contact that has left meanwhile.
        if words::fits(text) {
            let _ = messenger.send(now, to, Arc::clone(text));
            return;
        }
        for part in words::parts(text) {
            let _ = messenger.send(now, to, part.into());
        }
    }

    fn take(&mut self, messenger: &mut Messenger, now: Instant, item: ToLink) -> ControlFlow<()> {
        match item {
            ToLink::Line { room, text, except } => {
                for (&to, here) in &self.rooms {
                    if *here == room && Some(to) != except {
                        Contacts::tell(messenger, now, to, &text);
                    }
                }
            }
            ToLink::Tell { to, text } => Contacts::tell(messenger, now, to, &text),
            ToLink::Room { of, room } => drop(self.rooms.insert(of, room)),
            ToLink::Left { who, is_removed } => {
                self.rooms.remove(&who);
                if is_removed {
                    self.removed.retain(|_, until| *until > now);
                    if self.removed.len() < MAX_REMOVED {
                        self.removed.insert(who, now + REMOVED_FOR);
                    }
                }
            }
            ToLink::Encoding { of, encoding } => drop(messenger.set_encoding(of, encoding)),
            ToLink::Greeting(greeting) => self.greeting = greeting,
            ToLink::Stop => {
                messenger.leave(now, &self.broadcast);
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn is_removed(&self, now: Instant, who: SocketAddr) -> bool {
        self.removed.get(&who).is_some_and(|until| *until > now)
    }

    /// Sends pending messages. False: the hub's queue is full.
    fn flush(&mut self) -> bool {
        while let Some(item) = self.pending.pop_front() {
            if let Err(error) = self.to_hub.try_send(item) {
                let (std::sync::mpsc::TrySendError::Full(item)
                | std::sync::mpsc::TrySendError::Disconnected(item)) = error;
                self.pending.push_front(item);
                return false;
            }
        }
        true
    }

    /// Sends a message that must not be lost.
    fn push(&mut self, item: FromLink) {
        if self.pending.len() < MAX_PENDING {
            self.pending.push_back(item);
        }
        self.flush();
        self.hub.get().into_iter().for_each(Waker::wake);
    }

    /// Passes a text to the hub. If the hub cannot take it, it is not acknowledged.
    fn text(&mut self, messenger: &mut Messenger, now: Instant, text: &Text) {
        let who = text.from;
        let Some(contact) = messenger.contact(who) else { return };
        if self.is_removed(now, who) || !self.flush() {
            return messenger.refuse(text);
        }
        // Automatic replies must not cause replies or fill rooms.
        if text.is_automatic {
            return messenger.accept(now, text);
        }
        let label = words::label(&contact);
        let files = (!text.files.is_empty()).then(|| words::offers(&text.files, self.language));
        let said = [Some(text.text.clone()), files].into_iter().flatten();
        for text in said.filter(|text| !text.is_empty()) {
            self.pending.push_back(FromLink::Says { who, label: label.clone(), text });
        }
        self.flush();
        self.hub.get().into_iter().for_each(Waker::wake);
        messenger.accept(now, text);
    }
}

impl Host<Messenger> for Contacts {
    fn woken(&mut self, messenger: &mut Messenger, io: &mut Io<'_>) -> ControlFlow<()> {
        self.flush();
        while let Ok(item) = self.from_hub.try_recv() {
            self.take(messenger, io.now, item)?;
        }
        ControlFlow::Continue(())
    }

    fn event(
        &mut self,
        messenger: &mut Messenger,
        io: &mut Io<'_>,
        event: Event,
    ) -> ControlFlow<()> {
        let now = io.now;
        match event {
            Event::Appeared(who) | Event::Entered(who) => {
                if let Some(greeting) = &self.greeting
                    && !self.is_removed(now, who)
                {
                    Contacts::tell(messenger, now, who, greeting);
                }
            }
            Event::Proved(who) => {
                if let Some(contact) = messenger.contact(who)
                    && !self.is_removed(now, who)
                    && self.greeting.is_some()
                {
                    self.push(FromLink::Here { who, label: words::label(&contact) });
                }
            }
            Event::Changed(who) => {
                if let Some(contact) = messenger.contact(who) {
                    self.push(FromLink::Renamed { who, label: words::label(&contact) });
                }
            }
            Event::Gone(who, why) => {
                debug!(address = %who, ?why, "IP Messenger: a contact has gone");
                self.push(FromLink::Gone { who });
            }
            Event::Text(text) => self.text(messenger, now, &text),
            Event::Undelivered(who, texts, why) if why != WhyUndelivered::Gone => {
                info!(address = %who, lines = texts.len(), ?why, "IP Messenger: not delivered");
            }
            Event::Delivered(..) | Event::Undelivered(..) => {}
        }
        ControlFlow::Continue(())
    }
}
