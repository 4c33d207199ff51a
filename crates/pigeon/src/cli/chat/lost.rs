//! Messages that did not arrive.

/// How far an undelivered message got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The system did not send the message.
    Unsent,
    /// The message was sent, and the network reported that it was not delivered.
    Undelivered,
}
