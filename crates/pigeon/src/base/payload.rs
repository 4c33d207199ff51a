//! The format of payloads in arguments and output: text in an encoding, hexadecimal or base64.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::words::say;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap_complete::{ArgValueCandidates, CompletionCandidate};
use pigeon_text::{
    Charset, Encoding, PeerCharset, UnknownLabel, Unwritable as Unencodable, escape, escape_to,
};

/// The flags of every command that sends or shows datagrams.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct PayloadArgs {
    /// Encoding of text, both ways: utf-8, gb2312, gbk, gb18030, big5, shift_jis, euc-kr, latin1,
    /// utf-16le, …; auto reads UTF-8 or GB18030 and writes what the peer last used [default: the
    /// contact's, else utf-8]
    #[arg(long, value_name = "LABEL", value_parser = charset, add = ArgValueCandidates::new(charsets))]
    encoding: Option<Charset>,

    /// Read and print bytes as hexadecimal
    #[arg(long, conflicts_with = "base64")]
    hex: bool,

    /// Read and print bytes as base64
    #[arg(long)]
    base64: bool,
}

/// Parses an encoding's label.
pub(crate) fn charset(label: &str) -> Result<Charset, String> {
    Charset::for_label(label).map_err(|error| unknown_label(&error))
}

pub(crate) fn unknown_label(error: &UnknownLabel) -> String {
    let label = escape(error.label());
    match error.nearest() {
        Some(nearest) => say!("errors-encoding-meant", label = &label, nearest = nearest),
        None => say!("errors-encoding", label = &label, usual = UnknownLabel::USUAL.join(", ")),
    }
}

/// Common labels for shell completion; there are more.
pub(crate) fn charsets() -> Vec<CompletionCandidate> {
    let labels = [
        "utf-8",
        "gb2312",
        "gbk",
        "gb18030",
        "big5",
        "shift_jis",
        "euc-kr",
        "latin1",
        "utf-16le",
        "auto",
    ];
    labels.map(CompletionCandidate::new).into()
}

/// Converts payloads from and to text according to the flags. Clones share the peer's last
/// encoding, so that one thread can show replies while another writes in that encoding.
#[derive(Clone, Debug)]
pub(crate) struct PayloadFormat {
    form: Form,
    encoding: Arc<Mutex<PeerCharset>>,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Text,
    Hex,
    Base64,
}

/// Why input cannot be converted. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unwritable(String);

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unwritable {}

impl From<&PayloadArgs> for PayloadFormat {
    fn from(args: &PayloadArgs) -> Self {
        PayloadFormat::with(args, None)
    }
}

impl PayloadArgs {
    /// The encoding given on the command line.
    pub(crate) fn charset(&self) -> Option<Charset> {
        self.encoding
    }
}

impl PayloadFormat {
    /// The format from the flags; without an encoding there, uses the contact's.
    pub(crate) fn with(args: &PayloadArgs, contact: Option<Charset>) -> PayloadFormat {
        let form = match (args.hex, args.base64) {
            (true, _) => Form::Hex,
            (_, true) => Form::Base64,
            _ => Form::Text,
        };
        let charset = args.encoding.or(contact).unwrap_or_default();
        PayloadFormat { form, encoding: Arc::new(Mutex::new(charset.into())) }
    }

    #[cfg(test)]
    pub(crate) fn utf8() -> PayloadFormat {
        PayloadFormat { form: Form::Text, encoding: Arc::default() }
    }

    /// Whether all bytes pass unchanged.
    pub(crate) fn passes_bytes(&self) -> bool {
        matches!(self.form, Form::Text) && self.encoding().encoding() == Encoding::UTF_8
    }

