//! Followers that read a room from a position until they are live: from memory, or else from the disk.

use std::collections::BTreeMap;

use pigeon_datagram::Instant;
use pigeon_proto::frame::{HubFrame, MAX_FOLLOWED};
use pigeon_proto::{Detail, Entry, Follow, Position, RoomName, Seen};

use super::connection::{Followed, Place, Reading, UNREAD};
use super::log::RoomLog;
use super::output::{Answer, ConnId, Output, Read, ReadId};
use super::rooms::Piece;
use super::{READ_AGAIN, READ_SOON, STRIDE, Sessions};

/// Entries for several followers at the same position, shared within one pump.
type Pieces = BTreeMap<(Box<str>, Position), Stretch>;

/// The entries after a position in a room, and their last position.
struct Stretch {
    piece: Option<Piece>,
    next: Position,
}

impl Stretch {
    /// Builds a stretch from entries in memory, up to the position of live followers.
    fn of(entries: &[Entry], live: Position, window: usize) -> Stretch {
        let known = entries.iter().filter(|entry| entry.position() <= live);
        let count = known.clone().count();
        let piece = Piece::of(known, window);
        let is_all = piece.as_ref().map_or(0, |piece| piece.count as usize) == count;
        let next = match &piece {
            Some(piece) if !is_all || entries.len() == STRIDE => piece.last,
            _ => live,
        };
        Stretch { piece, next }
    }
}

/// The log's methods.
impl Sessions {
    /// The answer to [`Output::Read`].
    pub fn answered(&mut self, now: Instant, id: ReadId, answer: Answer) {
        self.set_now(now);
        let Some(connection) = self.get_mut(id.conn) else { return };
        if connection.asking == Some(id.serial) {
            connection.asking = None;
            match answer {
                Answer::Last(last) => {
                    connection.saying.begin(last);
                    self.expect(id.conn, last + 1);
                    self.handle_lines(id.conn);
                }
                answer => {
                    connection.asking = Some(UNREAD);
                    self.read_again(id.conn, &answer);
                }
            }
            return;
        }
        if connection.requested == Some(id.serial) {
            connection.requested = None;
            return self.earlier(id.conn, answer);
        }
        let Some(reading) = connection.reading.take_if(|reading| reading.serial == id.serial)
        else {
            return;
        };
        match answer {
            answer @ (Answer::Failed
            | Answer::NotYet
            | Answer::Last(_)
            | Answer::Earlier { .. }) => {
                return self.read_again(id.conn, &answer);
            }
            Answer::Before(position) => {
                self.place(id.conn, &reading.room, Place::Behind(position));
            }
            Answer::Follow(Follow::From(position)) => {
                self.place(id.conn, &reading.room, Place::Behind(position));
            }
            Answer::Follow(Follow::Reset { last_common: last, forgotten }) => {
                self.statistics.resets += 1;
                let position = last.map_or(Position::START, |last| last.position);
                self.place(id.conn, &reading.room, Place::Behind(position));
                if let Some(room) = self.rooms.get(&reading.room) {
                    let room = room.name.clone();
                    let deletion = forgotten.unwrap_or_default();
                    let forgotten = forgotten.is_some();
                    self.frame(id.conn, &HubFrame::Reset { room, last, forgotten, deletion });
                }
            }
            Answer::Entries(entries) => self.entries(id.conn, &reading, &entries),
        }
        self.enqueue(id.conn);
    }

    /// Followers that began between these positions begin anew: at another hub, which they come from,
    /// `up_to` comes before what this log holds after `to`. The log decides where they continue.
    pub fn rewound(&mut self, to: Position, up_to: Position) {
        for conn in self.slots.all() {
            let Some(connection) = self.get_mut(conn) else { continue };
            let is_meant = |began: Option<(Seen, Position)>| {
                began.filter(|(seen, _)| to < seen.position && seen.position < up_to)
            };
            let mut rooms = Vec::new();
            for follow in &mut connection.follows {
                if let Some((seen, deletion)) = is_meant(follow.began) {
                    follow.place = Place::Seen(seen, deletion);
                    rooms.push(follow.room.clone());
                }
            }
            if rooms.is_empty() {
                continue;
            }
            // A read that was asked for before is outdated.
            connection.reading = None;
            for key in rooms {
                if let Some(room) = self.rooms.get_mut(&key) {
                    room.live.retain(|live| *live != conn);
                }
            }
            self.enqueue(conn);
        }
    }

    /// Sends stored entries to followers as far as their connections accept them. Call it after the
    /// log has stored something and after other calls, before draining the outputs.
    pub fn pump(&mut self, now: Instant, log: &dyn RoomLog) {
        self.set_now(now);
        self.pump_live(log);
        let mut pieces = BTreeMap::new();
        for _ in 0..self.queue.len() {
            let Some(conn) = self.queue.pop_front() else { break };
            if let Some(connection) = self.get_mut(conn) {
                connection.is_queued = false;
                self.pump_conn(conn, log, &mut pieces);
            }
        }
    }
}

