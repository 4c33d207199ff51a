//! The tables, compiled in.

use pigeon_proto::Language;

macro_rules! subjects {
    ($($subject:literal)*) => {
        [$((
            $subject,
            [
                include_str!(concat!("../../words/en/", $subject, ".ftl")),
                include_str!(concat!("../../words/zh/", $subject, ".ftl")),
            ],
        )),*]
    };
}

/// Every subject with its English and Chinese text. Add new files here.
pub(super) const SUBJECTS: [(&str, [&str; 2]); 8] =
    subjects!["chat" "errors" "help" "history" "hub" "join" "screen" "tools"];

pub(super) fn text(language: Language, place: usize) -> &'static str {
    let [english, chinese] = SUBJECTS[place].1;
    match language {
        Language::English => english,
        Language::Chinese => chinese,
    }
}
