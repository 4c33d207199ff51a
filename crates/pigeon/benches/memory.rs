//! What a silent member costs: the resident memory of a real `pigeon hub`, divided by members.
//!
//! ```text
//! cargo bench -p pigeon --bench memory            a million members
//! cargo bench -p pigeon --bench memory -- 100000  so many
//! ```
//!
//! One socket plays all members, by sending each heartbeat from another address of 127.0.0.0/8
//! (IP_PKTINFO); the hub's own answer to a padded heartbeat says how many it has. The cost is the
//! growth from a thousand members, when every buffer has been used, to all of them. Linux only: it
//! reads `/proc`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that fails ends")]

use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pigeon_datagram::Transmit;
use pigeon_net::{Receipt, Socket, SocketOptions};

const WARM: usize = 1_000;
const TARGET: f64 = 200.0;

fn main() {
    let members: usize =
        std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    let (mut hub, address) = start_hub(members);
    let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let mut socket = Socket::bind(any, &SocketOptions::default()).expect("a socket");

    fill(&mut socket, address, WARM);
    let before = resident_bytes(hub.id());
    let start = Instant::now();
    fill(&mut socket, address, members);
    let seconds = start.elapsed().as_secs_f64();
    let after = resident_bytes(hub.id());
    hub.kill().expect("the hub ends");
    hub.wait().expect("the hub ends");

    let each = (after - before) as f64 / (members - WARM) as f64;
    println!("members            {members}");
    println!("resident before    {before} bytes, with {WARM} members");
    println!("resident after     {after} bytes");
    println!("a silent member    {each:.1} bytes (at most {TARGET} wanted)");
    println!("joining took       {seconds:.1} s, generator included");
    println!(
        r#"{{"bench":"memory","members":{members},"before":{before},"after":{after},"bytes_per_member":{each:.1}}}"#
    );
    if each > TARGET {
        std::process::exit(1);
    }
}

fn start_hub(members: usize) -> (Child, SocketAddr) {
    let mut hub = Command::new(env!("CARGO_BIN_EXE_pigeon"))
        .args(["hub", "--listen", "127.0.0.1:0", "--console", "off", "--timeout", "1h"])
        .args(["--max-members", &members.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the hub starts");
    let mut lines = BufReader::new(hub.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address = lines.find_map(|line| {
        let rest = line.split("listening on ").nth(1)?;
        rest.split_whitespace().next()?.parse().ok()
    });
    // Its log is read on, so that the pipe never fills up.
    std::thread::spawn(move || lines.for_each(drop));
    (hub, address.expect("the hub says where it listens"))
}

/// Sends heartbeats from addresses 0 to `members` until the hub has them all.
fn fill(socket: &mut Socket, hub: SocketAddr, members: usize) {
    let heartbeat = b"^hb^";
    let deadline = Instant::now() + Duration::from_secs(100);
    let mut transmits = Vec::with_capacity(256);
    // The kernel may drop some, so everyone is sent for until nobody is missing.
    while count(socket, hub) < members {
        assert!(Instant::now() < deadline, "the hub took too long");
        for first in (0..members).step_by(256) {
            transmits.clear();
            transmits.extend((first..members.min(first + 256)).map(|n| Transmit {
                to: hub,
                from: Some(member_ip(n)),
                range: 0..heartbeat.len(),
                segment: None,
            }));
            socket.send(heartbeat, &transmits, Duration::from_secs(1));
            if first % 32_768 == 0 {
                // Its answer shows that the hub has read what came before.
                count(socket, hub);
            }
        }
    }
}

/// The n-th member's address: 127.0.0.1 and up, without network and broadcast look-alikes.
fn member_ip(n: usize) -> IpAddr {
    let n = u32::try_from(n).unwrap();
    Ipv4Addr::from(0x7f00_0001 + (n / 254) * 256 + n % 254).into()
}

/// How many members the hub has, by its answer to the first member's padded heartbeat.
fn count(socket: &mut Socket, hub: SocketAddr) -> usize {
    let padded = format!("{:64}", "^hb^");
    let ask = Transmit { to: hub, from: Some(member_ip(0)), range: 0..64, segment: None };
    loop {
        socket.send(padded.as_bytes(), std::slice::from_ref(&ask), Duration::from_secs(1));
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(1) {
            let mut members = None;
            let receipt = socket.receive(&mut |datagram| {
                let text = String::from_utf8_lossy(datagram.payload);
                let answer = text.strip_prefix("^hb^ pigeon/1 ");
                members = answer.and_then(|rest| rest.split(' ').next()?.parse().ok()).or(members);
            });
            match (members, receipt.expect("the socket works")) {
                (Some(members), _) => return members,
                (None, Receipt::Empty) => std::thread::sleep(Duration::from_micros(200)),
                (None, _) => {}
            }
        }
    }
}

fn resident_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
