//! Receiving one batch per call, without the errors of other datagrams.

use pigeon_datagram::Received;
use std::io;

use crate::counters::Undelivered;
use crate::socket::Socket;
use crate::socket_errors::{OnReceive, is_about_the_path_mtu, on_receive};

/// The result of one call of [`Socket::receive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// The number of datagrams; there may be more. 0 after an ignored error.
    Datagrams(usize),
    /// Nothing is waiting.
    Empty,
    /// The port of a connected socket's peer is closed (ICMP port unreachable).
    Refused,
}

impl Socket {
    /// Receives one batch and passes its datagrams to `each` in order of arrival. Fails only if the
    /// socket is unusable. Datagrams of earlier calls are not affected.
    pub fn receive(&mut self, each: &mut dyn FnMut(Received<'_>)) -> io::Result<Receipt> {
        let keep = self.keep;
        self.receive_messages(&mut |message, segment| {
            for (payload, length) in cut(message.payload, message.length, segment, keep) {
                each(Received { payload, length, ..message });
            }
        })
    }

    /// Like `receive`, but passes datagrams joined by the kernel (GRO) as they are: the payload
    /// holds datagrams of the given size in sequence, the last perhaps shorter. Suits callers that
    /// forward them as a train: splitting them would cost more. A truncated datagram is never
    /// joined. Fails like [`receive`](Socket::receive).
    pub fn receive_joined(
        &mut self,
        each: &mut dyn FnMut(Received<'_>, usize),
    ) -> io::Result<Receipt> {
        let keep = self.keep;
        self.receive_messages(&mut |message, segment| {
            if !message.is_truncated() && segment <= keep {
                return each(message, segment);
            }
            for (payload, length) in cut(message.payload, message.length, segment, keep) {
                each(Received { payload, length, ..message }, length);
            }
        })
    }

    /// Receives one batch of messages: datagrams of this segment size, joined.
    fn receive_messages(
        &mut self,
        each: &mut dyn FnMut(Received<'_>, usize),
    ) -> io::Result<Receipt> {
        let (counters, keep) = (&mut self.stats.received, self.keep);
        let mut datagrams = 0;
        let received =
            self.path.receive(&self.udp, self.id, &mut |message: Received<'_>, segment| {
                let segment = segment.filter(|size| *size > 0).unwrap_or(message.length).max(1);
                datagrams += message.length.div_ceil(segment).max(1);
                counters.bytes += message.length as u64;
                if message.is_truncated() || segment > keep {
                    let cut = cut(message.payload, message.length, segment, keep);
                    let truncated = cut.filter(|(payload, length)| payload.len() < *length);
                    counters.truncated += truncated.count() as u64;
                }
                each(message, segment);
            });
        counters.datagrams += datagrams as u64;
        self.exhausted = matches!(received, Ok(true));
        match received {
            Ok(_) => Ok(Receipt::Datagrams(datagrams)),
            Err(error) => match on_receive(&error, self.peer.is_some()) {
                OnReceive::Empty => Ok(Receipt::Empty),
                OnReceive::Refused => Ok(Receipt::Refused),
                OnReceive::Again => Ok(Receipt::Datagrams(0)),
                OnReceive::Ignore => {
                    self.note_undelivered(&error);
                    Ok(Receipt::Datagrams(0))
                }
                OnReceive::Fatal => Err(error),
            },
        }
    }
}

/// Maximum number of errors reported by one call of [`Socket::undelivered`].
const ERRORS: usize = 64;

impl Socket {
    /// Passes `each` the datagrams that failed on their way since the last call. Returns true if
    /// there may be more.
    ///
    /// A socket with [`SocketOptions::refusals`](crate::SocketOptions) reports each of them.
    /// Another socket reports only the last, and only if it is connected; its peer's refusals are
    /// [`Receipt::Refused`].
    pub fn undelivered(&mut self, each: &mut dyn FnMut(Undelivered)) -> bool {
        if !self.capabilities().refusals {
            self.undelivered.take().into_iter().for_each(each);
            return false;
        }
        let mut count = 0;
        while count < ERRORS
            && let Some(error) = self.path.undelivered(&self.udp)
        {
            count += 1;
            if self.peer.is_some() && error.is_refusal() {
                continue;
            }
            // The failed call has already counted this error, without knowing the destination.
            self.stats.received.last_error = Some(error);
            each(error);
        }
        count == ERRORS
    }

    /// See [`Io::ignore_refusals`](crate::Io::ignore_refusals).
    pub(crate) fn ignore_refusals(&mut self) {
        if std::mem::take(&mut self.capabilities.refusals) {
            self.path.ignore_refusals(&self.udp);
        }
    }

    /// Counts an error caused by an earlier datagram.
    pub(crate) fn note_undelivered(&mut self, error: &io::Error) {
        let Some(os_error) = error.raw_os_error() else { return };
        let passing = is_about_the_path_mtu(error);
        let error = Undelivered { to: self.peer, os_error, passing };
        self.stats.received.ignored_errors += 1;
        self.stats.received.last_error = Some(error);
        self.undelivered = self.peer.is_some().then_some(error);
    }
}

/// Splits a received message into its datagrams: `length` bytes arrived, possibly more than fit the
/// buffer, joined from datagrams of `segment` bytes. Yields each datagram's first `keep` bytes and
/// its original length.
fn cut(
    buffer: &[u8],
    length: usize,
    segment: usize,
    keep: usize,
) -> impl Iterator<Item = (&[u8], usize)> {
    // An empty datagram must be yielded.
    (0..length.max(1)).step_by(segment).map(move |start| {
        let length = segment.min(length - start);
        let held = start.min(buffer.len())..(start + length.min(keep)).min(buffer.len());
        (&buffer[held], length)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_all(buffer: &[u8], length: usize, segment: usize, keep: usize) -> Vec<(&[u8], usize)> {
        cut(buffer, length, segment, keep).collect()
    }

    #[test]
    fn joined_datagrams_are_cut_apart() {
        assert_eq!(cut_all(b"aabbc", 5, 2, 9), [(&b"aa"[..], 2), (b"bb", 2), (b"c", 1)]);
        assert_eq!(cut_all(b"aabb", 4, 2, 1), [(&b"a"[..], 2), (b"b", 2)]);
        assert_eq!(cut_all(b"aabb", 4, 4, 9), [(&b"aabb"[..], 4)]);
    }

    #[test]
    fn an_empty_datagram_is_one_datagram() {
        assert_eq!(cut_all(b"", 0, 1, 9), [(&b""[..], 0)]);
        assert_eq!(cut_all(b"", 0, 5, 9), [(&b""[..], 0)]);
    }

    #[test]
    fn what_the_buffer_could_not_hold_keeps_its_true_length() {
        assert_eq!(cut_all(b"abc", 5, 5, 9), [(&b"abc"[..], 5)]);
        assert_eq!(cut_all(b"aab", 6, 2, 9), [(&b"aa"[..], 2), (b"b", 2), (b"", 2)]);
    }
}
