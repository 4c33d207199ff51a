#![expect(unsafe_code, reason = "recvmsg(2) with MSG_ERRQUEUE")]
//! The error queue of a socket (`IP_RECVERR`, ip(7)): which datagrams met an error on their way.
//!
//! A socket that is bound and not connected gets no ICMP errors at all unless it asks, and the
//! error alone would not identify the peer: the queue holds the destination of the datagram that
//! caused it.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::counters::Undelivered;

use super::control::{self, RECEIVE_ROOM, ReceiveControl};
use super::header::{Parts, header};
use super::name::Name;

/// The next error of the queue. `None` at its end.
pub(super) fn next(fd: BorrowedFd<'_>) -> io::Result<Option<Undelivered>> {
    let mut name = Name::EMPTY;
    let mut room = ReceiveControl([0; RECEIVE_ROOM]);
    // The datagram itself is of no interest.
    let mut payload = [0_u8; 1];
    let mut iovec = MaybeUninit::uninit();
    let mut header = header(Parts {
        name: name.room(),
        iovec: &mut iovec,
        payload: &raw mut payload[..],
        control: &raw mut room.0[..],
    })
    .msg_hdr;
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the header points, with their true lengths, to a name, a buffer and a control room
    // on this stack frame, all distinct, which nothing else touches until the call returns.
    let received = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut header, flags) };
    if received < 0 {
        let error = io::Error::last_os_error();
        return match error.kind() {
            io::ErrorKind::WouldBlock => Ok(None),
            _ => Err(error),
        };
    }
    name.set_length(header.msg_namelen as usize);
    let control: usize = header.msg_controllen as _;
    let told = control::decode(&room.0[..control.min(RECEIVE_ROOM)]);
    let to = name.address();
    let told = told.error.map(|(os_error, passing)| Undelivered { to, os_error, passing });
    // A queue whose entries cannot be read is as good as empty.
    Ok(told)
}
