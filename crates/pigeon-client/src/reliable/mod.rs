//! The other end of a hub's reliable link: what is said waits on the disk until the hub has stored
//! it, and what others say comes once and in order, across lost connections, restarts and crashes of
//! either end.
//!
//! ```text
//!   application ─ say, follow, processed ─────────▶ ┌─────────┐ ─▶ Event ─▶ application
//!   transport ─── connected, received, lost ──────▶ │ Session │ ─▶ Connect, Send, Close ─▶ transport
//!   disk ──────── synced, sync_failed ────────────▶ └─────────┘ ─▶ Append, Sync, Replace ─▶ disk
//! ```
//!
//! - [`Session`]: all of it. [`Store`]: what its file holds, read back at the start.
//! - [`Config`], [`Key`]; [`Output`], [`Event`], [`State`], [`Status`].
//!
//! **A message never changes its identity.** It gets its outbox and number when it is said, and a
//! process draws an outbox of its own. So no identity ever stands for two messages, not even where an
//! old copy of the disk or of the hub was restored, and everybody can recognize doubles by it.
mod config;
mod output;
mod store;

use pigeon_datagram::Instant;
use pigeon_proto::{Position, RoomName, Seen};

pub use config::{Config, Key};
pub use output::{Disk, Event, MessageId, Output, State, Status, SyncId, Welcome};
pub use store::Store;

/// A client's session with one hub.
pub struct Session {
    config: Config,
    key: Box<dyn Key + Send>,
    store: Store,
}

/// Where to begin to follow a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// After what was [`processed`](Session::processed) last; the newest messages, up to this number,
    /// where nothing was yet.
    LeftOff {
        /// How many.
        last: u64,
    },
    /// After this message, which the application has noted itself.
    After(Seen),
    /// With the newest messages, so many.
    Last(u64),
}

/// Why something was not taken into the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SayError {
    /// Too much waits already.
    Full,
    /// The text is longer than the hub takes.
    TooLong {
        /// The most bytes.
        most: u64,
    },
    /// The session has ended.
    Ended,
}

/// What the application does.
impl Session {
    /// A session that goes on from what its file holds. `random` gives outboxes their numbers, and
    /// must not repeat itself in another process.
    pub fn new(
        config: Config,
        key: Box<dyn Key + Send>,
        store: Store,
        random: Box<dyn rand_core::Rng + Send>,
    ) -> Session {
        let _ = random;
        Session { config, key, store }
    }

    /// Says something. Its [`Status`] is reported as it changes.
    ///
    /// # Errors
    /// It was not taken; nothing has changed.
    pub fn say(
        &mut self,
        now: Instant,
        room: RoomName,
        text: &[u8],
    ) -> Result<MessageId, SayError> {
        let _ = (now, room, text, &self.config, &self.store, &self.key);
        Err(SayError::Ended)
    }

    /// Follows a room, from now on and after every reconnection.
    pub fn follow(&mut self, room: RoomName, from: From) {
        let _ = (room, from);
    }

    /// Follows a room no more.
    pub fn unfollow(&mut self, room: &RoomName) {
        let _ = room;
    }

    /// The application has done with everything of a room up to this position: after a restart it
    /// comes no more.
    pub fn processed(&mut self, room: &RoomName, position: Position) {
        let _ = (room, position);
    }

    /// Sends a command such as `/who`. It is lost where there is no connection: `false`.
    pub fn command(&mut self, line: &str) -> bool {
        let _ = line;
        false
    }

    /// Leaves, and ends. What waits in the outbox stays on the disk.
    pub fn quit(&mut self) {}
}

/// What the transport and the disk report.
impl Session {
    /// A connection is open, to a hub whose public key has this fingerprint.
    pub fn connected(&mut self, now: Instant, fingerprint: &str) {
        let _ = (now, fingerprint);
    }

    /// Bytes have arrived.
    pub fn received(&mut self, now: Instant, bytes: &[u8]) {
        let _ = (now, bytes);
    }

    /// The connection is lost, or could not be opened.
    pub fn disconnected(&mut self, now: Instant) {
        let _ = now;
    }

    /// A sync is done.
    pub fn synced(&mut self, now: Instant, id: SyncId) {
        let _ = (now, id);
    }

    /// A sync has failed.
    pub fn sync_failed(&mut self, now: Instant, id: SyncId) {
        let _ = (now, id);
    }

    /// Something is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let _ = now;
    }

    /// When [`handle_timeout`](Session::handle_timeout) is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }
}
