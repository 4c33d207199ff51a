//! What remains of IP Messenger in a program built without the feature `ipmsg`.

/// The protocol's port.
pub(crate) const PORT: u16 = 2425;