    /// Converts input to bytes, with the escapes of `--escapes` in text. `\xNN` bypasses the
    /// encoding.
    pub(crate) fn read_with_escapes(&self, written: &[u8]) -> Result<Vec<u8>, Unwritable> {
        let mut bytes = Vec::new();
        let mut rest = written;
        while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
            bytes.extend(self.read(&rest[..at])?);
            let place = || written.len() - rest.len() + at + 1;
            let (meant, length) = read_escape(&rest[at..]).map_err(|what| {
                Unwritable(say!("errors-at-byte", what = what, place = &place()))
            })?;
            match meant {
                Escaped::Byte(byte) => bytes.push(byte),
                Escaped::Character(c) => bytes.extend(self.read(c.to_string().as_bytes())?),
            }
            rest = &rest[at + length..];
        }
        bytes.extend(self.read(rest)?);
        Ok(bytes)
    }

    /// Converts input to bytes. With UTF-8, invalid bytes pass unchanged, so that a pipe may carry
    /// binary data.
    pub(crate) fn read(&self, written: &[u8]) -> Result<Vec<u8>, Unwritable> {
        match self.form {
            Form::Text => match self.encoding().encode(written) {
                Ok(bytes) => Ok(bytes.into_owned()),
                Err(Unencodable::NotUtf8 { byte, encoding }) => {
                    Err(Unwritable(not_utf8(written, byte, encoding)))
                }
                Err(Unencodable::Unmappable(error)) => Err(Unwritable(say!(
                    "errors-unmappable",
                    encoding = &error.encoding,
                    character = format!(
                        "'{}' (U+{:04X})",
                        escape(&error.character.to_string()),
                        u32::from(error.character),
                    ),
                    place = &(error.position + 1),
                ))),
            },
            Form::Hex => read_hex(written),
            Form::Base64 => {
                let compact: Vec<u8> =
                    written.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
                STANDARD
                    .decode(compact)
                    .map_err(|error| Unwritable(say!("errors-base64", error = &error)))
            }
        }
    }

    /// A datagram as one line for display.
    pub(crate) fn show(&mut self, payload: &[u8]) -> String {
        let mut shown = Vec::new();
        self.show_to(payload, &mut shown);
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// Like `show`, appended to `out`.
    pub(crate) fn show_to(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        match self.form {
            Form::Hex => payload.iter().for_each(|byte| {
                // Writing to a vector cannot fail.
                let _ = write!(out, "{byte:02x}");
            }),
            Form::Base64 => out.extend_from_slice(STANDARD.encode(payload).as_bytes()),
            // `decode` produces the same escapes as `escape`.
            Form::Text => {
                let text = self.encoding().decode(payload);
                escape_to(out, without_end(&text).as_bytes());
            }
        }
    }

    /// A datagram as text if it is valid in the encoding: for JSON, which separates text and bytes.
    pub(crate) fn json_text(&mut self, payload: &[u8]) -> Option<String> {
        match self.form {
            Form::Hex | Form::Base64 => None,
            Form::Text => {
                let mut encoding = self.encoding();
                encoding.decode(payload);
                encoding.decode_whole(payload)
            }
        }
    }

    fn encoding(&self) -> MutexGuard<'_, PeerCharset> {
        // A panic elsewhere leaves it consistent: it is one small number.
        self.encoding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A text as one safe line, without the line end that many programs send.
pub(crate) fn line(text: &str) -> String {
    escape(without_end(text)).to_string()
}

pub(crate) fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// The error for input that is not UTF-8 and cannot be encoded, with advice.
fn not_utf8(written: &[u8], byte: usize, encoding: Encoding) -> String {
    let seems_done = encoding.decode_to(written, &mut String::new());
    match seems_done {
        true => say!("errors-input-encoded-already", byte = &byte, encoding = &encoding),
        false => say!("errors-input-not-utf8", byte = &byte, encoding = &encoding),
    }
}

/// The value of an escape.
enum Escaped {
    Byte(u8),
    Character(char),
}

/// Parses the escape at the start, and returns its length: `\n`, `\r`, `\t`, `\0`, `\\`, `\xNN` for
/// a byte and `\u{N…}` for a character, as in displayed payloads.
fn read_escape(text: &[u8]) -> Result<(Escaped, usize), String> {
    let hex = |digits: &[u8]| {
        let digits = std::str::from_utf8(digits).ok()?;
        let all = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|_| all)
    };
    let byte = |byte| Some((Escaped::Byte(byte), 2));
    let rest = text.get(1..).unwrap_or_default();
    let read = match rest {
        [b'n', ..] => byte(b'\n'),
        [b'r', ..] => byte(b'\r'),
        [b't', ..] => byte(b'\t'),
        [b'\\', ..] => byte(b'\\'),
        // In C `\012` would be one byte, in octal.
        [b'0', rest @ ..] if !rest.first().is_some_and(u8::is_ascii_digit) => byte(0),
        [b'x', high, low, ..] => hex(&[*high, *low]).map(|value| (Escaped::Byte(value as u8), 4)),
        [b'u', b'{', rest @ ..] => {
            let end = rest.iter().position(|byte| *byte == b'}');
            let character = |end| hex(&rest[..end]).and_then(char::from_u32);
            end.and_then(|end| Some((Escaped::Character(character(end)?), end + 4)))
        }
        _ => None,
    };
    read.ok_or_else(|| {
        let shown = String::from_utf8_lossy(rest).chars().take(1).collect::<String>();
        say!("errors-escape", escape = &escape(&shown), unicode = r"\u{N}")
    })
}

