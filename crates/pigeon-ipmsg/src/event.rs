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
    /// Whether the text was sent to several recipients or to everybody.
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
    /// The contact announced that it leaves.
    Left,
    /// The contact did not answer for some minutes.
    Silent,
    /// The contact did not acknowledge texts.
    Unreachable,
    /// The contact was unproved, and new contacts needed its place.
    Displaced,
}

/// Why a text counts as undelivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyUndelivered {
    /// The text was sent several times and never acknowledged.
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
    /// The contact's address.
    pub address: SocketAddr,
    /// The contact's nickname.
    pub nick: &'a str,
    /// The contact's group.
    pub group: &'a str,
    /// The contact's login name.
    pub user: &'a str,
    /// The contact's host name.
    pub host: &'a str,
    /// The contact's program.
    pub program: Program,
    /// The encoding of texts for the contact.
    pub writes: Writes,
    /// Whether the contact's user is absent.
    pub is_absent: bool,
    /// Whether the contact has proved that it receives at its address.
    pub is_proved: bool,
}
