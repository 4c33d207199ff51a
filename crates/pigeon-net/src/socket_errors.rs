//! The table of socket errors: which are ignored, retried, reported or fatal, and why.
//!
//! An error about one datagram or one peer never ends the loop. UDP sockets report such errors
//! late, in a call unrelated to the datagram that caused them (udp(7), "Error handling").

use std::io::{self, ErrorKind};

use crate::counters::DropReason;

/// How to handle an error of a receive call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnReceive {
    /// Nothing is waiting: wait for the next datagram.
    Empty,
    /// Receive again; nothing is lost.
    Again,
    /// Notify the machine that the peer's port is closed.
    Refused,
    /// Count the error and receive again.
    Ignore,
    /// The socket is unusable.
    Fatal,
}

/// How to handle an error of a send call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnSend {
    /// Send the same message again; nothing is lost.
    Again,
    /// Wait for space in the send buffer.
    Wait,
    /// The peer refused an *earlier* datagram; this one was not sent. Report that and send this one
    /// again, once.
    Refused,
    /// Send the train's datagrams individually, and remember that for the destination.
    Split,
    /// Drop the datagram and continue with the next.
    Drop(DropReason),
}

/// The table for receiving. `connected`: whether the socket has a single peer.
pub(crate) fn on_receive(error: &io::Error, connected: bool) -> OnReceive {
    match error.kind() {
        ErrorKind::WouldBlock => OnReceive::Empty,
        // Interrupted by a signal.
        ErrorKind::Interrupted => OnReceive::Again,
        // ICMP port unreachable; Windows calls it "connection reset". On a connected socket it
        // concerns the peer.
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset if connected => {
            OnReceive::Refused
        }
        // One of many peers has closed its port. The error does not say which; the others are
        // unaffected.
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => OnReceive::Ignore,
        // ICMP about the route to a peer, possibly temporary; or an interface that is down for now.
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            OnReceive::Ignore
        }
        // EPERM: a sandbox forbids the call (seccomp(2)) permanently. No ICMP message maps to it.
        ErrorKind::PermissionDenied if error.raw_os_error() == Some(code::FORBIDDEN) => {
            OnReceive::Fatal
        }
        // EACCES: ICMPv6 "administratively prohibited", from a firewall on the way.
        ErrorKind::PermissionDenied => OnReceive::Ignore,
        // Out of memory now, perhaps not at the next datagram.
        ErrorKind::OutOfMemory => OnReceive::Ignore,
        _ => match error.raw_os_error() {
            // The path's MTU shrank, the host rejects the protocol, or memory was short: each
            // concerns a single datagram.
            Some(raw) if code::PASSING.contains(&raw) => OnReceive::Ignore,
            // A bad descriptor, a bad pointer, or an unknown error: continuing would spin.
            _ => OnReceive::Fatal,
        },
    }
}

/// The table for sending. `train`: whether the failed message was a train. No error is fatal here:
/// a broken socket also fails to receive, and reports it there.
pub(crate) fn on_send(error: &io::Error, train: bool) -> OnSend {
    let raw = error.raw_os_error();
    // EIO: the device cannot checksum the segments of a train. EMSGSIZE, or EINVAL on older
    // kernels: a segment exceeds the path's MTU, or the train has more segments than this kernel
    // allows. Its datagrams may still succeed individually.
    if train && (raw == Some(code::IO) || raw == Some(code::TOO_LARGE) || is_invalid(error)) {
        return OnSend::Split;
    }
    match error.kind() {
        ErrorKind::WouldBlock => OnSend::Wait,
        // Interrupted by a signal.
        ErrorKind::Interrupted => OnSend::Again,
        // ICMP port unreachable for an earlier datagram.
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => OnSend::Refused,
        // No route to this destination; others may be reachable.
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            OnSend::Drop(DropReason::Unreachable)
        }
        // EPERM: a local firewall rule. EACCES: a broadcast without `SO_BROADCAST`.
        ErrorKind::PermissionDenied => OnSend::Drop(DropReason::NotPermitted),
        // Waiting would not help: poll(2) reports "writable" while a device queue is full.
        ErrorKind::OutOfMemory => OnSend::Drop(DropReason::NoBuffers),
        _ if is_invalid(error) => OnSend::Drop(DropReason::Invalid),
        _ => OnSend::Drop(match raw {
            Some(code::NO_BUFFERS) => DropReason::NoBuffers,
            Some(code::TOO_LARGE) => DropReason::TooLarge,
            Some(code::HOST_DOWN) => DropReason::Unreachable,
            Some(code::OTHER_FAMILY) => DropReason::Invalid,
            _ => DropReason::Other,
        }),
    }
}

