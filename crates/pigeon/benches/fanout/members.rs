//! Members over plain UDP, as the load generator plays them: all of them in one thread.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU16;
use std::rc::Rc;
use std::time::Duration;

use pigeon_datagram::{MAX_TRAIN_SEGMENTS, SocketId, Transmit};
use pigeon_net::{IoPath, Socket, SocketOptions};

use pigeon_perf::fanout::{Burst, Collected, Members, collect_in_turn};

/// UDP sockets, each with its own address. They can be members of several hubs; one of them is
/// active at a time.
#[derive(Clone)]
pub(crate) struct Sockets(Rc<RefCell<Vec<Socket>>>);

/// The sockets' options.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct With {
    /// Receives datagrams joined by the kernel.
    pub(crate) gro: bool,
    /// Requests each datagram's arrival time.
    pub(crate) timestamps: bool,
}

impl Sockets {
    pub(crate) fn open(count: usize, with: With) -> Sockets {
        let options = SocketOptions {
            path: if with.gro { IoPath::Best } else { IoPath::NoOffload },
            // With GRO the socket reserves more, but only used memory is resident.
            receive_size: 512,
            timestamps: with.timestamps,
            ..SocketOptions::default()
        };
        let open = |n| {
            let [.., high, low] = u32::to_be_bytes(n);
            // 127.0.0.x would eventually include the hub's own 127.0.0.1.
            let address =
                SocketAddr::from((Ipv4Addr::new(127, 1 + high, low / 250, 1 + low % 250), 0));
            Socket::bind(address, &options).expect("an address of 127.0.0.0/8")
        };
        Sockets(Rc::new(RefCell::new((0..count as u32).map(open).collect())))
    }

    /// These sockets as members of the hub at an address.
    pub(crate) fn of(&self, hub: SocketAddr) -> Box<dyn Members> {
        Box::new(UdpMembers { sockets: self.clone(), hub, outbox: Vec::new(), queue: Vec::new() })
    }
}

struct UdpMembers {
    sockets: Sockets,
    hub: SocketAddr,
    outbox: Vec<u8>,
    queue: Vec<Transmit>,
}

/// How long the kernel may take to make space for sending.
const ROOM: Duration = Duration::from_secs(1);

impl Members for UdpMembers {
    fn count(&self) -> usize {
        self.sockets.0.borrow().len()
    }

    fn join(&mut self) {
        let heartbeat = Transmit {
            socket: SocketId::FIRST,
            to: self.hub,
            from: None,
            range: 0..4,
            segment: None,
        };
        for (n, socket) in self.sockets.0.borrow_mut().iter_mut().enumerate() {
            socket.send(b"^hb^", std::slice::from_ref(&heartbeat), ROOM);
            // Sends at most as many at once as the smallest receive buffer holds.
            if n % 100 == 99 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// Sends messages of equal size as trains, like an optimised sender.
    fn publish(&mut self, burst: &Burst) {
        self.outbox.clear();
        self.queue.clear();
        let to = self.hub;
        for train in burst.texts.chunk_by(|one, next| one.len() == next.len()) {
            for train in train.chunks(MAX_TRAIN_SEGMENTS) {
                let start = self.outbox.len();
                train.iter().for_each(|text| self.outbox.extend_from_slice(text.as_bytes()));
                let size = u16::try_from(train[0].len()).expect("messages are short");
                let segment = NonZeroU16::new(size).filter(|_| train.len() > 1);
                let range = start..self.outbox.len();
                self.queue.push(Transmit {
                    socket: SocketId::FIRST,
                    to,
                    from: None,
                    range,
                    segment,
                });
            }
        }
        self.sockets.0.borrow_mut()[0].send(&self.outbox, &self.queue, ROOM);
    }

    fn collect(&mut self, burst: &Burst, patience: Duration) -> Collected {
        let (hub, mark, due) = (self.hub, burst.mark.as_bytes(), burst.texts.len());
        let mut last = None;
        let mut sockets = self.sockets.0.borrow_mut();
        let copies = collect_in_turn(&mut sockets, due, patience, |socket| {
            let mut got = 0;
            let received = socket.receive(&mut |datagram| {
                // A chat line ends in a newline, a bare hub's copy does not.
                if datagram.from == hub && datagram.payload.trim_ascii_end().ends_with(mark) {
                    got += 1;
                    last = last.max(datagram.wall);
                }
            });
            received.expect("the socket works");
            got
        });
        Collected { copies, last }
    }

    fn kernel_drops(&mut self) -> u64 {
        self.sockets.0.borrow_mut().iter_mut().map(Socket::kernel_drops).sum()
    }
}
