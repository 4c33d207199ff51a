//! Any bytes as what a browser sends over a WebSocket.
//!
//! However the stream is cut into pieces, its messages are the same, up to the first frame that is
//! refused; and no message is longer than its limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pigeon_web::fuzzing::messages;

fuzz_target!(|bytes: &[u8]| {
    let Some((cuts, stream)) = bytes.split_at_checked(4) else { return };
    let mut cuts = cuts.iter().map(|cut| usize::from(*cut) + 1).cycle();
    let whole = messages(stream, &mut std::iter::empty());
    assert_eq!(messages(stream, &mut cuts), whole);
    assert_eq!(messages(stream, &mut std::iter::repeat(1)), whole);
});
