//! Texts for contacts: lines of rooms, notices, and a greeting.

use std::sync::Arc;
use std::time::Duration;

use pigeon_hub::{Config, Left};
use pigeon_ipmsg::{ContactView, Offer, PORT};
use pigeon_proto::{Gone, Label, Language, Name, Notice, RoomName, sentence};
use pigeon_text::escape;

use crate::output::wall;

/// Maximum bytes of a part of a long line: fits iptux's buffer in any encoding.
const MAX_PART: usize = 3_400;

/// Prefix of the second and later lines of a message, so that none looks like another member's
/// message.
const INDENT: &str = "\n    ";

/// Formats a member's message for contacts.
pub(super) fn line(label: &str, text: &[u8]) -> Arc<str> {
    let lines: Vec<String> =
        text.split(|&byte| byte == b'\n').map(|line| escape(line).to_string()).collect();
    format!("{label}: {}", lines.join(INDENT)).into()
}

/// Whether a line fits a packet.
pub(super) fn fits(line: &str) -> bool {
    line.len() <= MAX_PART
}

/// Splits a line into parts that fit a packet.
pub(super) fn parts(line: &str) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        let end = (0..=MAX_PART.min(rest.len())).rev().find(|end| rest.is_char_boundary(*end));
        let part = &rest[..end.unwrap_or(0)];
        rest = &rest[part.len()..];
        (!part.is_empty()).then_some(part)
    })
}

pub(super) fn told(notice: &Notice, language: Language) -> Arc<str> {
    let line = match notice {
        Notice::Said { time, .. } | Notice::Missing { time, .. } => {
            let when = wall::local(Some(Duration::from_secs(*time)));
            sentence::said(&when.strftime("%Y-%m-%d %H:%M").to_string(), notice, language)
        }
        notice => sentence::line(notice, language),
    };
    line.into()
}

/// The text for a contact that is no longer a member; `None` if it left.
pub(super) fn gone(reason: Left, language: Language) -> Option<Arc<str>> {
    let gone = match reason {
        Left::Kicked => Gone::Kicked,
        Left::Banned => Gone::Banned,
        Left::Moved => Gone::Moved,
        _ => return None,
    };
    Some(told(&Notice::Gone(gone), language))
}

/// The greeting. Its receipt proves that the contact receives at its address.
pub(super) fn greeting(config: &Config) -> Arc<str> {
    let room = config.doors.first().map_or_else(RoomName::lobby, |door| door.room.clone());
    let has_history = config.history.is_some();
    let text = match config.language {
        Language::Chinese => {
            let history = if has_history { "/history 看之前说了什么，" } else { "" };
            format!(
                "* 这里是 {}：你写的会发到房间 {room}，房间里的话会发给你。{history}/who 看谁在，\
                 /help 列出所有命令",
                config.name
            )
        }
        Language::English => {
            let history = if has_history { "/history shows what was said before, " } else { "" };
            format!(
                "* this is {}: what you write is said in the room {room}, and you get what is said \
                 there; {history}/who lists who is here, /help lists all commands",
                config.name
            )
        }
    };
    text.into()
}

/// Describes offered files to a room.
pub(super) fn offers(files: &[Offer], language: Language) -> String {
    let size = |file: &Offer| match (file.is_folder, language) {
        (true, Language::Chinese) => "文件夹".to_string(),
        (true, Language::English) => "folder".to_string(),
        (false, _) => format!("{} B", file.size),
    };
    let files: Vec<String> =
        files.iter().map(|file| format!("{} ({})", file.name, size(file))).collect();
    match language {
        Language::Chinese => format!("[想发送文件：{}；这里收不了文件]", files.join("、")),
        Language::English => {
            format!("[offers {}; files cannot be fetched here]", files.join(", "))
        }
    }
}

/// A contact's label: `NAME@IP`, plus the port if it is not the default. Removes characters from
/// its nickname that no name may contain.
pub(super) fn label(contact: &ContactView<'_>) -> Label {
    let words: Vec<&str> = contact.nick.split_whitespace().collect();
    let mut name = String::new();
    for c in words.join("_").chars() {
        name.push(c);
        if Name::parse(name.as_bytes()).is_err() {
            name.pop();
        }
    }
    let name = if name.is_empty() { "ipmsg" } else { &name };
    let (ip, port) = (contact.address.ip(), contact.address.port());
    let label = match port {
        PORT => format!("{name}@{ip}"),
        port => format!("{name}@{ip}#{port}"),
    };
    // An IPv6 address has colons, which only a label that is an address may have.
    Label::parse(&label).unwrap_or_else(|| Label::from(contact.address))
}

#[cfg(test)]
mod tests {
    use pigeon_ipmsg::{Program, Writes};
    use pigeon_text::Encoding;

    use super::*;

    fn label_of(nick: &str, address: &str) -> String {
        let contact = ContactView {
            address: address.parse().unwrap(),
            nick,
            group: "",
            user: "u",
            host: "h",
            program: Program::Iptux,
            writes: Writes { encoding: Encoding::UTF_8, is_labelled: false },
            is_absent: false,
            is_proved: true,
        };
        label(&contact).to_string()
    }

    #[test]
    fn a_contact_is_called_by_what_a_name_may_hold_of_its_nickname() {
        for (nick, expected) in [
            ("阿爱", "阿爱@10.0.0.7"),
            ("Zhang San", "Zhang_San@10.0.0.7"),
            ("a:b,c;d@e", "abcde@10.0.0.7"),
            ("*/^x", "x@10.0.0.7"),
            ("", "ipmsg@10.0.0.7"),
            ("\u{202e}\u{7}", "ipmsg@10.0.0.7"),
            ("＠：；", "ipmsg@10.0.0.7"),
        ] {
            assert_eq!(label_of(nick, "10.0.0.7:2425"), expected, "{nick:?}");
        }
        assert_eq!(label_of("王", "10.0.0.7:40000"), "王@10.0.0.7#40000");
        let long = label_of(&"长".repeat(64), "10.0.0.7:2425");
        assert_eq!(long, format!("{}@10.0.0.7", "长".repeat(32)));
    }

    #[test]
    fn no_line_of_a_message_looks_like_somebody_elses() {
        assert_eq!(
            &*line("狗哥", "你好\n老板: 走\x1b".as_bytes()),
            "狗哥: 你好\n    老板: 走\\x1b"
        );
    }

    #[test]
    fn a_long_line_is_cut_between_characters_and_nothing_is_lost() {
        let long = "长".repeat(5_000);
        let cut: Vec<&str> = parts(&long).collect();
        assert!(cut.iter().all(|part| part.len() <= MAX_PART));
        assert_eq!((cut.len(), cut.concat()), (5, long.clone()));
        assert_eq!(parts("短").collect::<Vec<_>>(), ["短"]);
    }

    #[test]
    fn files_are_told_by_name_and_size() {
        let file = Offer { name: "报告.doc".into(), size: 27, is_folder: false };
        let told = offers(&[file], Language::English);
        assert_eq!(told, "[offers 报告.doc (27 B); files cannot be fetched here]");
    }
}
