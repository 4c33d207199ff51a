//! Compares other projects' captures with Wireshark's `tshark`, payload by payload: each file in
//! the folder that `PIGEON_CAPTURES` names. Prints every difference, and fails unless it is one of
//! [`Difference`]'s known kinds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests, outside of `#[test]`"
)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use pigeon_capture::{Decoder, ReadError, Reader, Skip};

/// Protocols that tshark decodes: those of our decoder, and IP in IP. None above UDP, whatever the
/// ports.
const PROTOCOLS: [&str; 41] = [
    "frame",
    "eth",
    "vlan",
    "ieee8021ah",
    "cfp",
    "mpls",
    "pppoes",
    "ppp",
    "llc",
    "sll",
    "null",
    "raw",
    "nflog",
    "pflog",
    "enc",
    "chdlc",
    "fr",
    "atm",
    "fddi",
    "ipfc",
    "ap1394",
    "wlan",
    "wlan_radio",
    "radiotap",
    "prism",
    "wlancap",
    "ppi",
    "pktap",
    "ethertype",
    "pcapng",
    "ieee8021ad",
    "ip",
    "ipv6",
    "ipv6.hopopts",
    "ipv6.routing",
    "ipv6.fraghdr",
    "ipv6.dstopts",
    "ah",
    "udp",
    "data",
    "sunatm",
];

const FIELDS: [&str; 10] = [
    "frame.encap_type",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "udp.srcport",
    "udp.dstport",
    "udp.length",
    "udp.payload",
    "frame.protocols",
];

/// A datagram of the capture: from, to, payload.
type Datagram = (SocketAddr, SocketAddr, Vec<u8>);

/// A datagram as tshark shows it.
struct Theirs {
    datagram: Datagram,
    /// Whether the datagram's length field exceeds the captured bytes.
    is_cut: bool,
    /// Whether the datagram's IP packet is inside another one.
    is_inside: bool,
    /// Whether tshark cuts a presumed checksum of four bytes off the frame.
    is_shortened: bool,
}

/// Known differences, by our verdict on the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    /// tshark shows the captured part of a payload; we skip it, because it cannot be sent.
    Cut,
    /// tshark looks into tunnels and into packets quoted by ICMP errors.
    Inside,
    /// tshark cuts a checksum off FabricPath frames that have none.
    Checksum,
    /// tshark supports more link layers.
    UnknownLink,
    /// tshark shows parts of contradictory packets; a receiver drops them.
    Malformed,
    /// Any other difference: a failure.
    Unexplained,
}

#[test]
#[ignore = "needs PIGEON_CAPTURES, a folder of captures, and tshark"]
fn payloads_are_those_that_tshark_shows() {
    let folder = std::env::var_os("PIGEON_CAPTURES").expect("PIGEON_CAPTURES names a folder");
    let mut files = files_in(Path::new(&folder));
    files.sort();
    let (mut with_datagrams, mut equal, mut unread) = (0, 0_u64, 0);
    let mut differences = BTreeMap::<Difference, u64>::new();
    for file in &files {
        let shown = file.file_name().unwrap_or_default().to_string_lossy();
        let (ours, error) = ours(file);
        let theirs = theirs(file);
        if let Some(error) = &error {
            unread += 1;
            println!("{shown}: {error}, after {} packets", ours.len());
        }
        with_datagrams += u32::from(!theirs.is_empty());
        for (number, ours) in (1..).zip(&ours) {
            let theirs = theirs.get(&number);
            if ours.as_ref().ok() == theirs.map(|theirs| &theirs.datagram) {
                equal += u64::from(theirs.is_some());
                continue;
            }
            let difference = match (ours, theirs) {
                (Err(Skip::Cut), Some(Theirs { is_cut: true, .. })) => Difference::Cut,
                (Err(Skip::Tunnel), Some(_)) => Difference::Inside,
                (Err(Skip::NotUdp), Some(Theirs { is_inside: true, .. })) => Difference::Inside,
                (Ok(_), Some(Theirs { is_shortened: true, .. })) => Difference::Checksum,
                (Err(Skip::UnknownLink), Some(_)) => Difference::UnknownLink,
                (Err(Skip::Malformed), Some(_)) => Difference::Malformed,
                _ => Difference::Unexplained,
            };
            *differences.entry(difference).or_default() += 1;
            if difference >= Difference::Malformed {
                let ours = ours.as_ref().map_or_else(|skip| format!("{skip:?}"), show);
                let theirs = theirs.map_or("nothing".into(), |theirs| show(&theirs.datagram));
                println!("{shown} packet {number}: {difference:?}: {ours}; tshark: {theirs}");
            }
        }
        let beyond = theirs.range(ours.len() as u64 + 1..).count() as u64;
        if beyond > 0 {
            println!("{shown}: {beyond} datagrams of tshark's come after our end");
            *differences.entry(Difference::Unexplained).or_default() += beyond;
        }
    }
    println!(
        "{} files, {with_datagrams} with UDP, {equal} datagrams equal, {differences:?}; {unread} files \
         not read to their end",
        files.len()
    );
    assert!(with_datagrams > 0, "no file holds UDP");
    assert_eq!(differences.get(&Difference::Unexplained), None);
}

