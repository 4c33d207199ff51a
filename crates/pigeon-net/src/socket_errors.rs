//! The one table of socket errors: which of them are ignored, retried, reported or fatal, and why.
//!
//! The rule behind it: an error about one datagram or one peer never ends a loop. UDP sockets
//! report such errors late, at a call that has nothing to do with the datagram that caused them
//! (udp(7), "Error handling").

use std::io::{self, ErrorKind};

use crate::counters::DropReason;

/// What to do about an error of a receiving call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnReceive {
    /// Nothing is there: wait for the next datagram.
    Empty,
    /// Receive again; nothing is lost.
    Again,
    /// Notify the machine that nobody listens at the far side.
    Refused,
    /// Count it and receive again.
    Ignore,
    /// The socket is of no more use.
    Fatal,
}

/// What to do about an error of a sending call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnSend {
    /// Send the same again; nothing is lost.
    Again,
    /// Wait until the send buffer has room.
    Wait,
    /// The far side refused an *earlier* datagram; this one was not sent. Report it and send this
    /// one again, once.
    Refused,
    /// Send the train again datagram by datagram, and remember that the destination needs it.
    Split,
    /// Drop the datagram and go on with the next.
    Drop(DropReason),
}

/// The table for receiving. `connected` says whether the socket has one peer only.
pub(crate) fn on_receive(error: &io::Error, connected: bool) -> OnReceive {
    match error.kind() {
        ErrorKind::WouldBlock => OnReceive::Empty,
        // A signal came first.
        ErrorKind::Interrupted => OnReceive::Again,
        // ICMP port unreachable; Windows calls it "connection reset". From a connected socket it
        // can only be about its peer.
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset if connected => {
            OnReceive::Refused
        }
        // One of many peers has gone. The error does not say which, and the others go on.
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => OnReceive::Ignore,
        // ICMP about the way to a peer, which routers also send in passing; or an interface that
        // is down for now.
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            OnReceive::Ignore
        }
        // EPERM: a sandbox forbids the call (seccomp(2)), and will again. No ICMP message becomes it.
        ErrorKind::PermissionDenied if error.raw_os_error() == Some(code::FORBIDDEN) => {
            OnReceive::Fatal
        }
        // EACCES: ICMPv6 "administratively prohibited", a firewall on the way.
        ErrorKind::PermissionDenied => OnReceive::Ignore,
        // Short of memory now, perhaps not at the next datagram.
        ErrorKind::OutOfMemory => OnReceive::Ignore,
        _ => match error.raw_os_error() {
            // The path's MTU shrank, the far host rejects the protocol, or there was no memory:
            // again news of one datagram.
            Some(raw) if code::PASSING.contains(&raw) => OnReceive::Ignore,
            // A bad descriptor, a bad pointer, or what we have never seen: going on would spin.
            _ => OnReceive::Fatal,
        },
    }
}

/// The table for sending. `train` says whether the message that failed was a train. Nothing here
/// is fatal: a socket that is truly broken also fails to receive, and says so there.
pub(crate) fn on_send(error: &io::Error, train: bool) -> OnSend {
    let raw = error.raw_os_error();
    // EIO: the device cannot checksum what it would have to cut. EMSGSIZE, or EINVAL on older
    // kernels: a segment does not fit the path's MTU, or the train has more segments than this
    // kernel allows. Each of its datagrams may well go by itself.
    if train && (raw == Some(code::IO) || raw == Some(code::TOO_LARGE) || is_invalid(error)) {
        return OnSend::Split;
    }
    match error.kind() {
        ErrorKind::WouldBlock => OnSend::Wait,
        // A signal came first.
        ErrorKind::Interrupted => OnSend::Again,
        // ICMP port unreachable about an earlier datagram.
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => OnSend::Refused,
        // No route to this one destination; the others may have theirs.
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => {
            OnSend::Drop(DropReason::Unreachable)
        }
        // EPERM: a local firewall rule. EACCES: a broadcast without `SO_BROADCAST`.
        ErrorKind::PermissionDenied => OnSend::Drop(DropReason::NotPermitted),
        // Waiting would not help: poll(2) says "writable" while a device queue is full.
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

/// Whether a sending call may report with this error what an earlier datagram met. No ICMP message
/// becomes EPERM, which is a local firewall's word about this datagram.
pub(crate) fn may_be_earlier(error: &io::Error) -> bool {
    error.raw_os_error() != Some(code::FORBIDDEN)
}

/// Whether an earlier datagram was too long for a link on its way. The system has learned the path's
/// MTU and sends the next one in fragments.
pub(crate) fn is_about_the_path_mtu(error: &io::Error) -> bool {
    error.raw_os_error() == Some(code::TOO_LARGE)
}

/// Whether a train that failed with this error was too large, in segments or in bytes. Any other
/// error, EIO above all, comes from a device that cannot cut trains of any size.
pub(crate) fn is_about_size(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidInput || error.raw_os_error() == Some(code::TOO_LARGE)
}

/// EINVAL (port 0, a bad option) and EADDRNOTAVAIL (a source address that is not ours).
fn is_invalid(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::AddrNotAvailable)
}

/// Error numbers that `ErrorKind` has no stable name for.
#[cfg(unix)]
mod code {
    use nix::errno::Errno;

    pub(super) const IO: i32 = Errno::EIO as i32;
    pub(super) const FORBIDDEN: i32 = Errno::EPERM as i32;
    pub(super) const TOO_LARGE: i32 = Errno::EMSGSIZE as i32;
    pub(super) const NO_BUFFERS: i32 = Errno::ENOBUFS as i32;
    pub(super) const HOST_DOWN: i32 = Errno::EHOSTDOWN as i32;
    pub(super) const OTHER_FAMILY: i32 = Errno::EAFNOSUPPORT as i32;
    /// What a received ICMP message can become, beyond the named kinds, and lack of buffers.
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

/// The same in Winsock's numbers, WSAE….
#[cfg(not(unix))]
mod code {
    /// No Windows call answers with this; trains do not exist there.
    pub(super) const IO: i32 = i32::MIN;
    /// Nor with this one.
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
        // EPERM is no network's word but a sandbox's, which says it again each time.
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
