#![expect(unsafe_code, reason = "recvmmsg(2)")]
//! Receiving up to [`BATCH`] messages with one recvmmsg(2).

use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::null_mut;

use crate::options::RECEIVE_BATCH as BATCH;

use super::control::{RECEIVE_ROOM, ReceiveControl};
use super::header::{Parts, header};
use super::name::Name;

/// The buffers of one batch, allocated once. Memory that no datagram has touched is not resident.
#[derive(Debug)]
pub(super) struct ReceiveBatch {
    buffers: Vec<u8>,
    size: usize,
    names: Vec<Name>,
    controls: Vec<ReceiveControl>,
    arrived: Vec<Arrived>,
}

/// The kernel's results for one message.
#[derive(Clone, Copy, Debug)]
struct Arrived {
    length: usize,
    control: usize,
}

/// One received message: a datagram, or several joined by GRO.
pub(super) struct Message<'a> {
    /// The sender in canonical form.
    pub(super) from: Option<SocketAddr>,
    /// The received bytes, cut to the buffer's size.
    pub(super) buffer: &'a [u8],
    /// The original length in bytes.
    pub(super) length: usize,
    pub(super) control: &'a [u8],
}

impl ReceiveBatch {
    /// Buffers for messages of `size` bytes.
    pub(super) fn new(size: usize) -> Self {
        let size = size.max(1);
        ReceiveBatch {
            buffers: vec![0; BATCH * size],
            size,
            names: vec![Name::EMPTY; BATCH],
            controls: vec![ReceiveControl([0; RECEIVE_ROOM]); BATCH],
            arrived: Vec::with_capacity(BATCH),
        }
    }

    /// The size of each message's buffer.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Receives up to one batch without waiting.
    pub(super) fn receive(
        &mut self,
        fd: BorrowedFd<'_>,
    ) -> io::Result<impl Iterator<Item = Message<'_>>> {
        self.arrived.clear();
        let mut iovecs = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; BATCH];
        let rooms = self
            .buffers
            .chunks_exact_mut(self.size)
            .zip(&mut self.names)
            .zip(&mut self.controls)
            .zip(&mut iovecs);
        let mut count = 0;
        for (written, (((buffer, name), control), iovec)) in headers.iter_mut().zip(rooms) {
            written.write(header(Parts {
                name: name.room(),
                iovec,
                payload: &raw mut *buffer,
                control: &raw mut control.0[..],
            }));
            count += 1;
        }
        // MSG_TRUNC: returns the original length of a datagram that exceeds the buffer (udp(7)).
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: the first `count` headers were written above. Each points, with correct lengths,
        // to an iovec on this stack frame and to a buffer, a name and a control buffer that `self`
        // owns, all distinct and mutably borrowed until the call returns.
        let received = unsafe {
            libc::recvmmsg(
                fd.as_raw_fd(),
                headers.as_mut_ptr().cast(),
                count,
                flags as _,
                null_mut(),
            )
        };
        let received = usize::try_from(received).map_err(|_| io::Error::last_os_error())?;
        for (written, name) in headers.iter().zip(&mut self.names).take(received) {
            // SAFETY: at most `count` messages are received, and that many headers were written.
            let header = unsafe { written.assume_init_ref() };
            name.set_length(header.msg_hdr.msg_namelen as usize);
            self.arrived.push(Arrived {
                length: header.msg_len as usize,
                control: header.msg_hdr.msg_controllen as _,
            });
        }
        Ok(self.messages())
    }

    fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        let rooms = self.buffers.chunks_exact(self.size).zip(&self.names).zip(&self.controls);
        self.arrived.iter().zip(rooms).map(|(arrived, ((buffer, name), control))| Message {
            from: name.address(),
            buffer: &buffer[..arrived.length.min(self.size)],
            length: arrived.length,
            control: &control.0[..arrived.control.min(RECEIVE_ROOM)],
        })
    }
}
