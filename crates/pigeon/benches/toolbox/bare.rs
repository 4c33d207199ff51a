//! The floors: programs with nothing in them but system calls.

use pigeon_perf::bare::{Batch, JOINED, Sender, announce, open};

/// An echo: recvmmsg in, sendmmsg out; with trains, GRO in and GSO out.
pub(crate) fn echo(trains: bool) -> ! {
    let socket = open(trains);
    announce(&socket);
    let (mut batch, mut sender) = (Batch::new(JOINED), Sender::new());
    loop {
        batch.wait(&socket);
        sender.forward(&socket, &batch, true);
    }
}

/// Counts datagrams and throws them away. An empty one is the end of a run: it says how many came.
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
