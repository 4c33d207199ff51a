#![expect(unsafe_code, reason = "libc's message headers have private padding on some targets")]
//! Message headers (`struct msghdr`, recvmsg(2)) for both batch calls.
//!
//! Headers are built on the stack for every call. Stored ones would have to be reset before each
//! recvmmsg (a header with the previous `msg_controllen` gets less and less control data), and
//! would contain pointers into their own owner.

use std::mem::{MaybeUninit, zeroed};

/// Pointers to the parts of one message.
pub(super) struct Parts<'a> {
    /// The address, or an empty slice.
    pub(super) name: *mut [u8],
    /// The only buffer, filled in here.
    pub(super) iovec: &'a mut MaybeUninit<libc::iovec>,
    pub(super) payload: *mut [u8],
    /// The control messages, or an empty slice.
    pub(super) control: *mut [u8],
}

/// Builds a header that points to these parts. Building it is safe; the system call is responsible
/// for its use.
pub(super) fn header(parts: Parts<'_>) -> libc::mmsghdr {
    let iovec = parts
        .iovec
        .write(libc::iovec { iov_base: parts.payload.cast(), iov_len: parts.payload.len() });
    // SAFETY: all zeroes is a valid header: null pointers, zero lengths.
    let mut header: libc::mmsghdr = unsafe { zeroed() };
    header.msg_hdr.msg_iov = iovec;
    header.msg_hdr.msg_iovlen = 1;
    // A null pointer means "none"; the kernel ignores the length then.
    if parts.name.len() > 0 {
        header.msg_hdr.msg_name = parts.name.cast();
        header.msg_hdr.msg_namelen = parts.name.len() as _;
    }
    if parts.control.len() > 0 {
        header.msg_hdr.msg_control = parts.control.cast();
        header.msg_hdr.msg_controllen = parts.control.len() as _;
    }
    header
}
