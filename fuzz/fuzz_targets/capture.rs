//! A capture file from anywhere: whatever it says, it is read to its end or to a reason, and what
//! datagrams it holds can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pigeon_capture::{Packet, ReadError, Reader, Writer, datagram};

fuzz_target!(|file: &[u8]| {
    let (packets, _) = read(file);
    // Each packet has a header of its own.
    assert!(packets.len() <= file.len() / 16);
    let kept: usize = packets.iter().map(|packet| packet.data.len()).sum();
    assert!(kept <= file.len(), "{kept} bytes out of {}", file.len());

    let mut writer = Writer::new(Vec::new()).expect("memory takes it");
    let mut datagrams = Vec::new();
    for packet in &packets {
        let Ok(found) = datagram(packet.link, &packet.data) else { continue };
        let whole = found.payload.len();
        // Of times after 2554 nanoseconds do not fit the format.
        let time = packet.time.min(std::time::Duration::from_nanos(u64::MAX));
        writer.write(time, found.from, found.to, found.payload, whole).expect("memory takes it");
        datagrams.push((time, found));
    }
    let (again, error) = read(writer.get_ref());
    assert!(error.is_none(), "{error:?}");
    let again: Vec<_> = again
        .iter()
        .map(|packet| (packet.time, datagram(packet.link, &packet.data).expect("it was one")))
        .collect();
    assert_eq!(again, datagrams);
});

/// All packets, and why there are no more unless the capture ends.
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
