//! Parses an input line of a chat. Text is sent unchanged; these are commands:
//!
//! | line | |
//! | --- | --- |
//! | `/to NAME`, `/to ENDPOINT`, `/to NUMBER` | select the peer to write to |
//! | `/list` | the conversations |
//! | `/encoding LABEL` | set the selected peer's encoding |
//! | `/quit`, `quit` | leave the conversation; without one, the chat |
//! | `/help` | this list |
//! | `//TEXT` | send a text that begins with a slash |

/// A parsed line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// The line is only white space: sends nothing.
    Empty,
    Text(&'a [u8]),
    To(&'a str),
    List,
    Encoding(&'a str),
    Quit,
    Help,
    /// An unknown command.
    Unknown(&'a [u8]),
}

/// Parses a line. A message keeps every byte, including surrounding white space.
pub(super) fn parse(line: &[u8]) -> Line<'_> {
    let trimmed = line.trim_ascii();
    match trimmed {
        b"" => return Line::Empty,
        b"quit" => return Line::Quit,
        _ => {}
    }
    let Some(command) = trimmed.strip_prefix(b"/") else { return Line::Text(line) };
    if command.starts_with(b"/") {
        // Removes the line's first slash, behind any white space.
        let start = line.iter().position(|&byte| byte == b'/').map_or(0, |slash| slash + 1);
        return Line::Text(&line[start..]);
    }
    let end = command.iter().position(u8::is_ascii_whitespace).unwrap_or(command.len());
    let (word, rest) = command.split_at(end);
    let Ok(rest) = std::str::from_utf8(rest.trim_ascii()) else { return Line::Unknown(word) };
    match (word, rest) {
        (b"to", whom) => Line::To(whom),
        (b"encoding", label) => Line::Encoding(label),
        (b"list", "") => Line::List,
        (b"quit", "") => Line::Quit,
        (b"help", "") => Line::Help,
        _ => Line::Unknown(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_mean_what_the_table_says() {
        for (line, meaning) in [
            ("", Line::Empty),
            ("  \t", Line::Empty),
            ("hello ", Line::Text(b"hello ")),
            (" quit ", Line::Quit),
            ("/quit", Line::Quit),
            ("quit now", Line::Text(b"quit now")),
            ("/to 狗哥 ", Line::To("狗哥")),
            ("/to", Line::To("")),
            ("/list", Line::List),
            ("/list all", Line::Unknown(b"list")),
            ("/encoding gb2312", Line::Encoding("gb2312")),
            ("/help", Line::Help),
            ("//who", Line::Text(b"/who")),
            ("/", Line::Unknown(b"")),
            ("/nick x", Line::Unknown(b"nick")),
            ("/tox", Line::Unknown(b"tox")),
        ] {
            assert_eq!(parse(line.as_bytes()), meaning, "{line:?}");
        }
        assert_eq!(parse(b"/to \xff"), Line::Unknown(b"to"));
        assert_eq!(parse(b"\xff"), Line::Text(b"\xff"));
    }
}
