//! IP Messenger (飞鸽传书) and its relatives FeiQ and iptux: their packets, and one participant as a
//! state machine. Pure: no clock, no socket, no randomness of its own.
//!
//! - [`Messenger`] is the machine. Read it first: contacts come and go, texts are acknowledged and
//!   sent again, and nobody who may have forged its address gets more than it sent.
//! - [`Packet`], [`Command`], [`mode`], [`option`]: what travels.
//! - [`Identity`], [`Writes`], [`Program`]: what an entry says of its sender, and how to write to it.
//! - [`Event`], [`Text`], [`Offer`], [`Statistics`]: what is reported.
//!
//! `docs/ipmsg.md` describes what users see of it.
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
