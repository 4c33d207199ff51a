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
    receive_error(error.kind(), error.raw_os_error(), connected, &SYSTEM)
}

/// The same for a given system's error numbers, of which the tests try both.
fn receive_error(kind: ErrorKind, raw: Option<i32>, connected: bool, codes: &Codes) -> OnReceive {
    match kind {
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
        ErrorKind::PermissionDenied if is(raw, codes.forbidden) => OnReceive::Fatal,
        // EACCES: ICMPv6 "administratively prohibited", from a firewall on the way.
        ErrorKind::PermissionDenied => OnReceive::Ignore,
        // Out of memory now, perhaps not at the next datagram.
        ErrorKind::OutOfMemory => OnReceive::Ignore,
        _ => match raw {
            // The path's MTU shrank, the host rejects the protocol, or memory was short: each
            // concerns a single datagram.
            Some(raw) if codes.passing.contains(&raw) => OnReceive::Ignore,
            // A bad descriptor, a bad pointer, or an unknown error: continuing would spin.
            _ => OnReceive::Fatal,
        },
    }
}

/// The table for sending. `train`: whether the failed message was a train. No error is fatal here:
/// a broken socket also fails to receive, and reports it there.
pub(crate) fn on_send(error: &io::Error, train: bool) -> OnSend {
    send_error(error.kind(), error.raw_os_error(), train, &SYSTEM)
}

fn send_error(kind: ErrorKind, raw: Option<i32>, train: bool, codes: &Codes) -> OnSend {
    // EIO: the device cannot checksum the segments of a train. EMSGSIZE, or EINVAL on older
    // kernels: a segment exceeds the path's MTU, or the train has more segments than this kernel
    // allows. Its datagrams may still succeed individually.
    if train && (is(raw, codes.io) || raw == Some(codes.too_large) || is_invalid(kind)) {
        return OnSend::Split;
    }
    match kind {
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
        _ if is_invalid(kind) => OnSend::Drop(DropReason::Invalid),
        _ => OnSend::Drop(match raw {
            Some(raw) if raw == codes.no_buffers => DropReason::NoBuffers,
            Some(raw) if raw == codes.too_large => DropReason::TooLarge,
            Some(raw) if raw == codes.host_down => DropReason::Unreachable,
            Some(raw) if raw == codes.other_family => DropReason::Invalid,
            _ => DropReason::Other,
        }),
    }
}

/// Whether an earlier datagram may have caused this error of a send call. No ICMP message maps to
/// EPERM, which means that a local firewall rejects this datagram.
pub(crate) fn may_be_earlier(error: &io::Error) -> bool {
    !is(error.raw_os_error(), SYSTEM.forbidden)
}

/// Whether an earlier datagram exceeded a link's MTU on its way. The system has learned the path's
/// MTU and sends the next one in fragments.
pub(crate) fn is_about_the_path_mtu(error: &io::Error) -> bool {
    error.raw_os_error() == Some(SYSTEM.too_large)
}

/// Whether a train failed because it had too many segments or bytes. Any other error, above all
/// EIO, means that the device cannot split trains of any size.
pub(crate) fn is_about_size(error: &io::Error) -> bool {
    error.kind() == ErrorKind::InvalidInput || error.raw_os_error() == Some(SYSTEM.too_large)
}

/// EINVAL (port 0, a bad option) or EADDRNOTAVAIL (a source address that is not ours).
fn is_invalid(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::InvalidInput | ErrorKind::AddrNotAvailable)
}

/// Whether the error has a number that this system may not have.
fn is(raw: Option<i32>, code: Option<i32>) -> bool {
    code.is_some() && raw == code
}

/// A system's error numbers that have no stable `ErrorKind`.
struct Codes {
    io: Option<i32>,
    forbidden: Option<i32>,
    too_large: i32,
    no_buffers: i32,
    host_down: i32,
    other_family: i32,
    /// Errors of received ICMP messages, beyond the named kinds, and lack of buffers.
    passing: &'static [i32],
}

#[cfg(unix)]
const SYSTEM: Codes = {
    use nix::errno::Errno;

    Codes {
        io: Some(Errno::EIO as i32),
        forbidden: Some(Errno::EPERM as i32),
        too_large: Errno::EMSGSIZE as i32,
        no_buffers: Errno::ENOBUFS as i32,
        host_down: Errno::EHOSTDOWN as i32,
        other_family: Errno::EAFNOSUPPORT as i32,
        passing: &[
            Errno::EMSGSIZE as i32,
            Errno::ENOBUFS as i32,
            Errno::EHOSTDOWN as i32,
            Errno::EPROTO as i32,
            Errno::ENOPROTOOPT as i32,
            Errno::EOPNOTSUPP as i32,
            #[cfg(target_os = "linux")]
            {
                Errno::ENONET as i32
            },
        ],
    }
};

#[cfg(not(unix))]
const SYSTEM: Codes = WINSOCK;

/// Windows: the numbers that begin with WSAE. No call returns EIO or EPERM there.
#[cfg(any(not(unix), test))]
const WINSOCK: Codes = Codes {
    io: None,
    forbidden: None,
    too_large: 10_040,
    no_buffers: 10_055,
    host_down: 10_064,
    other_family: 10_047,
    // A datagram longer than the buffer, WSAENETRESET (an expired time to live), lack of buffers.
    passing: &[10_040, 10_052, 10_055, 10_064],
};

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

    /// Windows reports a closed port of any earlier peer by WSAECONNRESET (10054), also to a socket
    /// that has many, and a datagram longer than the buffer by WSAEMSGSIZE (10040).
    #[test]
    fn no_error_of_one_datagram_ends_a_loop_on_windows() {
        let receive = |kind, raw, connected| receive_error(kind, Some(raw), connected, &WINSOCK);
        // The standard library's kinds for these numbers.
        for (raw, kind) in [
            (10_054, ErrorKind::ConnectionReset),
            (10_040, ErrorKind::Other),
            (10_052, ErrorKind::Other),
            (10_055, ErrorKind::Other),
            (10_064, ErrorKind::Other),
            (10_051, ErrorKind::NetworkUnreachable),
            (10_065, ErrorKind::HostUnreachable),
        ] {
            assert_eq!(receive(kind, raw, false), OnReceive::Ignore, "{raw}");
        }
        assert_eq!(receive(ErrorKind::ConnectionReset, 10_054, true), OnReceive::Refused);
        // Not a socket: a loop that goes on would spin.
        assert_eq!(receive(ErrorKind::Other, 10_038, false), OnReceive::Fatal);

        let send = |kind, raw| send_error(kind, Some(raw), false, &WINSOCK);
        assert_eq!(send(ErrorKind::ConnectionReset, 10_054), OnSend::Refused);
        assert_eq!(send(ErrorKind::Other, 10_040), OnSend::Drop(DropReason::TooLarge));
        assert_eq!(send(ErrorKind::Other, 10_055), OnSend::Drop(DropReason::NoBuffers));
        assert_eq!(send(ErrorKind::Other, 10_047), OnSend::Drop(DropReason::Invalid));
        assert_eq!(send(ErrorKind::WouldBlock, 10_035), OnSend::Wait);
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
