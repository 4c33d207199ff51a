//! Resident memory of a server for silent members and unfinished handshakes.

use std::net::UdpSocket;
use std::sync::OnceLock;
use std::time::Duration;

use pigeon_datagram::{Instant, Machine, Received};
use pigeon_perf::cpu::Cpus;
use pigeon_perf::process::{Process, ourselves};
use pigeon_perf::report::{Report, Wanted};
use pigeon_perf::server::Server;
use pigeon_quic::{Client, ClientConfig, Limits, Pin};

/// The number of members, if it is not 10,000.
pub(crate) static COUNT: OnceLock<u64> = OnceLock::new();

/// Members at the first memory reading.
const WARM: u64 = 100;

/// Maximum bytes per silent member.
const TARGET: f64 = 32.0 * 1024.0;

pub(crate) fn silent(cpus: Cpus) -> Report {
    let count = *COUNT.get_or_init(|| 10_000);
    let mut report = Report::new("quic-memory");
    report.section(&format!("{count} silent members"));
    let server = Server::floor(&[cpus.hub], "ours lines");
    let members = |count| {
        let args = format!("silent-members {} {count}", server.address);
        let process = Process::start(&[cpus.load], ourselves(&args));
        process.wait_for("everybody is connected");
        process
    };
    let warm = members(WARM);
    let before = server.process.resident_bytes();
    let crowd = members(count);
    // Connection ids and acknowledgements are still being exchanged.
    std::thread::sleep(Duration::from_secs(2));
    let after = server.process.resident_bytes();
    drop((warm, crowd));
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let row = vec![
        ("members", count.into()),
        ("mib_with_a_hundred", mib(before).into()),
        ("mib_with_all", mib(after).into()),
    ];
    report.table(vec![("pigeon-quic".into(), row)]);
    let each = after.saturating_sub(before) as f64 / count as f64;
    report.judge("bytes a silent member", each, Wanted::AtMost(TARGET));
    report
}

/// Handshakes of the half-open test.
const HALF_OPEN: u32 = 10_000;

pub(crate) fn half_open(cpus: Cpus) -> Report {
    let mut report = Report::new("quic-half-open");
    report.section(&format!("{HALF_OPEN} handshakes that stop after the server's first flight"));
    let mut command = ourselves("ours lines");
    command.env("QUIC_DEFAULT_LIMITS", "1");
    let server = Server::announced(&[cpus.hub], command, "listening on ");
    let before = server.process.resident_bytes();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(server.address).expect("an address");
    socket.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
    let base = std::time::Instant::now();
    let config = ClientConfig { seed: [3; 32], base, limits: Limits::default() };
    let mut client = Client::new(config).expect("sound settings");
    let mut buffer = [0; 2048];
    let (mut answered, mut largest) = (0u32, before);
    for number in 0..HALF_OPEN {
        let now = Instant::from_nanos(u64::from(number));
        client.connect(now, server.address, Pin::FirstUse).expect("an address");
        send(&mut client, &socket);
        // The client answers the Retry, and nothing after that.
        if let Ok(length) = socket.recv(&mut buffer) {
            client.handle_datagram(now, &Received::new(server.address, &buffer[..length]));
            send(&mut client, &socket);
            answered += 1;
        }
        socket.set_nonblocking(true).expect("a socket");
        while socket.recv(&mut buffer).is_ok() {}
        socket.set_nonblocking(false).expect("a socket");
        if number % 100 == 0 {
            largest = largest.max(server.process.resident_bytes());
        }
    }
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let row = vec![
        ("sent", u64::from(HALF_OPEN).into()),
        ("answered_the_retry", u64::from(answered).into()),
        ("mib_before", mib(before).into()),
        ("mib_at_the_most", mib(largest).into()),
    ];
    report.table(vec![("pigeon-quic".into(), row)]);
    report.judge("MiB more", mib(largest) - mib(before), Wanted::AtMost(64.0));
    // Members can still join: an unfinished handshake times out after ten seconds.
    std::thread::sleep(Duration::from_secs(11));
    crate::members::Member::new(0, server.address).wait();
    report
}

fn send(client: &mut Client, socket: &UdpSocket) {
    while let Some(transmit) = client.poll_transmit() {
        for datagram in transmit.datagrams(client.outbox()) {
            let _ = socket.send(datagram);
        }
    }
}
