/// The groups of `pigeon --help` and their commands, in display order.
pub(super) const GROUPS: [(&str, &[&str]); 5] = [
    ("Hub", &["hub", "join", "invite", "history"]),
    ("Talk without a hub", &["chat", "contacts"]),
    ("Tools", &["send", "listen", "ask", "serve", "time", "discover"]),
    ("Measure and test", &["bench", "sockets", "relay", "replay"]),
    ("Shell", &["completions", "man", "help"]),
];
