//! Random bytes as a packet of IP Messenger.
//!
//! A packet is rejected, or survives writing and parsing. A participant answers only its sender, at
//! most once at a time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pigeon_datagram::{Instant, Machine, Received};
use pigeon_fuzz::drain::drain;
use pigeon_fuzz::ipmsg::{address, messenger};
use pigeon_ipmsg::{Event, Packet};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(packet) = Packet::parse(bytes) {
        let written = packet.to_bytes();
        let again = Packet::parse(&written).expect("what is written can be read");
        // Line ends in a field are replaced.
        if !packet.version.contains(&b'\n') && !written.is_empty() {
            assert_eq!((again.number, again.command), (packet.number, packet.command));
            assert_eq!(again.extra, packet.extra);
        }
    }
    let mut messenger = messenger(7);
    for _ in 0..2 {
        messenger.handle_datagram(Instant::ORIGIN, &Received::new(address(2), bytes));
        let sent = drain(&mut messenger);
        assert!(sent.len() <= 1 && sent.iter().all(|(to, _)| *to == address(2)));
        while let Some(event) = messenger.poll_event() {
            if let Event::Text(text) = event {
                assert!(text.text.len() <= 4 * bytes.len() && text.files.len() <= 16);
            }
        }
        for contact in messenger.contacts() {
            let texts = [contact.nick, contact.group, contact.user, contact.host];
            assert!(texts.iter().all(|text| text.chars().count() <= 64));
        }
    }
});
