#![expect(unsafe_code, reason = "sendmmsg(2)")]
//! Sending up to [`BATCH`] messages, each a datagram or a train, with one sendmmsg(2).

use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use crate::queue::{Cursor, Progress, Queue};

use super::control::SendControl;
use super::header::{Parts, header};
use super::name::Name;

/// Maximum number of messages per call. More gain nothing: the kernel's work per message dominates.
const BATCH: usize = 64;

/// The messages of one call; the memory is reused.
#[derive(Debug)]
pub(super) struct SendBatch {
    v6: bool,
    messages: Vec<Message>,
}

#[derive(Debug)]
struct Message {
    name: Name,
    control: SendControl,
    /// The position of the message's bytes in the outbox.
    range: Range<usize>,
    datagrams: u64,
    is_train: bool,
    next: Cursor,
}

impl SendBatch {
    /// Headers for a socket of either address family.
    pub(super) fn new(v6: bool) -> Self {
        SendBatch { v6, messages: Vec::with_capacity(BATCH) }
    }

    /// Takes up to one batch from the queue, starting at `at`.
    pub(super) fn fill(&mut self, queue: &Queue<'_>, at: Cursor, connected: bool) {
        self.messages.clear();
        let steps = std::iter::successors(queue.step(at), |step| queue.step(step.next));
        self.messages.extend(steps.take(BATCH).map(|step| Message {
            name: if connected { Name::EMPTY } else { Name::new(step.transmit.to, self.v6) },
            control: SendControl::new(step.transmit.from, step.segment),
            range: step.range,
            datagrams: step.datagrams,
            is_train: step.segment.is_some(),
            next: step.next,
        }));
    }

    /// Sends the messages that were filled in from this queue.
    pub(super) fn send(
        &mut self,
        fd: BorrowedFd<'_>,
        queue: &Queue<'_>,
        at: Cursor,
    ) -> io::Result<Progress> {
        let mut iovecs = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
        let mut count = 0;
        for ((message, iovec), written) in
            self.messages.iter().zip(&mut iovecs).zip(headers.iter_mut())
        {
            // The C structures require mutable pointers; sending only reads.
            written.write(header(Parts {
                name: ptr::from_ref(message.name.bytes()).cast_mut(),
                iovec,
                payload: ptr::from_ref(queue.payload(&message.range)).cast_mut(),
                control: ptr::from_ref(message.control.bytes()).cast_mut(),
            }));
            count += 1;
        }
        // SAFETY: the first `count` headers were written above. Each points, with correct lengths,
        // to an iovec on this stack frame and to bytes of the outbox, a name and control messages
        // of `self`, all borrowed until the call returns. The kernel writes only the headers'
        // `msg_len`.
        let sent = unsafe {
            libc::sendmmsg(
                fd.as_raw_fd(),
                headers.as_mut_ptr().cast(),
                count,
                libc::MSG_DONTWAIT as _,
            )
        };
        let sent = usize::try_from(sent).map_err(|_| io::Error::last_os_error())?;
        let mut progress = Progress { next: at, datagrams: 0, bytes: 0, trains: 0 };
        for message in self.messages.iter().take(sent) {
            progress.datagrams += message.datagrams;
            progress.bytes += message.range.len() as u64;
            progress.trains += u64::from(message.is_train);
            progress.next = message.next;
        }
        Ok(progress)
    }
}
