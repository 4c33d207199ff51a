//! JSON lines: one flat object each.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Zoned;
use pigeon_client::{NoReply, Outcome};
use serde_json::{Map, Value};

use crate::output::wall;

/// A received datagram.
///
/// | field | |
/// | --- | --- |
/// | `time` | when it arrived, RFC 3339 with six digits of a second |
/// | `from` | the sender, `IP:PORT` |
/// | `to` | the local address it was sent to |
/// | `len` | its original length in bytes |
/// | `text` | its bytes as text, if valid in the requested encoding; otherwise |
/// | `base64` | its bytes |
/// | `truncated` | whether bytes are missing because the buffer was too small |
/// | `name` | the sender's name, if it is a contact and the command looks them up |
pub(crate) struct Datagram<'a> {
    pub(crate) time: &'a Zoned,
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    pub(crate) payload: &'a [u8],
    pub(crate) length: usize,
    pub(crate) text: Option<String>,
    pub(crate) name: Option<&'a str>,
}

/// A datagram's line.
pub(crate) fn datagram(datagram: Datagram<'_>) -> String {
    let Datagram { time, from, to, payload, length, text, name } = datagram;
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_string(), value);
    put("time", wall::rfc3339(time).into());
    put("from", from.to_string().into());
    put("to", to.to_string().into());
    put("len", length.into());
    match text {
        Some(text) => put("text", text.into()),
        None => put("base64", STANDARD.encode(payload).into()),
    };
    put("truncated", (length > payload.len()).into());
    if let Some(name) = name {
        put("name", name.into());
    }
    escape_beyond_ascii_controls(&Value::Object(object).to_string())
}

/// The result of a request.
///
/// | field | |
/// | --- | --- |
/// | `to` | the requested address, `IP:PORT` |
/// | `result` | `reply`, `refused`, `timed out`, `not delivered` or `not sent` |
/// | `attempts` | how many times the request was sent |
/// | `elapsed` | seconds from the first attempt to the end |
/// | `error` | the system's error with an explanation, if there is no reply |
/// | `from` | the sender of the reply: another port of the requested host, or a member of a group |
/// | `len` | the reply's length in bytes |
/// | `text` | the reply, if it is text; otherwise |
/// | `base64` | its bytes |
pub(crate) fn outcome(
    to: SocketAddr,
    outcome: &Outcome,
    error: Option<String>,
    text: Option<String>,
) -> String {
    let mut object = Map::new();
    let mut put = |key: &str, value: Value| object.insert(key.to_string(), value);
    put("to", to.to_string().into());
    put("result", outcome.result.as_ref().map_or_else(|why| result_name(*why), |_| "reply").into());
    put("attempts", outcome.attempts.into());
    put("elapsed", outcome.elapsed.as_secs_f64().into());
    if let (Some(error), Err(_)) = (error, &outcome.result) {
        put("error", error.into());
    }
    if let Ok((from, payload)) = &outcome.result {
        put("from", from.to_string().into());
        put("len", payload.len().into());
        match text {
            Some(text) => put("text", text.into()),
            None => put("base64", STANDARD.encode(payload).into()),
        };
    }
    escape_beyond_ascii_controls(&Value::Object(object).to_string())
}

/// A peer without a reply.
///
/// | field | |
/// | --- | --- |
/// | `to` | the peer's address, `IP:PORT` |
/// | `result` | `refused` or `timed out` |
pub(crate) fn no_reply(to: SocketAddr, why: NoReply) -> String {
    counts(&[("to", to.to_string().into()), ("result", result_name(why).into())])
}

fn result_name(why: NoReply) -> &'static str {
    match why {
        NoReply::Refused => "refused",
        NoReply::TimedOut => "timed out",
        NoReply::Undelivered => "not delivered",
        NoReply::Unsent => "not sent",
    }
}

/// A flat object with these fields, in order.
pub(crate) fn counts(fields: &[(&str, Value)]) -> String {
    let object = fields.iter().map(|(key, value)| (key.to_string(), value.clone())).collect();
    escape_beyond_ascii_controls(&Value::Object(object).to_string())
}

/// JSON allows DEL, C1 controls and bidi overrides in strings, but a terminal acts on them. As `\u`
/// escapes they mean the same to every parser.
pub(crate) fn escape_beyond_ascii_controls(json: &str) -> String {
    if json.is_ascii() && !json.contains('\x7f') {
        return json.to_string();
    }
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii_graphic() || c == ' ' || pigeon_text::is_displayable(c) {
            safe.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                safe.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(payload: &[u8], length: usize) -> String {
        let address = SocketAddr::from(([127, 0, 0, 1], 9));
        let text = std::str::from_utf8(payload).ok().map(str::to_string);
        let time = &wall::local(None);
        let (from, to, name) = (address, address, None);
        let line = datagram(Datagram { time, from, to, payload, length, text, name });
        let from = line.find("\"from\"").unwrap();
        line[from..].to_string()
    }

    #[test]
    fn text_where_it_is_text_else_base64() {
        assert_eq!(
            line("你\n".as_bytes(), 4),
            r#""from":"127.0.0.1:9","to":"127.0.0.1:9","len":4,"text":"你\n","truncated":false}"#
        );
        assert_eq!(
            line(b"\xff\x00", 9),
            r#""from":"127.0.0.1:9","to":"127.0.0.1:9","len":9,"base64":"/wA=","truncated":true}"#
        );
    }

    #[test]
    fn nothing_that_moves_a_terminal_stands_raw() {
        let text = "\x1b[2J\u{7f}\u{9b}\u{202e}\u{e0041}é👩\u{200d}🚀";
        let line = line(text.as_bytes(), 1);
        assert!(
            !line.chars().any(|c| c.is_control() || c == '\u{202e}' || c == '\u{e0041}'),
            "{line}"
        );
        let value: Value = serde_json::from_str(&format!("{{{line}")).unwrap();
        assert_eq!(value["text"], text);
    }
}
