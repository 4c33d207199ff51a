//! Events of a [`Messenger`](crate::Messenger).

use std::net::SocketAddr;

use crate::contact::MessageId;
use crate::entry::{Program, Writes};
use crate::text::Offer;

/// An event of a messenger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A new contact.
    Appeared(SocketAddr),
    /// A contact changed its name, group or state.
    Changed(SocketAddr),
    /// A known contact announced itself again: its program was restarted, or its user refreshed the
    /// list.
    Entered(SocketAddr),
    /// A contact has proved that it receives at its address, by acknowledging a text.
    Proved(SocketAddr),
    /// A contact was removed.
    Gone(SocketAddr, WhyGone),
    /// A text arrived. The host must call [`Messenger::accept`](crate::Messenger::accept), which
    /// acknowledges it, or [`Messenger::refuse`](crate::Messenger::refuse).
    Text(Text),
    /// Texts were acknowledged.
    Delivered(SocketAddr, Vec<MessageId>),
    /// Texts were not acknowledged. They may have arrived.
    Undelivered(SocketAddr, Vec<MessageId>, WhyUndelivered),
}

/// A received text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// The sender.
    pub from: SocketAddr,
    /// The text, in lines that end with LF; may be empty if files are offered.
    pub text: String,
    /// The files offered with it.
    pub files: Vec<Offer>,
    /// Whether it was sent to several recipients or to everybody.
    pub is_for_many: bool,
    /// Whether it is an automatic answer. It must not be answered.
    pub is_automatic: bool,
    pub(crate) number: u64,
    pub(crate) hash: u64,
    pub(crate) wants_receipt: bool,
}

/// Why a contact was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyGone {
    /// It announced that it leaves.
    Left,
    /// It did not answer for some minutes.
    Silent,
    /// It did not acknowledge texts.
    Unreachable,
    /// It was unproved, and new contacts needed its place.
    Displaced,
}

/// Why a text counts as undelivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyUndelivered {
    /// It was sent several times and never acknowledged.
    NoReply,
    /// The port is closed (ICMP).
    Refused,
    /// The contact was removed before the text was acknowledged or sent.
    Gone,
    /// The contact's queue was full.
    Overflow,
}

/// A contact. Texts are as received: escape them for display.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContactView<'a> {
    /// Its address.
    pub address: SocketAddr,
    /// Its nickname.
    pub nick: &'a str,
    /// Its group.
    pub group: &'a str,
    /// Its login name.
    pub user: &'a str,
    /// Its host name.
    pub host: &'a str,
    /// Its program.
    pub program: Program,
    /// The encoding of texts for it.
    pub writes: Writes,
    /// Whether its user is absent.
    pub is_absent: bool,
    /// Whether it has proved that it receives at its address.
    pub is_proved: bool,
}
