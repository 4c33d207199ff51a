//! The tables, compiled in as gzip, which is a third of their size.

use std::io::Read as _;

use flate2::read::GzDecoder;
use pigeon_proto::Language;

macro_rules! subjects {
    ($($subject:literal)*) => {
        [$((
            $subject,
            [
                include_bytes!(concat!(env!("OUT_DIR"), "/en/", $subject, ".ftl.gz")),
                include_bytes!(concat!(env!("OUT_DIR"), "/zh/", $subject, ".ftl.gz")),
            ],
        )),*]
    };
}

/// Every subject with its English and Chinese text. Add new files here.
pub(super) const SUBJECTS: [(&str, [&[u8]; 2]); 8] =
    subjects!["chat" "errors" "help" "history" "hub" "join" "screen" "tools"];

pub(super) fn text(language: Language, place: usize) -> String {
    let [english, chinese] = SUBJECTS[place].1;
    let gzip = match language {
        Language::English => english,
        Language::Chinese => chinese,
    };
    let mut text = String::new();
    // The build has compressed it. Keys are shown where it has not.
    let _ = GzDecoder::new(gzip).read_to_string(&mut text);
    text
}
