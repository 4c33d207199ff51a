//! The floor: two sockets connected only by system calls.
//!
//! It moves datagrams from recvmmsg on one socket to sendmmsg on the other. Datagrams that GRO
//! joined leave as one GSO train, so nothing is inspected or copied. The first sender is the only
//! client.

use std::net::SocketAddr;
use std::os::fd::AsFd;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use pigeon_perf::bare::{Batch, JOINED, Sender, announce, open};

pub(crate) fn run(target: SocketAddr) -> ! {
    let (clients, upstream) = (open(true), open(true));
    upstream.connect(target).expect("the target");
    announce(&clients);
    let (_, client) = clients.peek_from(&mut [0; 1]).expect("a client comes");
    clients.connect(client).expect("the client");

    let (mut batch, mut sender) = (Batch::new(JOINED), Sender::new());
    loop {
        let mut fds = [&clients, &upstream].map(|s| PollFd::new(s.as_fd(), PollFlags::POLLIN));
        poll(&mut fds, PollTimeout::NONE).expect("poll works");
        for (from, to) in [(&clients, &upstream), (&upstream, &clients)] {
            batch.take(from);
            sender.forward(to, &batch, false);
        }
    }
}
