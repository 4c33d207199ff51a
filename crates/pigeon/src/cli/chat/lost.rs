//! Messages that did not arrive.

/// How far a message came that did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The system did not send it.
    Unsent,
    /// It was sent, and the network says that it went no further.
    Undelivered,
}
