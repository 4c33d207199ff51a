//! The format of payloads on the command line and on the screen: text in some encoding, hexadecimal
//! or base64.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap_complete::{ArgValueCandidates, CompletionCandidate};
use pigeon_text::{Charset, Tongue, escape, escape_to};

/// The flags of every command that sends or shows datagrams.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct PayloadArgs {
    /// The encoding of text both ways: utf-8, gb2312, gbk, gb18030, big5, shift_jis, euc-kr, latin1,
    /// utf-16le, …; auto reads UTF-8 or GB18030 and writes what the peer last used [default: the
    /// contact's where there is one, else utf-8]
    #[arg(long, value_name = "LABEL", value_parser = charset, add = ArgValueCandidates::new(charsets))]
    encoding: Option<Charset>,

    /// Bytes as hexadecimal, both ways
    #[arg(long, conflicts_with = "base64")]
    hex: bool,

    /// Bytes as base64, both ways
    #[arg(long)]
    base64: bool,
}

/// An encoding's label as an argument.
pub(crate) fn charset(label: &str) -> Result<Charset, String> {
    Charset::for_label(label).map_err(|error| error.to_string())
}

/// The labels that the help names, for the shell to complete; there are more.
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

/// Converts payloads from and to text as the flags say. Clones share the peer's last encoding, so one
/// thread may show replies while another writes in that encoding.
#[derive(Clone, Debug)]
pub(crate) struct PayloadFormat {
    form: Form,
    encoding: Arc<Mutex<Tongue>>,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Text,
    Hex,
    Base64,
}

/// Why something written cannot become bytes. Nothing was sent.
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
    /// The encoding that the command line names.
    pub(crate) fn charset(&self) -> Option<Charset> {
        self.encoding
    }
}

impl PayloadFormat {
    /// As the flags say; where they name no encoding, in the contact's.
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

    /// The bytes of what was written. Bytes that are no UTF-8 pass through where text is written in
    /// UTF-8, so that a pipe may carry anything.
    pub(crate) fn read(&self, written: &[u8]) -> Result<Vec<u8>, Unwritable> {
        match self.form {
            Form::Text => match self.encoding().encode(written) {
                Ok(bytes) => Ok(bytes.into_owned()),
                Err(error) => Err(Unwritable(error.to_string())),
            },
            Form::Hex => read_hex(written),
            Form::Base64 => {
                let compact: Vec<u8> =
                    written.iter().copied().filter(|b| !b.is_ascii_whitespace()).collect();
                STANDARD.decode(compact).map_err(|error| Unwritable(format!("no base64: {error}")))
            }
        }
    }

    /// A datagram as one line for a screen.
    pub(crate) fn show(&mut self, payload: &[u8]) -> String {
        let mut shown = Vec::new();
        self.show_to(payload, &mut shown);
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// The same, appended to `out`.
    pub(crate) fn show_to(&mut self, payload: &[u8], out: &mut Vec<u8>) {
        match self.form {
            Form::Hex => payload.iter().for_each(|byte| {
                // Writing to a vector cannot fail.
                let _ = write!(out, "{byte:02x}");
            }),
            Form::Base64 => out.extend_from_slice(STANDARD.encode(payload).as_bytes()),
            // The escapes of `escape` are those of `decode`.
            Form::Text => {
                let text = self.encoding().decode(payload);
                escape_to(out, without_end(&text).as_bytes());
            }
        }
    }

    /// A datagram as text, if it is text in the encoding: for JSON, which keeps text and bytes
    /// apart.
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

    fn encoding(&self) -> MutexGuard<'_, Tongue> {
        // A panic elsewhere leaves it as sound as before: it is one small number.
        self.encoding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Text as one line that is safe to show; the line end that many programs send goes.
pub(crate) fn line(text: &str) -> String {
    escape(without_end(text)).to_string()
}

/// A line without its end, if it has one.
pub(crate) fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// Bytes from hexadecimal digits; white space between them is passed over.
pub(crate) fn read_hex(written: &[u8]) -> Result<Vec<u8>, Unwritable> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut digits = Vec::with_capacity(written.len());
    for (at, &byte) in written.iter().enumerate().filter(|(_, byte)| !byte.is_ascii_whitespace()) {
        match digit(byte) {
            Some(value) => digits.push(value as u8),
            None => {
                let shown = escape(&written[at..=at]).to_string();
                return Err(Unwritable(format!(
                    "`{shown}` at byte {} is no hexadecimal digit",
                    at + 1
                )));
            }
        }
    }
    if digits.len() % 2 == 1 {
        return Err(Unwritable("an odd number of hexadecimal digits; two make a byte".to_string()));
    }
    Ok(digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
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
        assert_eq!(
            hex.read(b"0g").unwrap_err().to_string(),
            "`g` at byte 2 is no hexadecimal digit"
        );
        assert!(hex.read(b"123").is_err());
        let mut base64 = format("utf-8", false, true);
        assert_eq!(base64.read(b"/wA=\n"), Ok(vec![255, 0]));
        assert_eq!(base64.show(&[255, 0]), "/wA=");
        assert!(base64.read(b"?").is_err());
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
