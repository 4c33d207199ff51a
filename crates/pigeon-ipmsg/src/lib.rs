//! IP Messenger (飞鸽传书) and its relatives FeiQ and iptux: their packets, and one participant as a
//! state machine. Pure: no clock, no socket, no randomness of its own.
//!
//! - [`Messenger`] is the machine. Read it first: it keeps contacts, acknowledges and retransmits
//!   texts, and never sends more to an unproved address than it received from it.
//! - [`Packet`], [`Command`], [`mode`], [`option`]: the packets.
//! - [`Identity`], [`Writes`], [`Program`]: the sender's description in an entry, and the encoding
//!   for it.
//! - [`Event`], [`Text`], [`Offer`], [`Statistics`]: the reports.
//!
//! `docs/ipmsg.md` is the user documentation.
#![forbid(unsafe_code)]

mod command;
mod contact;
mod entry;
mod event;
mod messenger;
mod packet;
mod scan;
mod sending;
mod statistics;
mod text;

pub use command::{Command, mode, option};
pub use contact::MessageId;
pub use entry::{Identity, Program, Writes};
pub use event::{ContactView, Event, Text, WhyGone, WhyUndelivered};
pub use messenger::{Config, GATEWAY_VERSION, Messenger};
pub use packet::{Malformed, PORT, Packet};
pub use sending::{MAX_TEXT, SendError};
pub use statistics::{Ignored, Statistics};
pub use text::Offer;