/// Whether an earlier datagram may have caused this error of a send call. No ICMP message maps to
/// EPERM, which means that a local firewall rejects this datagram.
pub(crate) fn may_be_earlier(error: &io::Error) -> bool {
    error.raw_os_error() != Some(code::FORBIDDEN)
}

/// Whether an earlier datagram exceeded a link's MTU on its way. The system has learned the path's
/// MTU and sends the next one in fragments.
pub(crate) fn is_about_the_path_mtu(error: &io::Error) -> bool {
    error.raw_os_error() == Some(code::TOO_LARGE)
}

/// Whether a train failed because it had too many segments or bytes. Any other error, above all
/// EIO, means that the device cannot split trains of any size.
pub(crate) fn is_about_size(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidInput || error.raw_os_error() == Some(code::TOO_LARGE)
}

/// EINVAL (port 0, a bad option) or EADDRNOTAVAIL (a source address that is not ours).
fn is_invalid(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::AddrNotAvailable)
}

/// Error numbers without a stable `ErrorKind`.
#[cfg(unix)]
mod code {
    use nix::errno::Errno;

    pub(super) const IO: i32 = Errno::EIO as i32;
    pub(super) const FORBIDDEN: i32 = Errno::EPERM as i32;
    pub(super) const TOO_LARGE: i32 = Errno::EMSGSIZE as i32;
    pub(super) const NO_BUFFERS: i32 = Errno::ENOBUFS as i32;
    pub(super) const HOST_DOWN: i32 = Errno::EHOSTDOWN as i32;
    pub(super) const OTHER_FAMILY: i32 = Errno::EAFNOSUPPORT as i32;
    /// Errors of received ICMP messages, beyond the named kinds, and lack of buffers.
    pub(super) const PASSING: &[i32] = &[
        TOO_LARGE,
        NO_BUFFERS,
        HOST_DOWN,
        Errno::EPROTO as i32,
        Errno::ENOPROTOOPT as i32,
        Errno::EOPNOTSUPP as i32,
        #[cfg(target_os = "linux")]
        {
            Errno::ENONET as i32
        },
    ];
}

/// Winsock's numbers of these errors (WSAE…).
#[cfg(not(unix))]
mod code {
    /// No Windows call returns this; trains do not exist there.
    pub(super) const IO: i32 = i32::MIN;
    /// No Windows call returns this.
    pub(super) const FORBIDDEN: i32 = i32::MIN;
    pub(super) const TOO_LARGE: i32 = 10_040;
    pub(super) const NO_BUFFERS: i32 = 10_055;
    pub(super) const HOST_DOWN: i32 = 10_064;
    pub(super) const OTHER_FAMILY: i32 = 10_047;
    /// WSAENETRESET reports an expired time to live.
    pub(super) const PASSING: &[i32] = &[TOO_LARGE, NO_BUFFERS, HOST_DOWN, 10_052];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_concerns_a_connected_socket_only() {
        for kind in [ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset] {
            assert_eq!(on_receive(&kind.into(), true), OnReceive::Refused);
            assert_eq!(on_receive(&kind.into(), false), OnReceive::Ignore);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_bad_descriptor_is_fatal_and_icmp_is_not() {
        use nix::errno::Errno;
        let error = |errno: Errno| io::Error::from_raw_os_error(errno as i32);
        // EPERM comes from a sandbox, not from the network, and recurs.
        for errno in [Errno::EBADF, Errno::EPERM, Errno::ENOSYS] {
            assert_eq!(on_receive(&error(errno), false), OnReceive::Fatal, "{errno}");
        }
        for errno in [Errno::EHOSTUNREACH, Errno::ENOPROTOOPT, Errno::EMSGSIZE, Errno::EACCES] {
            assert_eq!(on_receive(&error(errno), true), OnReceive::Ignore, "{errno}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_a_train_is_split() {
        use nix::errno::Errno;
        let error = |errno: Errno| io::Error::from_raw_os_error(errno as i32);
        for (errno, single) in [
            (Errno::EIO, DropReason::Other),
            (Errno::EINVAL, DropReason::Invalid),
            (Errno::EMSGSIZE, DropReason::TooLarge),
        ] {
            assert_eq!(on_send(&error(errno), true), OnSend::Split);
            assert_eq!(on_send(&error(errno), false), OnSend::Drop(single));
        }
        assert_eq!(on_send(&error(Errno::EPERM), true), OnSend::Drop(DropReason::NotPermitted));
        assert_eq!(on_send(&error(Errno::ENOBUFS), true), OnSend::Drop(DropReason::NoBuffers));
    }
}
