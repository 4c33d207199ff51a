//! Members with a key, as the commands use them.

pub(crate) use pigeon_member::{Event, Member, Opened, Options};
pub(crate) use pigeon_quic::Fingerprint;