impl Sessions {
    pub(super) fn follow(
        &mut self,
        conn: ConnId,
        room: RoomName,
        place: Place,
    ) -> Result<(), String> {
        self.unfollow(conn, &room.folded());
        let Some(connection) = self.get_mut(conn) else { return Ok(()) };
        if connection.follows.len() >= MAX_FOLLOWED {
            let shown = Detail::of(room.as_str().as_bytes());
            return Err(format!("{shown} would be more than {MAX_FOLLOWED} followed rooms"));
        }
        let room = self.rooms.enter(&room);
        if let Some(connection) = self.get_mut(conn) {
            let began = match place {
                Place::Seen(seen, deletion) => Some((seen, deletion)),
                _ => None,
            };
            let follow = Followed { room, place, began, told_live: false, fell_at: None };
            connection.follows.push(follow);
        }
        self.enqueue(conn);
        Ok(())
    }

    pub(super) fn unfollow(&mut self, conn: ConnId, room: &str) {
        let Some(connection) = self.get_mut(conn) else { return };
        let before = connection.follows.len();
        connection.follows.retain(|follow| &*follow.room != room);
        connection.reading.take_if(|reading| &*reading.room == room);
        if connection.follows.len() < before {
            self.rooms.leave(room, conn);
            self.enqueue(conn);
        }
    }

    /// Marks a connection that may lack entries.
    pub(super) fn enqueue(&mut self, conn: ConnId) {
        let Some(connection) = self.get_mut(conn) else { return };
        let lags = connection.follows.iter().any(|follow| follow.place != Place::Live);
        if lags && !std::mem::replace(&mut connection.is_queued, true) {
            self.queue.push_back(conn);
        }
    }

    /// Sends missing entries to a connection, as much of each room as fits.
    fn pump_conn(&mut self, conn: ConnId, log: &dyn RoomLog, pieces: &mut Pieces) {
        let window = self.window();
        let count = self.get(conn).map_or(0, |it| it.follows.len());
        for place in 0..count {
            loop {
                let Some(connection) = self.get(conn) else { return };
                let Some(follow) = connection.follows.get(place) else { break };
                let key = follow.room.clone();
                let Some(name) = self.rooms.get(&key).map(|room| room.name.clone()) else { break };
                let is_reading = connection.reading.is_some();
                match follow.place {
                    Place::Live => break,
                    Place::Last(0) => self.place(conn, &key, Place::Behind(self.live)),
                    Place::Seen(..) | Place::Last(_) | Place::Behind(_) if is_reading => break,
                    Place::Seen(seen, deletion) => {
                        self.read(conn, key, None, Read::Follow { seen, deletion });
                    }
                    Place::Last(last) => {
                        let read = Read::Before { room: name, count: last as usize };
                        self.read(conn, key, None, read);
                    }
                    Place::Behind(after) if after >= self.live => self.go_live(conn, &key),
                    Place::Behind(_) if connection.unsent >= window => return,
                    Place::Behind(after) => {
                        let at = (key.clone(), after);
                        if !pieces.contains_key(&at) {
                            let Some(entries) = log.tail(after, Some(&name), STRIDE) else {
                                let read = Read::After { room: name, after, limit: STRIDE };
                                self.read(conn, key, Some(after), read);
                                break;
                            };
                            let stretch = Stretch::of(&entries, self.live, window);
                            self.statistics.encoded +=
                                stretch.piece.as_ref().map_or(0, |it| it.count);
                            pieces.insert(at.clone(), stretch);
                        }
                        let Some(stretch) = pieces.get(&at) else { break };
                        self.place(conn, &key, Place::Behind(stretch.next));
                        if let Some(piece) = &stretch.piece {
                            self.send_entries(conn, piece);
                        }
                    }
                }
            }
        }
    }

    /// Handles entries that were read from disk.
    fn entries(&mut self, conn: ConnId, reading: &Reading, entries: &[Entry]) {
        let Some(after) = reading.after else { return };
        let (live, window) = (self.live, self.window());
        let known =
            || entries.iter().filter(|entry| entry.position() > after && entry.position() <= live);
        let mut rest: Vec<&Entry> = known().collect();
        let mut next = if rest.is_empty() { reading.live } else { after };
        while let Some(piece) = Piece::of(rest.iter().copied(), window) {
            rest.drain(..piece.count as usize);
            self.statistics.encoded += piece.count;
            next = piece.last;
            self.send_entries(conn, &piece);
            if self.get(conn).is_none_or(|it| it.unsent >= window) {
                break;
            }
        }
        self.place(conn, &reading.room, Place::Behind(next.max(after)));
    }

    pub(super) fn place(&mut self, conn: ConnId, key: &str, place: Place) {
        if let Some(follow) = self.get_mut(conn).and_then(|it| it.follow(key)) {
            follow.place = place;
        }
    }

    fn read(&mut self, conn: ConnId, room: Box<str>, after: Option<Position>, read: Read) {
        let (serial, live) = (self.next_serial(), self.live);
        if let Some(connection) = self.get_mut(conn) {
            connection.reading = Some(Reading { serial, room, live, after });
            self.outputs.push_back(Output::Read { id: ReadId { conn, serial }, read });
        }
    }

    fn read_again(&mut self, conn: ConnId, answer: &Answer) {
        let delay = match answer {
            Answer::NotYet => READ_SOON,
            _ => READ_AGAIN,
        };
        self.statistics.unreadable += u64::from(*answer != Answer::NotYet);
        let at = self.now + delay;
        let place = self.unreadable.partition_point(|(other, _)| *other <= at);
        self.unreadable.insert(place, (at, conn));
    }
}
