#![expect(unsafe_code, reason = "libc's message headers have private padding on some targets")]
//! Message headers (`struct msghdr`, recvmsg(2)), as both batch calls need them.
//!
//! Headers are built anew on the stack for every call. Kept ones would have to be reset before each
//! recvmmsg (a header left with the previous `msg_controllen` gets ever less control data), and
//! would hold pointers into their own owner.

use std::mem::{MaybeUninit, zeroed};

/// Where the parts of one message stand.
pub(super) struct Parts<'a> {
    /// The address, or nothing.
    pub(super) name: *mut [u8],
    /// The one buffer, filled in here.
    pub(super) iovec: &'a mut MaybeUninit<libc::iovec>,
    pub(super) payload: *mut [u8],
    /// The control messages, or nothing.
    pub(super) control: *mut [u8],
}

/// The header that points to these parts. Making it is safe; using it is up to the call.
pub(super) fn header(parts: Parts<'_>) -> libc::mmsghdr {
    let iovec = parts
        .iovec
        .write(libc::iovec { iov_base: parts.payload.cast(), iov_len: parts.payload.len() });
    // SAFETY: all zeroes is a valid header: null pointers, zero lengths.
    let mut header: libc::mmsghdr = unsafe { zeroed() };
    header.msg_hdr.msg_iov = iovec;
    header.msg_hdr.msg_iovlen = 1;
    // A null pointer says "none"; the kernel does not look at the length then.
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
