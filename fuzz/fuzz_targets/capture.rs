//! A random capture file: it is read to its end or to an error, and its datagrams survive writing
//! and reading again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::net::SocketAddr;
use std::time::Duration;

use pigeon_capture::{Decoder, Packet, ReadError, Reader, Writer};

fuzz_target!(|file: &[u8]| {
    let (packets, _) = read(file);
    // Each packet has a header.
    assert!(packets.len() <= file.len() / 16);
    let kept: usize = packets.iter().map(|packet| packet.data.len()).sum();
    assert!(kept <= file.len(), "{kept} bytes out of {}", file.len());

    let mut writer = Writer::new(Vec::new()).expect("memory takes it");
    let found = datagrams(&packets);
    for (time, from, to, payload) in &found {
        writer.write(*time, *from, *to, payload, payload.len()).expect("memory takes it");
    }
    let (again, error) = read(writer.get_ref());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(datagrams(&again), found);
});

/// The datagrams in packets, including reassembled ones.
fn datagrams(packets: &[Packet]) -> Vec<(Duration, SocketAddr, SocketAddr, Vec<u8>)> {
    let mut decoder = Decoder::new();
    let found = packets.iter().filter_map(|packet| {
        let found = decoder.decode(packet).ok()?;
        // After the year 2554 nanoseconds do not fit the format.
        let time = packet.time.unwrap_or_default().min(Duration::from_nanos(u64::MAX));
        Some((time, found.from, found.to, found.payload.to_vec()))
    });
    found.collect()
}

/// All packets, and the error that ended the capture, if any.
fn read(file: &[u8]) -> (Vec<Packet>, Option<ReadError>) {
    let mut packets = Vec::new();
    let mut reader = match Reader::new(file) {
        Ok(reader) => reader,
        Err(error) => return (packets, Some(error)),
    };
    loop {
        match reader.next_packet() {
            Ok(Some(packet)) => packets.push(packet),
            Ok(None) => return (packets, None),
            Err(error) => return (packets, Some(error)),
        }
    }
}
