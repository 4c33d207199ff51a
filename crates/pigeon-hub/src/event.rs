//! What a hub reports to its host: logs, a console, other links.

use std::collections::VecDeque;

use pigeon_proto::{Label, Name, News, Notice, RoomName};

use crate::core::history::Lookup;
use crate::core::id::MemberId;
use crate::core::kept::Keep;
use crate::core::message::Message;
use crate::statistics::{Dropped, Left};

/// The most events kept for a driver that does not collect them.
const MAX_EVENTS: usize = 16_384;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Somebody became a member.
    Joined {
        /// The member.
        member: MemberId,
        /// What its link calls it.
        label: Label,
        /// Its room; `None` until it has given the password.
        room: Option<RoomName>,
    },
    /// A member went to another room.
    Moved {
        /// The member.
        member: MemberId,
        /// Its room from now on.
        room: RoomName,
    },
    /// A member left.
    Left {
        /// Who it was.
        member: MemberId,
        /// What its link called it.
        label: Label,
        /// Its name, if it had chosen one.
        name: Option<Name>,
        /// Why.
        reason: Left,
    },
    /// A member took a name.
    Renamed {
        /// The member.
        member: MemberId,
        /// What its link calls it.
        label: Label,
        /// Its name from now on.
        name: Name,
    },
    /// A member is proved to answer by itself. It may say one message a second for a minute.
    AnswersByItself {
        /// The address.
        label: Label,
        /// Its name, if it has one.
        name: Option<Name>,
    },
    /// Somebody spoke. Only with [`Config::report_messages`](crate::Config::report_messages) or
    /// [`Config::history`](crate::Config::history), or where there are links other than the plain
    /// one.
    Message(Message),
    /// The hub says something to one member of a link other than the plain one.
    Reply {
        /// The member.
        to: MemberId,
        /// The notice.
        notice: Notice,
    },
    /// The operator may want to know this of a member.
    Remark {
        /// What its link calls it.
        label: Label,
        /// Its name, if it has one.
        name: Option<Name>,
        /// What.
        remark: Remark,
    },
    /// A member wants to hear what was said before: to be answered by
    /// [`Hub::found`](crate::Hub::found). Only with [`Config::history`](crate::Config::history).
    Lookup(Lookup),
    /// Something has changed that outlives a restart. Only with
    /// [`Config::keeps`](crate::Config::keeps).
    Keep(Keep),
    /// News of a room, where there are links other than the plain one.
    News {
        /// The room.
        room: RoomName,
        /// Who came, went or took another name.
        news: Vec<News>,
    },
    /// The hub stops: links say goodbye to their members. Nothing follows.
    Stopped,
}

/// What an operator may want to know of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// It has run into a limit and got a line about it. Reported again only after it has kept within it.
    Limited(Dropped),
    /// It writes in another encoding than UTF-8 and got a hint.
    NotUtf8,
}

/// Events that wait for the driver.
#[derive(Default)]
pub(crate) struct Events {
    queue: VecDeque<Event>,
    lost: u64,
}

impl Events {
    /// Keeps an event, or counts it where nobody collects them.
    pub(crate) fn report(&mut self, event: Event) {
        if self.queue.len() < MAX_EVENTS {
            self.queue.push_back(event);
        } else {
            self.lost += 1;
        }
    }

    pub(crate) fn poll(&mut self) -> Option<Event> {
        self.queue.pop_front()
    }

    /// How many events were dropped because nobody collected them.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}
