//! Requests for earlier entries, answered one after the other within a rate.

use pigeon_proto::frame::{HubFrame, MAX_FRAME, MAX_WORDS, USUAL_ENTRIES};
use pigeon_proto::{Entry, Position, RoomName};

use super::output::{Answer, ConnId, Earlier, Output, Read, ReadId};
use super::rooms::write_entry;
use super::{READ_AGAIN, Sessions};

/// Maximum number of requests for earlier entries that wait.
const MOST_REQUESTS: usize = 16;

/// Bytes of earlier entries of a connection per second, and what each request counts for besides.
const EARLIER_RATE: u64 = 512 << 10;
const REQUEST_COST: u64 = 16 << 10;

/// Bytes of a frame with entries besides these.
const AROUND_ENTRIES: usize = 512;

impl Sessions {
    pub(super) fn request(
        &mut self,
        conn: ConnId,
        id: u64,
        room: RoomName,
        words: Option<Box<str>>,
        before: Option<Position>,
        limit: Option<u64>,
    ) -> Result<(), String> {
        if words.as_ref().is_some_and(|words| words.len() > MAX_WORDS) {
            return Err(format!("a search has at most {MAX_WORDS} bytes"));
        }
        let Some(connection) = self.get_mut(conn) else { return Ok(()) };
        if connection.requests.len() >= MOST_REQUESTS {
            return Err(format!("{MOST_REQUESTS} requests are not answered yet"));
        }
        let before = before.unwrap_or(Position::END);
        let limit = limit.unwrap_or(USUAL_ENTRIES).min(USUAL_ENTRIES) as usize;
        connection.requests.push_back(Earlier { id, room, words, before, limit });
        self.statistics.earlier += 1;
        self.next_request(conn);
        Ok(())
    }

    /// Reads for the first request of a connection, unless that is done, its rate is used up, or the
    /// connection has not taken the earlier answers.
    pub(super) fn next_request(&mut self, conn: ConnId) {
        let (now, serial, window) = (self.now, self.next_serial(), self.window());
        let Some(connection) = self.get_mut(conn) else { return };
        if connection.unsent + connection.frames.len() >= window {
            return;
        }
        let Some(request) = connection.requests.front().filter(|_| connection.requested.is_none())
        else {
            return;
        };
        let cost = pigeon_guard::cost(REQUEST_COST, EARLIER_RATE);
        let rate = &mut connection.requests_rate;
        if !rate.has_room(now, cost) {
            let at = rate.full_at();
            self.waiting.insert((at, conn));
            return;
        }
        rate.take(now, cost);
        let read = Read::Earlier(request.clone());
        connection.requested = Some(serial);
        self.outputs.push_back(Output::Read { id: ReadId { conn, serial }, read });
    }

    /// Answers the first request of a connection.
    pub(super) fn earlier(&mut self, conn: ConnId, answer: Answer) {
        let now = self.now;
        let Answer::Earlier { mut entries, mut more } = answer else {
            self.statistics.unreadable += 1;
            self.waiting.insert((now + READ_AGAIN, conn));
            return;
        };
        let Some(connection) = self.get_mut(conn) else { return };
        let Some(Earlier { id, room, .. }) = connection.requests.pop_front() else { return };
        let (kept, length) = fitting(&entries);
        if kept < entries.len() {
            entries.drain(..entries.len() - kept);
            more = entries.first().map(Entry::position);
        }
        let cost = pigeon_guard::cost(length as u64, EARLIER_RATE);
        connection.requests_rate.take(now, cost);
        self.frame(conn, &HubFrame::Entries { id, room, entries, more });
        self.next_request(conn);
    }
}

/// How many of the newest entries fit one frame, and their bytes.
fn fitting(entries: &[Entry]) -> (usize, usize) {
    let (mut count, mut length) = (0, 0);
    let mut frame = Vec::new();
    for entry in entries.iter().rev() {
        frame.clear();
        write_entry(entry, &mut frame);
        if length + frame.len() > MAX_FRAME - AROUND_ENTRIES {
            break;
        }
        (count, length) = (count + 1, length + frame.len());
    }
    (count, length)
}
