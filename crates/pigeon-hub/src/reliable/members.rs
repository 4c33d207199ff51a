//! Members by key, with their connections.

use std::collections::{BTreeMap, VecDeque};

use pigeon_datagram::Instant;

use super::output::{ConnId, Joined};

/// All members and candidates.
#[derive(Default)]
pub(super) struct Members {
    by_author: BTreeMap<u128, Member>,
    /// Members without a connection and when they leave, in that order.
    leaving: VecDeque<(Instant, u128)>,
}

pub(super) struct Member {
    /// `None` until the hub has decided.
    pub(super) joined: Option<Joined>,
    pub(super) conns: Vec<ConnId>,
    /// When the member leaves, if it has no connection.
    leaves: Option<Instant>,
}

impl Members {
    pub(super) fn get(&self, author: u128) -> Option<&Member> {
        self.by_author.get(&author)
    }

    pub(super) fn get_mut(&mut self, author: u128) -> Option<&mut Member> {
        self.by_author.get_mut(&author)
    }

    /// Adds a connection of an author. Returns whether the author is new.
    pub(super) fn add(&mut self, author: u128, conn: ConnId) -> bool {
        let is_new = !self.by_author.contains_key(&author);
        let fresh = || Member { joined: None, conns: Vec::new(), leaves: None };
        let member = self.by_author.entry(author).or_insert_with(fresh);
        member.conns.push(conn);
        member.leaves = None;
        is_new
    }

    /// Removes a connection. After the last one the member stays until `leaves`.
    pub(super) fn drop_conn(&mut self, author: u128, conn: ConnId, leaves: Instant) {
        let Some(member) = self.by_author.get_mut(&author) else { return };
        member.conns.retain(|other| *other != conn);
        if member.conns.is_empty() {
            self.linger(author, leaves);
        }
    }

    /// Lets a member without a connection leave at this time.
    pub(super) fn linger(&mut self, author: u128, leaves: Instant) {
        if let Some(member) = self.by_author.get_mut(&author) {
            member.leaves = Some(leaves);
            self.leaving.push_back((leaves, author));
        }
    }

    /// Removes an author, and returns its connections.
    pub(super) fn remove(&mut self, author: u128) -> Vec<ConnId> {
        self.by_author.remove(&author).map(|member| member.conns).unwrap_or_default()
    }

    /// A member of the hub that is due to leave.
    pub(super) fn next_to_leave(&mut self, now: Instant) -> Option<u128> {
        loop {
            let (at, author) = *self.leaving.front().filter(|(at, _)| *at <= now)?;
            self.leaving.pop_front();
            let is_over = self
                .by_author
                .get(&author)
                .is_some_and(|member| member.leaves == Some(at) && member.joined.is_some());
            if is_over {
                self.by_author.remove(&author);
                return Some(author);
            }
        }
    }

    /// When the next member leaves.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.leaving.front().map(|(at, _)| *at)
    }
}
