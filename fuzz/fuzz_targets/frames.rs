//! Any bytes as frames of a reliable link.
//!
//! A line is refused with a reason that can be shown, or it comes back when it is written and read
//! again. However the stream is cut into pieces, its lines are the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pigeon_proto::frame::{ClientFrame, HubFrame, Lines, MAX_FRAME};

fuzz_target!(|bytes: &[u8]| {
    let (cut, stream) = match bytes.split_first() {
        Some((cut, stream)) => (usize::from(*cut) + 1, stream),
        None => return,
    };
    let whole = lines(stream, stream.len().max(1), MAX_FRAME);
    assert_eq!(lines(stream, cut, MAX_FRAME), whole);
    // Where a line is too long, what precedes it was the same.
    let short = lines(stream, cut, 64);
    assert!(short.iter().eq(whole.iter().take(short.len())));
    for line in whole {
        match ClientFrame::parse(&line) {
            Ok(frame) => {
                let again = ClientFrame::parse(written(|out| frame.write(out)).trim_ascii());
                assert!(frame == ClientFrame::Unknown || again.as_ref() == Ok(&frame));
            }
            Err(error) => assert!(!error.to_string().contains(char::is_control)),
        }
        match HubFrame::parse(&line) {
            Ok(frame) => {
                let again = HubFrame::parse(written(|out| frame.write(out)).trim_ascii());
                assert!(frame == HubFrame::Unknown || again.as_ref() == Ok(&frame));
            }
            Err(error) => assert!(!error.to_string().contains(char::is_control)),
        }
    }
});

fn written(write: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut line = Vec::new();
    write(&mut line);
    assert!(line.len() <= 1 || line.iter().filter(|byte| **byte == b'\n').count() == 1);
    line
}

fn lines(stream: &[u8], cut: usize, most: usize) -> Vec<Vec<u8>> {
    let (mut lines, mut found) = (Lines::default(), Vec::new());
    for part in stream.chunks(cut) {
        lines.push(part);
        while let Ok(Some(line)) = lines.next_line(most) {
            assert!(line.len() < most);
            found.push(line.to_vec());
        }
        assert!(lines.len() <= stream.len());
    }
    found
}
