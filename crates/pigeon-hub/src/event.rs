//! Events of a hub for its host: logs, a console, other links.

use std::collections::VecDeque;

use pigeon_proto::{Label, Name, News, Notice, RoomName};

use crate::core::history::Lookup;
use crate::core::id::MemberId;
use crate::core::kept::Keep;
use crate::core::message::Message;
use crate::statistics::{Dropped, Left};

/// Maximum number of events kept until the driver collects them.
const MAX_EVENTS: usize = 16_384;

/// An event of a hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A new member.
    Joined {
        /// The member.
        member: MemberId,
        /// The member's label at its link.
        label: Label,
        /// The member's room; `None` until it has given the password.
        room: Option<RoomName>,
    },
    /// A member moved to another room.
    Moved {
        /// The member.
        member: MemberId,
        /// The new room.
        room: RoomName,
    },
    /// A member left.
    Left {
        /// The member.
        member: MemberId,
        /// The member's label at its link.
        label: Label,
        /// The member's name.
        name: Option<Name>,
        /// The reason.
        reason: Left,
    },
    /// A member took a name.
    Renamed {
        /// The member.
        member: MemberId,
        /// The member's label at its link.
        label: Label,
        /// The new name.
        name: Name,
    },
    /// A member was found to answer automatically. It may send one message a second for a minute.
    AnswersByItself {
        /// The address.
        label: Label,
        /// The member's name, if it has one.
        name: Option<Name>,
    },
    /// A message. Only with [`Config::report_messages`](crate::Config::report_messages) or
    /// [`Config::history`](crate::Config::history), or if there are links other than the plain one.
    Message(Message),
    /// A notice for a member of a link other than the plain one.
    Reply {
        /// The member.
        to: MemberId,
        /// The notice.
        notice: Notice,
    },
    /// A remark about a member for the operator.
    Remark {
        /// The member's label at its link.
        label: Label,
        /// The member's name, if it has one.
        name: Option<Name>,
        /// The remark.
        remark: Remark,
    },
    /// A request for earlier messages, to be answered with [`Hub::found`](crate::Hub::found). Only
    /// with [`Config::history`](crate::Config::history).
    Lookup(Lookup),
    /// Persistent state has changed. Only with [`Config::keeps`](crate::Config::keeps).
    Keep(Keep),
    /// Changes of a room's members, if there are links other than the plain one.
    News {
        /// The room.
        room: RoomName,
        /// The changes.
        news: Vec<News>,
        /// What the members that changed read instead: the others' changes, without their own.
        /// Plain members are not listed.
        own: Vec<(MemberId, Vec<News>)>,
    },
    /// The hub stops: links must say goodbye to their members. No events follow.
    Stopped,
}

/// A remark about a member for the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    /// The member exceeded a limit and got a notice. Reported again only after it has kept within
    /// the limit.
    Limited(Dropped),
    /// The member's text is not in UTF-8; it got a hint.
    NotUtf8,
}

/// Events for the driver.
#[derive(Default)]
pub(crate) struct Events {
    queue: VecDeque<Event>,
    lost: u64,
}

impl Events {
    /// Queues an event, or counts it as lost if the queue is full.
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

    /// The number of lost events.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }
}