/// Our result for each packet, and the error that ended the capture.
fn ours(file: &Path) -> (Vec<Result<Datagram, Skip>>, Option<ReadError>) {
    let (mut packets, mut decoder) = (Vec::new(), Decoder::new());
    let mut reader = match File::open(file).map_err(ReadError::Io).and_then(Reader::new) {
        Ok(reader) => reader,
        Err(error) => return (packets, Some(error)),
    };
    loop {
        match reader.next_packet() {
            Ok(Some(packet)) => packets.push(
                decoder.decode(&packet).map(|found| (found.from, found.to, found.payload.to_vec())),
            ),
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error)),
        }
    }
}

/// The datagrams that tshark shows, by packet number.
fn theirs(file: &Path) -> BTreeMap<u64, Theirs> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(file).args(["-n", "--disable-protocol", "ALL"]);
    for name in PROTOCOLS {
        command.args(["--enable-protocol", name]);
    }
    command.args(["-T", "fields", "-E", "separator=|", "-E", "occurrence=f"]);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    // Other blocks of a pcapng file have numbers too, but no link layer.
    let packets = text.lines().filter(|line| !line.starts_with('|'));
    let numbered = (1..).zip(packets);
    numbered.filter_map(|(number, line)| Some((number, datagram(line)?))).collect()
}

fn datagram(line: &str) -> Option<Theirs> {
    let fields: Vec<&str> = line.split('|').collect();
    let [_, v4_from, v4_to, v6_from, v6_to, from, to, length, payload, protocols] = fields[..]
    else {
        panic!("tshark says {line:?}")
    };
    if from.is_empty() {
        return None;
    }
    let is_shortened = protocols.contains(":cfp:");
    // A length below 8 is not a datagram. If tshark cuts off the length field, the datagram is
    // empty.
    let length = length.parse::<usize>().ok().or(is_shortened.then_some(8))?.checked_sub(8)?;
    let path = protocols.split(':').take_while(|name| *name != "udp");
    let versions: Vec<&str> = path.filter(|name| ["ip", "ipv6"].contains(name)).collect();
    let end = |v4: &str, v6: &str, port: &str| {
        let is_v4 = v6.is_empty() || !v4.is_empty() && versions.first() == Some(&"ip");
        let ip: IpAddr = if is_v4 { v4 } else { v6 }.parse().unwrap();
        SocketAddr::new(ip, port.parse().unwrap())
    };
    let (digits, _) = payload.as_bytes().as_chunks::<2>();
    let byte = |digits: &[u8; 2]| u8::from_str_radix(str::from_utf8(digits).unwrap(), 16).unwrap();
    // tshark shows the whole rest of the IP packet.
    let payload: Vec<u8> = digits.iter().take(length).map(byte).collect();
    let (is_cut, is_inside) = (payload.len() < length, versions.len() > 1);
    let datagram = (end(v4_from, v6_from, from), end(v4_to, v6_to, to), payload);
    Some(Theirs { datagram, is_cut, is_inside, is_shortened })
}

fn show((from, to, payload): &Datagram) -> String {
    format!("{from} > {to}, {} bytes: {:02x?}", payload.len(), &payload[..payload.len().min(8)])
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be read").flatten() {
        let path = entry.path();
        match path.is_dir() {
            true => files.extend(files_in(&path)),
            false => files.push(path),
        }
    }
    files
}
