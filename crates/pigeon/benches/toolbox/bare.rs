//! The floors: programs made only of system calls.

use pigeon_perf::bare::{Batch, JOINED, Sender, announce, open};

/// An echo: recvmmsg and sendmmsg; with trains, GRO and GSO.
pub(crate) fn echo(trains: bool) -> ! {
    let socket = open(trains);
    announce(&socket);
    let (mut batch, mut sender) = (Batch::new(JOINED), Sender::new());
    loop {
        batch.wait(&socket);
        sender.forward(&socket, &batch, true);
    }
}

/// Counts and discards datagrams. An empty one ends a run, and prints the count.
pub(crate) fn receiver() -> ! {
    let socket = open(false);
    let mut batch = Batch::new(2_048);
    let mut count = 0_u64;
    loop {
        batch.wait(&socket);
        for message in batch.messages() {
            match message.length {
                0 => println!("{}", std::mem::take(&mut count)),
                _ => count += 1,
            }
        }
    }
}
