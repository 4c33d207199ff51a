#![expect(unsafe_code, reason = "recvmsg(2) with MSG_ERRQUEUE")]
//! A socket's error queue (`IP_RECVERR`, ip(7)): datagrams that failed on their way.
//!
//! An unconnected socket gets no ICMP errors unless it enables this. The error alone would not
//! identify the peer: the queue also holds the destination of the failed datagram.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::counters::Undelivered;

use super::control::{self, RECEIVE_ROOM, ReceiveControl};
use super::header::{Parts, header};
use super::name::Name;

/// The next error in the queue. `None` at its end.
pub(super) fn next(fd: BorrowedFd<'_>) -> io::Result<Option<Undelivered>> {
    let mut name = Name::EMPTY;
    let mut room = ReceiveControl([0; RECEIVE_ROOM]);
    // The datagram itself is not needed.
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
    // SAFETY: the header points, with correct lengths, to a name, a buffer and a control buffer on
    // this stack frame. They are distinct, and nothing else accesses them until the call returns.
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
    // A queue with unreadable entries counts as empty.
    Ok(told)
}
