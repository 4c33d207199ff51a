//! Messages of an outbox on their way to the hub, and what became of them.

use pigeon_proto::frame::{self, HubFrame, Refused};
use pigeon_proto::{Identity, Reason};

use super::Sessions;
use super::output::{ConnId, Outcome, Output, Read, ReadId, Say, SayId};
use super::saying::Heard;

/// The hub's method.
impl Sessions {
    /// The answer to [`Output::Say`].
    pub fn settled(&mut self, id: SayId, outcome: Outcome) {
        self.count_settled(id);
        let stores = self.config.stores;
        let Some(connection) = self.get_mut(id.conn) else { return };
        let heard = connection.saying.settle(id.serial, outcome);
        if heard != Heard::Nothing {
            // The acknowledgement of stored messages comes first.
            connection.acknowledge(stores);
        }
        match heard {
            Heard::Nothing => {}
            Heard::Expect(number) => self.expect(id.conn, number),
            Heard::Conflict(number) => {
                self.statistics.conflicts += 1;
                self.frame(id.conn, &HubFrame::Conflict { number });
            }
            Heard::Refused(number, outcome) => {
                self.statistics.refused += 1;
                let (why, again) = match outcome {
                    Outcome::Refused { why, again } => (why, again),
                    _ => (Reason::Deleted, None),
                };
                let again = again.map(|again| again.as_millis() as u64);
                let language = self.get(id.conn).map(|it| it.language).unwrap_or_default();
                let refused = Refused::new(number, &why, again, language);
                self.frame(id.conn, &HubFrame::Refused(refused));
            }
        }
        self.touch(id.conn);
        self.handle_lines(id.conn);
    }
}

impl Sessions {
    /// Continues an outbox once all its messages are settled. Earlier, the log's last number would
    /// be outdated, and a message being stored could be refused when it arrives again.
    pub(super) fn begin_outbox(&mut self, conn: ConnId, author: u128, outbox: u64) {
        let settles = self.in_flight.contains_key(&(author, outbox));
        if let Some(connection) = self.get_mut(conn) {
            connection.settles = settles;
        }
        if !settles {
            self.ask_outbox(conn, author, outbox);
        }
    }

    /// Counts a settled message, which may be the last that another connection waits for.
    fn count_settled(&mut self, id: SayId) {
        let SayId { author, outbox, .. } = id;
        let Some(count) = self.in_flight.get_mut(&(author, outbox)) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.in_flight.remove(&(author, outbox));
        let conns = self.members.get(author).map(|member| member.conns.clone());
        for conn in conns.unwrap_or_default() {
            let waits = self.get(conn).is_some_and(|it| it.settles && it.saying.outbox == outbox);
            if waits {
                self.begin_outbox(conn, author, outbox);
                self.handle_lines(conn);
            }
        }
    }

    pub(super) fn ask_outbox(&mut self, conn: ConnId, author: u128, outbox: u64) {
        let serial = self.next_serial();
        if let Some(connection) = self.get_mut(conn) {
            connection.asking = Some(serial);
            let id = ReadId { conn, serial };
            self.outputs.push_back(Output::Read { id, read: Read::Outbox { author, outbox } });
        }
    }

    pub(super) fn say(&mut self, conn: ConnId, author: u128, say: frame::Say) {
        let serial = self.next_serial();
        let most = self.config.max_text;
        let Some(connection) = self.get_mut(conn) else { return };
        let frame::Say { number, after, room, text } = say;
        if !connection.saying.say(serial, number, after, text.len()) {
            self.statistics.discarded += 1;
            return;
        }
        let outbox = connection.saying.outbox;
        let is_known = connection.saying.is_known(number);
        let id = SayId { conn, serial, author, outbox };
        if text.len() > most && !is_known {
            let (length, most) = (text.len() as u64, most as u64);
            return self.settle_early(id, Reason::TooLong { length, most });
        }
        self.statistics.said += 1;
        *self.in_flight.entry((author, outbox)).or_default() += 1;
        let identity = Identity { author, outbox, number };
        self.outputs.push_back(Output::Say(Say { id, room, text, identity, after, is_known }));
    }

    /// Refuses a message before the hub has seen it.
    fn settle_early(&mut self, id: SayId, why: Reason) {
        // Not `settled`, which would continue with the lines that are being handled.
        let Some(connection) = self.get_mut(id.conn) else { return };
        let language = connection.language;
        if let Heard::Refused(number, _) =
            connection.saying.settle(id.serial, Outcome::refused(why.clone()))
        {
            self.statistics.refused += 1;
            let stores = self.config.stores;
            if let Some(connection) = self.get_mut(id.conn) {
                connection.acknowledge(stores);
            }
            self.frame(id.conn, &HubFrame::Refused(Refused::new(number, &why, None, language)));
        }
    }

    pub(super) fn expect(&mut self, conn: ConnId, number: u64) {
        if let Some(outbox) = self.get(conn).map(|it| it.saying.outbox) {
            self.frame(conn, &HubFrame::Expect { outbox, number });
        }
    }
}
