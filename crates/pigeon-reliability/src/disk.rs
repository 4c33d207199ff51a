//! A disk that may fail, and lose unsynced data.

use std::collections::VecDeque;
use std::time::Duration;

use pigeon_client::reliable::{Disk, Store, SyncId};
use pigeon_datagram::Instant;

use crate::chance::Chance;

/// A client's file.
pub(crate) struct File {
    /// The content as the system sees it.
    content: Vec<u8>,
    /// Number of bytes on disk.
    synced: usize,
    pending: VecDeque<(Instant, Pending)>,
    /// An older copy.
    backup: Vec<u8>,
}

enum Pending {
    Sync(SyncId, usize),
    Replace(SyncId, Vec<u8>),
}

impl File {
    pub(crate) fn new() -> File {
        File { content: Vec::new(), synced: 0, pending: VecDeque::new(), backup: Vec::new() }
    }

    pub(crate) fn handle(&mut self, now: Instant, disk: Disk, chance: &mut Chance) {
        let ready = self.pending.back().map_or(now, |(at, _)| *at).max(now);
        let done = ready + chance.between(Duration::from_micros(200), Duration::from_millis(15));
        match disk {
            Disk::Append(bytes) => {
                match self.pending.iter_mut().rev().find_map(|(_, it)| match it {
                    Pending::Replace(_, content) => Some(content),
                    Pending::Sync(..) => None,
                }) {
                    // The new file is written, but has not replaced the old one yet.
                    Some(content) => content.extend(bytes),
                    None => self.content.extend(bytes),
                }
            }
            Disk::Sync(id) => {
                self.pending.push_back((done, Pending::Sync(id, self.content.len())));
            }
            Disk::Replace(id, content) => {
                self.pending.push_back((done, Pending::Replace(id, content)));
            }
        }
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.pending.front().map(|(at, _)| *at)
    }

    /// The sync that has finished by now, and whether it succeeded.
    pub(crate) fn poll(&mut self, now: Instant, fails: bool) -> Option<(SyncId, bool)> {
        let (_, pending) = self.pending.pop_front_if(|(at, _)| *at <= now)?;
        let id = match pending {
            Pending::Sync(id, length) => {
                self.synced = if fails { self.synced } else { self.synced.max(length) };
                id
            }
            Pending::Replace(id, content) => {
                if !fails {
                    self.synced = content.len();
                    self.content = content;
                }
                id
            }
        };
        Some((id, !fails))
    }

    /// The program has died. Returns the file's content at the next start.
    pub(crate) fn kill(&mut self, crashes: bool, chance: &mut Chance) -> Vec<u8> {
        self.pending.clear();
        if crashes {
            let lost = (self.content.len() - self.synced) as u64;
            self.content.truncate(self.synced + chance.below(lost + 1) as usize);
        }
        self.content.clone()
    }

    pub(crate) fn back_up(&mut self) {
        self.backup = self.content[..self.synced].to_vec();
    }

    /// Restores the file from the copy.
    pub(crate) fn restore(&mut self) -> Vec<u8> {
        self.pending.clear();
        self.content = self.backup.clone();
        self.synced = self.content.len();
        self.content.clone()
    }

    /// The store that a program starting now would load.
    pub(crate) fn store(&self) -> Store {
        Store::load(&self.content, Duration::ZERO)
    }

    /// Sets the content, for a planted fault.
    pub(crate) fn set(&mut self, content: Vec<u8>) {
        self.synced = content.len();
        self.content = content;
    }
}
