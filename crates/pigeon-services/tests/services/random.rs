//! Random datagrams to each service: nothing breaks, and every reply stays within its limit.

use jiff::tz::TimeZone;
use pigeon_services::Kind;
use pigeon_services::strftime::{MAX_OUTPUT, format};
use proptest::prelude::*;

use crate::harness::{Dice, NOW, ZONE, ask, config, service};

#[test]
fn a_hundred_thousand_random_formats_do_no_harm() {
    let zone = TimeZone::posix(ZONE).unwrap();
    let mut dice = Dice(1);
    let words =
        ["%", "%%", "狗", "\0", "E", "O", "-", "_", "0", "^", "#", ":", ".", "9", "%c", " "];
    let (mut good, mut out) = (0, Vec::new());
    for n in 0..100_000 {
        let mut text = Vec::new();
        for _ in 0..dice.below(if n % 100 == 0 { 600 } else { 12 }) {
            match dice.below(4) {
                0 => text.extend_from_slice(dice.of(&words).as_bytes()),
                1 if n % 10 == 0 => text.push(dice.next() as u8),
                _ => text.extend([b'%', b'A' + dice.below(58) as u8]),
            }
        }
        out.clear();
        match format(&text, NOW, &zone, &mut out) {
            Ok(()) => good += 1,
            Err(_) => assert!(out.is_empty()),
        }
        assert!(out.len() <= MAX_OUTPUT);
        assert!(str::from_utf8(&out).is_ok());
    }
    // Without good formats the test would be empty.
    assert!((10_000..90_000).contains(&good), "{good}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn no_request_breaks_a_service(
        kind in 0..Kind::ALL.len(),
        requests in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..120), 1..8),
        is_open in any::<bool>(),
    ) {
        let mut service = service(Kind::ALL[kind], config());
        let from = if is_open { "10.0.0.1:5000" } else { "8.8.8.8:5000" };
        for request in &requests {
            let reply = ask(&mut service, from, request);
            prop_assert!(is_open || reply.is_none_or(|reply| reply.len() <= request.len()));
        }
        let statistics = service.snapshot();
        let outcomes = statistics.replies + statistics.discarded + statistics.ignored_in_all();
        prop_assert_eq!(outcomes, requests.len() as u64);
    }
}
