//! Live followers: each new entry is encoded once and sent to all of them, and a slow one falls behind alone.

use std::collections::BTreeMap;

use pigeon_proto::frame::HubFrame;
use pigeon_proto::{Entry, Position, RoomName};

use super::connection::{Place, REFILL};
use super::log::RoomLog;
use super::output::ConnId;
use super::rooms::Piece;
use super::{STRIDE, Sessions};

/// A live follower is told that it is behind once it misses this many messages.
const BEHIND_MESSAGES: u64 = 1_000;
const BEHIND_BYTES: u64 = 1 << 20;

impl Sessions {
    /// Sends new messages to live followers, each encoded once.
    pub(super) fn pump_live(&mut self, log: &dyn RoomLog) {
        if self.rooms.nobody_is_live() {
            self.live = self.live.max(log.newest());
            return;
        }
        loop {
            let Some(entries) = log.tail(self.live, None, STRIDE) else {
                // The log has advanced beyond its entries in memory.
                let rooms: Vec<_> = self.rooms.live_rooms().collect();
                let live = self.live;
                for room in rooms {
                    let conns =
                        self.rooms.get_mut(&room).map(|room| std::mem::take(&mut room.live));
                    for conn in conns.unwrap_or_default() {
                        self.fall(conn, &room, live);
                    }
                }
                self.live = self.live.max(log.newest());
                return;
            };
            let Some(last) = entries.last().map(Entry::position) else { return };
            self.send_live(&entries);
            self.live = last;
        }
    }

    fn send_live(&mut self, entries: &[Entry]) {
        let mut by_room: BTreeMap<Box<str>, Vec<&Entry>> = BTreeMap::new();
        let mut latest: Option<(&RoomName, Box<str>)> = None;
        for entry in entries {
            let key = match &latest {
                Some((name, key)) if *name == entry.room() => key.clone(),
                _ => entry.room().folded(),
            };
            if self.rooms.get(&key).is_some() {
                by_room.entry(key.clone()).or_default().push(entry);
            }
            latest = Some((entry.room(), key));
        }
        let window = self.window();
        for (key, entries) in by_room {
            let mut rest = &entries[..];
            while let Some(piece) = Piece::of(rest.iter().copied(), window) {
                let before = rest.first().map_or(self.live, |first| before(first.position()));
                rest = rest.get(piece.count as usize..).unwrap_or_default();
                self.send_piece(&key, &piece, before);
            }
        }
    }

    /// Sends a piece to all live followers of a room.
    fn send_piece(&mut self, key: &str, piece: &Piece, before: Position) {
        let window = self.window();
        let Some(room) = self.rooms.get_mut(key) else { return };
        room.messages += piece.count;
        room.bytes += piece.bytes.len() as u64;
        self.statistics.encoded += piece.count;
        let mut live = std::mem::take(&mut room.live);
        live.retain(|&conn| {
            let takes = self.get(conn).is_some_and(|it| it.unsent < window);
            match takes {
                true => self.send_entries(conn, piece),
                false => self.fall(conn, key, before),
            }
            takes
        });
        if let Some(room) = self.rooms.get_mut(key) {
            room.live = live;
        }
        self.tell_slow(key);
    }

    /// Tells followers that have been behind for a while.
    fn tell_slow(&mut self, key: &str) {
        let Some(room) = self.rooms.get_mut(key) else { return };
        let (name, messages, bytes) = (room.name.clone(), room.messages, room.bytes);
        let mut slow = std::mem::take(&mut room.slow);
        slow.retain(|&conn| {
            let follow = self.get_mut(conn).and_then(|it| it.follow(key));
            let Some((follow, (had, had_bytes))) = follow.and_then(|follow| {
                Some(follow.fell_at).map(|at| (follow, at.unwrap_or((messages, bytes))))
            }) else {
                return false;
            };
            let is_behind = messages - had > BEHIND_MESSAGES || bytes - had_bytes > BEHIND_BYTES;
            if is_behind {
                follow.told_live = false;
                self.frame(conn, &HubFrame::Behind { room: name.clone() });
            }
            !is_behind
        });
        if let Some(room) = self.rooms.get_mut(key) {
            room.slow = slow;
        }
    }

    /// Makes a live follower fall behind, to continue after a position.
    fn fall(&mut self, conn: ConnId, key: &str, position: Position) {
        let Some(room) = self.rooms.get_mut(key) else { return };
        let had = (room.messages, room.bytes);
        room.slow.push(conn);
        self.statistics.fell_behind += 1;
        if let Some(follow) = self.get_mut(conn).and_then(|it| it.follow(key)) {
            follow.place = Place::Behind(position);
            follow.fell_at = Some(had);
        }
        let refill = self.window() / REFILL;
        let has_room = self.get(conn).is_some_and(|it| it.unsent < refill);
        if has_room {
            self.enqueue(conn);
        }
    }

    pub(super) fn go_live(&mut self, conn: ConnId, key: &str) {
        let live = self.live;
        let Some(room) = self.rooms.get_mut(key) else { return };
        room.live.push(conn);
        room.slow.retain(|slow| *slow != conn);
        let name = room.name.clone();
        let Some(follow) = self.get_mut(conn).and_then(|it| it.follow(key)) else { return };
        follow.place = Place::Live;
        follow.fell_at = None;
        if !std::mem::replace(&mut follow.told_live, true) {
            self.frame(conn, &HubFrame::Live { room: name, position: live });
        }
    }
}

/// The position right before a position.
fn before(position: Position) -> Position {
    Position::new(position.get().saturating_sub(1)).unwrap_or_default()
}