/// Parses hexadecimal bytes, two digits each. Blanks, `:`, `-` and `,` may separate bytes, `0x` may
/// precede them, and `#` starts a comment up to the end of the line.
pub(crate) fn read_hex(written: &[u8]) -> Result<Vec<u8>, Unwritable> {
    let mut bytes = Vec::new();
    let mut at = 0;
    for line in written.split_inclusive(|byte| *byte == b'\n') {
        let code = line.split(|byte| *byte == b'#').next().unwrap_or_default();
        let is_between = |byte: &u8| byte.is_ascii_whitespace() || b":-,".contains(byte);
        let mut start = at;
        for group in code.split(is_between) {
            read_hex_group(group, start, &mut bytes)?;
            start += group.len() + 1;
        }
        at += line.len();
    }
    Ok(bytes)
}

/// Parses the digits between two separators; the group starts at byte `start`.
fn read_hex_group(group: &[u8], start: usize, bytes: &mut Vec<u8>) -> Result<(), Unwritable> {
    let prefix = if group.starts_with(b"0x") || group.starts_with(b"0X") { 2 } else { 0 };
    let digits = &group[prefix..];
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    if let Some(bad) = digits.iter().position(|byte| digit(byte).is_none()) {
        let shown = String::from_utf8_lossy(&digits[bad..]).chars().take(1).collect::<String>();
        return Err(Unwritable(say!(
            "errors-hex-digit",
            digit = &escape(&shown),
            place = &(start + prefix + bad + 1),
        )));
    }
    if digits.len() % 2 == 1 || (prefix > 0 && digits.is_empty()) {
        return Err(Unwritable(say!(
            "errors-hex-half",
            digits = &escape(group),
            place = &(start + 1)
        )));
    }
    let value = |pair: &[u8]| pair.iter().filter_map(digit).fold(0, |sum, digit| sum << 4 | digit);
    bytes.extend(digits.chunks(2).map(|pair| value(pair) as u8));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(encoding: &str, hex: bool, base64: bool) -> PayloadFormat {
        PayloadFormat::from(&PayloadArgs { encoding: charset(encoding).ok(), hex, base64 })
    }

    #[test]
    fn bytes_in_every_form() {
        let mut hex = format("utf-8", true, false);
        assert_eq!(hex.read(b"00 ff 7E"), Ok(vec![0, 255, 126]));
        assert_eq!(hex.show(&[0, 255, 126]), "00ff7e");
        for written in ["00:ff:7e", "00-FF-7E", "0x00,0xff, 0x7e", "00ff # 99\n7e # g", "0x00ff7e"]
        {
            assert_eq!(hex.read(written.as_bytes()), Ok(vec![0, 255, 126]), "{written}");
        }
        assert_eq!(hex.read(b"# nothing"), Ok(vec![]));
        for (written, error) in [
            ("0g", "`g` at byte 2 is not a hexadecimal digit"),
            ("00 你", "`你` at byte 4 is not a hexadecimal digit"),
            ("00\n1 23", "`1` at byte 4 is not whole bytes: two hexadecimal digits make one"),
            ("0x", "`0x` at byte 1 is not whole bytes: two hexadecimal digits make one"),
            ("0x0x00", "`x` at byte 4 is not a hexadecimal digit"),
        ] {
            assert_eq!(hex.read(written.as_bytes()).unwrap_err().to_string(), error);
        }
        let mut base64 = format("utf-8", false, true);
        assert_eq!(base64.read(b"/wA=\n"), Ok(vec![255, 0]));
        assert_eq!(base64.show(&[255, 0]), "/wA=");
        assert!(base64.read(b"?").is_err());
    }

    #[test]
    fn escapes_stand_for_bytes_and_characters() {
        let utf8 = PayloadFormat::utf8();
        let read = |text: &str| utf8.read_with_escapes(text.as_bytes());
        assert_eq!(read(r"GET /\r\n\t\\\x00\xff\0"), Ok(b"GET /\r\n\t\\\x00\xff\0".to_vec()));
        assert_eq!(read(r"\u{1f600}!"), Ok("😀!".as_bytes().to_vec()));
        assert_eq!(read("你好"), Ok("你好".as_bytes().to_vec()));
        let gbk = format("gbk", false, false);
        let read_gbk = |text: &str| gbk.read_with_escapes(text.as_bytes());
        assert_eq!(read_gbk(r"你\xff\u{597d}"), Ok(b"\xc4\xe3\xff\xba\xc3".to_vec()));
        for (text, error) in [
            (r"ab\q", r"`\q` is not a valid escape; there are"),
            (r"\", r"`\` is not a valid escape"),
            (r"\x0", "is not a valid escape"),
            (r"\x+1", "is not a valid escape"),
            (r"\u{d800}", "is not a valid escape"),
            (r"\012", "is not a valid escape"),
        ] {
            let said = read(text).unwrap_err().to_string();
            assert!(said.contains(error), "{text}: {said}");
        }
        assert!(read(r"ab\q").unwrap_err().to_string().ends_with("at byte 3"));
    }

    #[test]
    fn input_that_is_encoded_already_is_told_the_way_out() {
        let gbk = format("gbk", false, false);
        let said = |bytes: &[u8]| gbk.read(bytes).unwrap_err().to_string();
        let already = said(b"\xc4\xe3\xba\xc3");
        for part in ["byte 1 is not valid UTF-8", "seems to be gbk already", "--encoding utf-8"] {
            assert!(already.contains(part), "{already}");
        }
        assert!(said(b"a\xff").contains("iconv -f ENCODING -t utf-8"));
    }

    #[test]
    fn text_in_its_encoding() {
        let mut gb2312 = format("gb2312", false, false);
        assert_eq!(gb2312.read("你好".as_bytes()), Ok(b"\xc4\xe3\xba\xc3".to_vec()));
        assert_eq!(gb2312.show(b"\xc4\xe3\xba\xc3\n"), "你好");
        assert!(gb2312.read("a😀".as_bytes()).unwrap_err().to_string().contains("😀"));
        assert!(gb2312.read(b"\xff").is_err());
        assert_eq!(gb2312.json_text(b"\xc4\xe3"), Some("你".to_string()));
        assert_eq!(gb2312.json_text(b"\xff\xff"), None);
        let utf8 = format("utf-8", false, false);
        assert_eq!(utf8.read(b"\xff"), Ok(vec![255]));
    }

    #[test]
    fn auto_writes_what_the_peer_last_used() {
        let mut auto = format("auto", false, false);
        assert_eq!(auto.read("你".as_bytes()), Ok("你".as_bytes().to_vec()));
        assert_eq!(auto.show(b"\xc4\xe3\xba\xc3"), "你好");
        assert_eq!(auto.read("你".as_bytes()), Ok(b"\xc4\xe3".to_vec()));
        assert_eq!(auto.show("好".as_bytes()), "好");
        assert_eq!(auto.read("你".as_bytes()), Ok("你".as_bytes().to_vec()));
    }
}
