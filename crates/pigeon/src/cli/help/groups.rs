//! The groups of commands in `pigeon --help`.

/// Each group with its commands, in the order in which they are shown.
pub(super) const GROUPS: [(&str, &[&str]); 5] = [
    ("Hub", &["hub", "join", "history"]),
    ("Talk without a hub", &["chat", "contacts"]),
    ("Tools", &["send", "listen", "ask", "serve", "time", "discover"]),
    ("Measure and test", &["bench", "sockets", "relay", "replay"]),
    ("Shell", &["completions", "man", "help"]),
];
