//! The two queues between a link's loop and the hub's.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pigeon_hub::Left;
use pigeon_hub::reliable::{Join, Joined, Outcome, Say, SayId, Statistics};
use pigeon_log::Forget;
use pigeon_proto::frame::{Here, OtherHub};
use pigeon_proto::{Notice, Position, Refusal, RoomName};

/// Maximum length of the queue to the hub. If it is full, the link stops reading from its members.
pub(super) const MOST: usize = 4_096;

/// Maximum number of notices queued for the link; more are dropped and counted. Everything else in
/// the queue answers a request, so its number is bounded.
const MOST_NOTICES: usize = 65_536;

pub(super) enum FromLink {
    Join(Join),
    Say(Say),
    Command { author: u128, line: Box<str> },
    Leave { author: u128 },
    Watch { room: RoomName },
    Unwatch { room: RoomName },
}

pub(super) enum ToLink {
    Joined {
        author: u128,
        joined: Result<Joined, Refusal>,
    },
    Settled {
        id: SayId,
        outcome: Outcome,
    },
    Notice {
        author: u128,
        notice: Notice,
    },
    Left {
        author: u128,
        why: Left,
    },
    /// A member is at another hub too.
    Elsewhere {
        author: u128,
    },
    Forgot(Forget),
    /// Followers that began after the first position and before the second begin anew.
    Rewound(Position, Position),
    Here(Here),
    /// The hubs with the same rooms.
    Hubs(Vec<OtherHub>),
    Stop,
}

#[derive(Default)]
pub(in crate::cli::hub) struct Queues {
    pub(super) from_link: Queue<FromLink>,
    pub(super) to_link: Queue<ToLink>,
    /// The sessions' counters, as of their last turn.
    pub(super) statistics: Mutex<Statistics>,
}

/// A queue between two threads. The callers of `push` limit its length: an answer must not be lost,
/// and a loop must not block.
pub(super) struct Queue<T> {
    items: Mutex<VecDeque<T>>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Queue { items: Mutex::default() }
    }
}

impl<T> Queue<T> {
    fn lock(&self) -> MutexGuard<'_, VecDeque<T>> {
        self.items.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes up to `most` items, and returns the number of items that were queued.
    pub(super) fn take(&self, most: usize) -> (Vec<T>, usize) {
        let mut items = self.lock();
        let queued = items.len();
        (items.drain(..most.min(queued)).collect(), queued)
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }
}

impl Queue<FromLink> {
    /// Adds items together, so that the hub stores their messages together.
    pub(super) fn extend(&self, items: Vec<FromLink>) {
        self.lock().extend(items);
    }
}

impl Queue<ToLink> {
    pub(super) fn push(&self, item: ToLink) {
        let mut items = self.lock();
        if !matches!(item, ToLink::Notice { .. }) || items.len() < MOST_NOTICES {
            items.push_back(item);
        }
    }

    pub(super) fn extend(&self, items: impl IntoIterator<Item = ToLink>) {
        self.lock().extend(items);
    }
}
