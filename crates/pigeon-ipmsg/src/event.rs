//! What a [`Messenger`](crate::Messenger) reports.

use std::net::SocketAddr;

use crate::contact::MessageId;
use crate::entry::{Program, Writes};
use crate::text::Offer;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A contact was heard for the first time.
    Appeared(SocketAddr),
    /// A contact has another name, group or state.
    Changed(SocketAddr),
    /// A known contact announced itself again: its program was started, or its user asked who is
    /// there.
    Entered(SocketAddr),
    /// A contact has shown that it receives at its address, by acknowledging a text.
    Proved(SocketAddr),
    /// A contact is forgotten.
    Gone(SocketAddr, WhyGone),
    /// Somebody wrote. To be taken by [`Messenger::accept`](crate::Messenger::accept), which
    /// acknowledges it, or left by [`Messenger::refuse`](crate::Messenger::refuse).
    Text(Text),
    /// Texts were acknowledged.
    Delivered(SocketAddr, Vec<MessageId>),
    /// Texts were not acknowledged. They may have arrived.
    Undelivered(SocketAddr, Vec<MessageId>, WhyUndelivered),
}

/// A text that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// Who wrote.
    pub from: SocketAddr,
    /// What, in lines that end with LF; perhaps empty where files are offered.
    pub text: String,
    /// The files that are offered with it.
    pub files: Vec<Offer>,
    /// Whether it went to several, or to everybody.
    pub is_for_many: bool,
    /// Whether a program wrote it by itself, because its user is absent. It must not be answered.
    pub is_automatic: bool,
    pub(crate) number: u64,
    pub(crate) hash: u64,
    pub(crate) wants_receipt: bool,
}

/// Why a contact is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyGone {
    /// It said that it leaves.
    Left,
    /// It did not answer for some minutes.
    Silent,
    /// It did not acknowledge what was sent to it.
    Unreachable,
    /// Others came, there was no more room, and it had never shown that it receives.
    Displaced,
}

/// Why a text is taken for not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyUndelivered {
    /// It was sent several times and never acknowledged.
    NoReply,
    /// Nobody listens there, says the other host.
    Refused,
    /// The contact left before it was acknowledged or even sent.
    Gone,
    /// Too many texts waited for the contact.
    Overflow,
}

/// Who a contact is. Texts are as they came: escape them where they are shown.
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
    /// Whether it has shown that it receives at its address.
    pub is_proved: bool,
}
