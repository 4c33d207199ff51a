//! Decodes a terminal's bytes into keys, pastes and turns of the mouse wheel. Pure: the owner
//! reports silences.
//!
//! Hand-written: the parsers of crossterm and termwiz wait without limit for the end of a sequence
//! or paste, so garbage blocks the keyboard; vte parses a terminal's output. Here Ctrl-C and
//! silence end any sequence, and memory is bounded.
//!
//! A sequence's meaning does not depend on the division into reads, only on silences: Esc is a key
//! if nothing follows it.

use std::time::Duration;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// The longest paste, in bytes.
pub(crate) const MAX_PASTE: usize = 1 << 20;

/// The longest parameters of a sequence, in bytes. A longer sequence is ignored.
const MAX_PARAMETERS: usize = 64;

/// How long Esc waits for the rest of a sequence. People do not type a second key that fast.
const AFTER_ESCAPE: Duration = Duration::from_millis(50);

/// How long a sequence may pause. A slow connection may split it anywhere.
const IN_SEQUENCE: Duration = Duration::from_millis(500);

/// How long a paste may pause. After a premature end, its rest would count as typed, and its lines
/// would be sent.
const IN_PASTE: Duration = Duration::from_secs(1);

/// Maximum number of bytes of one key press between two silences.
const KEYSTROKE: usize = 8;

/// The shortest silence between two typed keys.
const BETWEEN_KEYS: Duration = Duration::from_millis(50);

/// After this many single keys a paste ends: a person is typing, and the end of the paste was lost.
const KEYSTROKES: u8 = 4;

const PASTE_END: &[u8] = b"\x1b[201~";

const ESC: u8 = 0x1b;
const CTRL_C: u8 = 0x03;

/// A decoded input. Replies of the terminal, focus reports and unknown sequences are ignored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Key(KeyEvent),
    /// A paste; invalid UTF-8 becomes U+FFFD.
    Paste(String),
    /// A paste of more than [`MAX_PASTE`] bytes, which was discarded.
    PasteTooLong,
    /// A turn of the mouse wheel over this column.
    Wheel {
        up: bool,
        column: u16,
    },
    /// The first invalid UTF-8 byte of a line.
    NotUtf8,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Ground,
    /// An incomplete character.
    Character {
        bytes: [u8; 4],
        length: usize,
    },
    /// `ESC`
    Escape,
    /// `ESC [` and parameters.
    Csi(Vec<u8>),
    /// `ESC [ [`: a function key of the Linux console.
    Console,
    /// `ESC O`, and the modifiers that old terminals put there.
    Ss3(u8),
    /// `ESC [ M` and the first of three bytes: mouse reports of terminals without SGR.
    Mouse {
        bytes: [u8; 3],
        length: usize,
    },
    /// A string up to `ESC \`: OSC, DCS, APC, PM or SOS.
    Text {
        opener: u8,
        is_empty: bool,
        escaped: bool,
    },
    Paste {
        bytes: Vec<u8>,
        too_long: bool,
    },
}

/// Decodes bytes in pieces of any length.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    state: State,
    /// Whether Esc preceded the character or sequence: Alt is held.
    alt: bool,
    /// Bytes of a paste since the last silence.
    fresh: usize,
    /// Consecutive silences of a paste after at most [`KEYSTROKE`] bytes.
    keystrokes: u8,
    /// Whether [`Input::NotUtf8`] was reported since the last Enter.
    complained: bool,
}

impl Decoder {
    pub(crate) fn feed(&mut self, bytes: &[u8], take: &mut impl FnMut(Input)) {
        bytes.iter().for_each(|&byte| self.byte(byte, take));
    }

    /// How long a silence must last before [`Decoder::give_up`]. `None`: no sequence is open.
    pub(crate) fn patience(&self) -> Option<Duration> {
        Some(match &self.state {
            State::Ground => return None,
            State::Escape | State::Ss3(0) | State::Text { is_empty: true, .. } => AFTER_ESCAPE,
            State::Csi(parameters) if parameters.is_empty() => AFTER_ESCAPE,
            // Ctrl-C may belong to the paste; followed by silence, a person pressed it. Accepting
            // it at once would leave the rest of the paste to the shell.
            State::Paste { bytes, .. } if bytes.last() == Some(&CTRL_C) => AFTER_ESCAPE,
            State::Paste { .. } if self.fresh > 0 => BETWEEN_KEYS,
            State::Paste { .. } => IN_PASTE,
            _ => IN_SEQUENCE,
        })
    }

    /// Ends an open sequence after a silence: its bytes become keys, if possible. A paste may stay
    /// open for a longer silence.
    pub(crate) fn give_up(&mut self, take: &mut impl FnMut(Input)) {
        let alt = std::mem::take(&mut self.alt);
        let mut esc = |opener: Option<u8>| {
            if alt {
                take(key(KeyCode::Esc, KeyModifiers::NONE));
            }
            take(match opener {
                Some(opener) => character(char::from(opener), KeyModifiers::ALT),
                None => key(KeyCode::Esc, KeyModifiers::NONE),
            });
        };
        match std::mem::take(&mut self.state) {
            State::Escape => esc(None),
            State::Csi(parameters) if parameters.is_empty() => esc(Some(b'[')),
            State::Ss3(0) => esc(Some(b'O')),
            State::Text { opener, is_empty: true, escaped: false } => esc(Some(opener)),
            State::Paste { bytes, .. } if bytes.last() == Some(&CTRL_C) => take(ctrl_c()),
            State::Paste { bytes, too_long } => {
                self.keystrokes = if self.fresh > KEYSTROKE { 0 } else { self.keystrokes + 1 };
                if self.fresh == 0 || self.keystrokes == KEYSTROKES {
                    return take(paste(&bytes, too_long));
                }
                self.fresh = 0;
                self.state = State::Paste { bytes, too_long };
            }
            State::Character { .. } => self.complain(take),
            _ => {}
        }
    }

    fn byte(&mut self, byte: u8, take: &mut impl FnMut(Input)) {
        match std::mem::take(&mut self.state) {
            State::Paste { bytes, too_long } => self.paste(bytes, too_long, byte, take),
            _ if byte == CTRL_C => {
                self.alt = false;
                take(ctrl_c());
            }
            State::Ground => self.ground(byte, take),
            State::Character { bytes, length } => self.character(bytes, length, byte, take),
            State::Escape => self.escape(byte, take),
            State::Csi(parameters) => self.csi(parameters, byte, take),
            State::Console => match byte {
                b'A'..=b'E' => self.key(KeyCode::F(byte - b'A' + 1), KeyModifiers::NONE, take),
                _ => self.restart(byte, take),
            },
            State::Ss3(modifiers) => self.ss3(modifiers, byte, take),
            State::Mouse { bytes, length } => self.mouse(bytes, length, byte, take),
            State::Text { opener, escaped, .. } => self.text(opener, escaped, byte, take),
        }
    }

    /// Drops an open sequence, and starts over with this byte.
    fn restart(&mut self, byte: u8, take: &mut impl FnMut(Input)) {
        self.alt = false;
        self.ground(byte, take);
    }

    fn ground(&mut self, byte: u8, take: &mut impl FnMut(Input)) {
        let control = |first: u8, name: u8| KeyCode::Char(char::from(byte - first + name));
        let (code, modifiers) = match byte {
            ESC => return self.state = State::Escape,
            b'\r' | b'\n' => {
                self.complained = false;
                (KeyCode::Enter, KeyModifiers::NONE)
            }
            b'\t' => (KeyCode::Tab, KeyModifiers::NONE),
            0x7f => (KeyCode::Backspace, KeyModifiers::NONE),
            0 => (KeyCode::Char(' '), KeyModifiers::CONTROL),
            1..=0x1a => (control(1, b'a'), KeyModifiers::CONTROL),
            0x1c..=0x1f => (control(0x1c, b'4'), KeyModifiers::CONTROL),
            _ => return self.character([0; 4], 0, byte, take),
        };
        self.key(code, modifiers, take);
    }

    fn character(
        &mut self,
        mut bytes: [u8; 4],
        length: usize,
        byte: u8,
        take: &mut impl FnMut(Input),
    ) {
        bytes[length] = byte;
        let end = length + 1;
        match std::str::from_utf8(&bytes[..end]) {
            Ok(text) => {
                let alt = if self.alt { KeyModifiers::ALT } else { KeyModifiers::NONE };
                self.alt = false;
                // The controls U+0080 to U+009F are not keys.
                text.chars().filter(|c| !c.is_control()).for_each(|c| take(character(c, alt)));
            }
            Err(error) if error.error_len().is_none() => {
                self.state = State::Character { bytes, length: end };
            }
            Err(_) => {
                self.complain(take);
                self.alt = false;
                // This byte may start a character; alone it is invalid.
                if length > 0 {
                    self.ground(byte, take);
                }
            }
        }
    }

    fn complain(&mut self, take: &mut impl FnMut(Input)) {
        if !std::mem::replace(&mut self.complained, true) {
            take(Input::NotUtf8);
        }
    }

    fn escape(&mut self, byte: u8, take: &mut impl FnMut(Input)) {
        let opened = match byte {
            b'[' => State::Csi(Vec::new()),
            b'O' => State::Ss3(0),
            b']' | b'P' | b'_' | b'^' | b'X' => {
                State::Text { opener: byte, is_empty: true, escaped: false }
            }
            // Some terminals send Esc before a sequence for Alt.
            ESC => State::Escape,
            _ => {
                if self.alt {
                    take(key(KeyCode::Esc, KeyModifiers::NONE));
                }
                self.alt = true;
                return self.ground(byte, take);
            }
        };
        if byte == ESC && std::mem::replace(&mut self.alt, true) {
            take(key(KeyCode::Esc, KeyModifiers::NONE));
        }
        self.state = opened;
    }

    fn csi(&mut self, mut parameters: Vec<u8>, byte: u8, take: &mut impl FnMut(Input)) {
        match byte {
            b' '..=b'?' => {
                if parameters.len() < MAX_PARAMETERS {
                    parameters.push(byte);
                }
                self.state = State::Csi(parameters);
            }
            b'[' if parameters.is_empty() => self.state = State::Console,
            b'M' if parameters.is_empty() => {
                self.state = State::Mouse { bytes: [0; 3], length: 0 };
            }
            b'@'..=b'~' => {
                if parameters == b"200" && byte == b'~' {
                    (self.fresh, self.keystrokes) = (0, 0);
                    self.state = State::Paste { bytes: Vec::new(), too_long: false };
                } else if parameters.len() < MAX_PARAMETERS
                    && let Some(input) = sequence(&parameters, byte, self.alt)
                {
                    take(input);
                }
                self.alt = false;
            }
            _ => self.restart(byte, take),
        }
    }

    fn ss3(&mut self, modifiers: u8, byte: u8, take: &mut impl FnMut(Input)) {
        // The keypad's keys, in the order of their letters from `j`.
        const KEYPAD: &[u8; 16] = b"*+,-./0123456789";
        let held = self::modifiers(modifiers.into()).unwrap_or(KeyModifiers::NONE);
        let (code, held) = match byte {
            b'0'..=b'9' => return self.state = State::Ss3(byte - b'0'),
            b'P'..=b'S' => (KeyCode::F(byte - b'P' + 1), held),
            b'j'..=b'y' => (KeyCode::Char(char::from(KEYPAD[usize::from(byte - b'j')])), held),
            b'M' => (KeyCode::Enter, held),
            b'I' => (KeyCode::Tab, held),
            b'X' => (KeyCode::Char('='), held),
            b' ' => (KeyCode::Char(' '), held),
            // rxvt's form.
            b'a'..=b'd' => match arrow(byte.to_ascii_uppercase()) {
                Some(code) => (code, KeyModifiers::CONTROL),
                None => return,
            },
            b'!'..=b'~' => match arrow(byte) {
                Some(code) => (code, held),
                None => return self.alt = false,
            },
            _ => return self.restart(byte, take),
        };
        self.key(code, held, take);
    }

    fn mouse(&mut self, mut bytes: [u8; 3], length: usize, byte: u8, take: &mut impl FnMut(Input)) {
        if byte < b' ' {
            return self.restart(byte, take);
        }
        bytes[length] = byte;
        if length < 2 {
            self.state = State::Mouse { bytes, length: length + 1 };
            return;
        }
        self.alt = false;
        let [button, column, _] = bytes.map(|byte| u16::from(byte - b' '));
        wheel(button, column).into_iter().for_each(take);
    }

    fn text(&mut self, opener: u8, escaped: bool, byte: u8, take: &mut impl FnMut(Input)) {
        match (escaped, byte) {
            (true, b'\\') | (false, 0x07) => self.alt = false,
            (true, _) => {
                self.alt = false;
                self.escape(byte, take);
            }
            (false, ESC) => self.state = State::Text { opener, is_empty: false, escaped: true },
            // Replies never contain these; a person pressed Enter or Backspace.
            (false, ..=0x1f | 0x7f) => self.restart(byte, take),
            (false, _) => self.state = State::Text { opener, is_empty: false, escaped: false },
        }
    }

    fn paste(
        &mut self,
        mut bytes: Vec<u8>,
        mut too_long: bool,
        byte: u8,
        take: &mut impl FnMut(Input),
    ) {
        bytes.push(byte);
        self.fresh += 1;
        if let Some(text) = bytes.strip_suffix(PASTE_END) {
            return take(paste(text, too_long));
        }
        if bytes.len() > MAX_PASTE + PASTE_END.len() {
            too_long = true;
            bytes.drain(..MAX_PASTE);
        }
        self.state = State::Paste { bytes, too_long };
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers, take: &mut impl FnMut(Input)) {
        let alt = if self.alt { KeyModifiers::ALT } else { KeyModifiers::NONE };
        self.alt = false;
        take(key(code, modifiers | alt));
    }
}

fn key(code: KeyCode, modifiers: KeyModifiers) -> Input {
    Input::Key(KeyEvent::new(code, modifiers))
}

fn character(c: char, modifiers: KeyModifiers) -> Input {
    let shift = if c.is_uppercase() { KeyModifiers::SHIFT } else { KeyModifiers::NONE };
    key(KeyCode::Char(c), modifiers | shift)
}

fn ctrl_c() -> Input {
    key(KeyCode::Char('c'), KeyModifiers::CONTROL)
}

fn paste(bytes: &[u8], too_long: bool) -> Input {
    match too_long || bytes.len() > MAX_PASTE {
        true => Input::PasteTooLong,
        false => Input::Paste(String::from_utf8_lossy(bytes).into_owned()),
    }
}

/// The meaning of a control sequence, if it is a key or a turn of the wheel.
fn sequence(parameters: &[u8], last: u8, alt: bool) -> Option<Input> {
    let text = std::str::from_utf8(parameters).ok()?;
    if matches!(last, b'M' | b'm') {
        let mut numbers = text.trim_start_matches('<').split(';').map(|n| n.parse().ok());
        let (button, column): (u16, u16) = (numbers.next()??, numbers.next()??);
        // SGR reports the plain numbers, urxvt those of X10.
        let button = if text.starts_with('<') { button } else { button.checked_sub(32)? };
        return wheel(button, column).filter(|_| last == b'M');
    }
    if !text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b';' | b':')) {
        return None;
    }
    // A field may have sub-fields: after the key the shifted character, after the modifiers the
    // kind of event.
    let field = |n: usize, part: usize| -> Option<u32> {
        text.split(';').nth(n)?.split(':').nth(part)?.parse().ok()
    };
    let is_release = field(1, 1) == Some(3);
    let held = modifiers(field(1, 0).unwrap_or(1))?;
    let held = if alt { held | KeyModifiers::ALT } else { held };
    let first = field(0, 0).unwrap_or(1);
    let (code, held) = match last {
        b'P' | b'Q' | b'S' => (KeyCode::F(last - b'P' + 1), held),
        // Otherwise a cursor position report.
        b'R' if first == 1 => (KeyCode::F(3), held),
        b'Z' => (KeyCode::BackTab, held | KeyModifiers::SHIFT),
        b'~' if first == 27 => code_point(field(2, 0)?, None, held)?,
        b'~' => (numbered(first)?, held),
        b'u' => code_point(first, field(0, 1), held)?,
        // rxvt's form.
        b'a'..=b'd' => (arrow(last.to_ascii_uppercase())?, held | KeyModifiers::SHIFT),
        _ => (arrow(last)?, held),
    };
    (!is_release).then(|| key(code, held))
}

/// A key reported by its character and the shifted one.
fn code_point(
    code: u32,
    shifted: Option<u32>,
    held: KeyModifiers,
) -> Option<(KeyCode, KeyModifiers)> {
    let shift = held.contains(KeyModifiers::SHIFT);
    let code = match code {
        9 if shift => KeyCode::BackTab,
        9 => KeyCode::Tab,
        13 => KeyCode::Enter,
        27 => KeyCode::Esc,
        8 | 127 => KeyCode::Backspace,
        // Keys without a character have numbers in the private use area.
        0xe000..=0xf8ff => return None,
        _ => {
            let c = char::from_u32(code).filter(|c| !c.is_control())?;
            KeyCode::Char(if held.contains(KeyModifiers::CONTROL) {
                c.to_ascii_lowercase()
            } else if shift {
                let shifted = shifted.and_then(char::from_u32).filter(|c| !c.is_control());
                shifted.unwrap_or(c.to_ascii_uppercase())
            } else {
                c
            })
        }
    };
    Some((code, held))
}

/// The key of `CSI number ~`.
fn numbered(number: u32) -> Option<KeyCode> {
    let function = |before: u32| u8::try_from(number - before).ok().map(KeyCode::F);
    match number {
        1 | 7 => Some(KeyCode::Home),
        2 => Some(KeyCode::Insert),
        3 => Some(KeyCode::Delete),
        4 | 8 => Some(KeyCode::End),
        5 => Some(KeyCode::PageUp),
        6 => Some(KeyCode::PageDown),
        11..=15 => function(10),
        17..=21 => function(11),
        23..=26 => function(12),
        28 | 29 => function(13),
        31..=34 => function(14),
        _ => None,
    }
}

fn arrow(letter: u8) -> Option<KeyCode> {
    Some(match letter {
        b'A' => KeyCode::Up,
        b'B' => KeyCode::Down,
        b'C' => KeyCode::Right,
        b'D' => KeyCode::Left,
        b'F' => KeyCode::End,
        b'H' => KeyCode::Home,
        _ => return None,
    })
}

/// The modifier keys; the number is one more than their bits. `None` with a modifier that no
/// shortcut uses, such as Super.
fn modifiers(number: u32) -> Option<KeyModifiers> {
    let bits = number.saturating_sub(1);
    let held = [(1, KeyModifiers::SHIFT), (2 | 32, KeyModifiers::ALT), (4, KeyModifiers::CONTROL)];
    let held = held.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, held)| held).collect();
    (bits & (8 | 16) == 0).then_some(held)
}

/// A turn of the wheel from a button's number and a column counted from 1.
fn wheel(button: u16, column: u16) -> Option<Input> {
    // Shift, Alt and Ctrl, which are ignored.
    const HELD: u16 = 4 | 8 | 16;
    let up = match button & !HELD {
        64 => true,
        65 => false,
        _ => return None,
    };
    Some(Input::Wheel { up, column: column.saturating_sub(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The inputs of these pieces, with a long silence after each if `silent`.
    fn decode(pieces: &[&[u8]], silent: bool) -> Vec<Input> {
        let mut decoder = Decoder::default();
        let mut inputs = Vec::new();
        for piece in pieces {
            decoder.feed(piece, &mut |input| inputs.push(input));
            for _ in 0..2 {
                if silent && decoder.patience().is_some() {
                    decoder.give_up(&mut |input| inputs.push(input));
                }
            }
            assert!(!silent || decoder.patience().is_none());
        }
        inputs
    }

    fn plain(code: KeyCode) -> Input {
        key(code, KeyModifiers::NONE)
    }

    fn a() -> Input {
        plain(KeyCode::Char('a'))
    }

    fn with(code: KeyCode, modifiers: KeyModifiers) -> Vec<Input> {
        vec![key(code, modifiers)]
    }

    const ALT: KeyModifiers = KeyModifiers::ALT;
    const CTRL: KeyModifiers = KeyModifiers::CONTROL;
    const SHIFT: KeyModifiers = KeyModifiers::SHIFT;
    const NONE: KeyModifiers = KeyModifiers::NONE;

    /// Terminals' sequences with their meaning.
    fn sequences() -> Vec<(&'static [u8], Vec<Input>)> {
        let c = KeyCode::Char;
        let wheel = |up, column| vec![Input::Wheel { up, column }];
        let pasted = |text: &str| vec![Input::Paste(text.into())];
        vec![
            (b"\r", with(KeyCode::Enter, NONE)),
            (b"\n", with(KeyCode::Enter, NONE)),
            (b"\x08", with(c('h'), CTRL)),
            (b"\x1f", with(c('7'), CTRL)),
            (b"\0", with(c(' '), CTRL)),
            ("é".as_bytes(), with(c('é'), NONE)),
            ("字".as_bytes(), with(c('字'), NONE)),
            ("👍".as_bytes(), with(c('👍'), NONE)),
            (b"\xc2\x9b", vec![]),
            // Alt
            (b"\x1ba", with(c('a'), ALT)),
            ("\x1b字".as_bytes(), with(c('字'), ALT)),
            (b"\x1b\x7f", with(KeyCode::Backspace, ALT)),
            (b"\x1b\x1b[A", with(KeyCode::Up, ALT)),
            (b"\x1b\x1bx", vec![plain(KeyCode::Esc), key(c('x'), ALT)]),
            // Keys
            (b"\x1b[A", with(KeyCode::Up, NONE)),
            (b"\x1bOB", with(KeyCode::Down, NONE)),
            (b"\x1b[1;5C", with(KeyCode::Right, CTRL)),
            (b"\x1bO5D", with(KeyCode::Left, CTRL)),
            (b"\x1bOd", with(KeyCode::Left, CTRL)),
            (b"\x1b[d", with(KeyCode::Left, SHIFT)),
            (b"\x1b[Z", with(KeyCode::BackTab, SHIFT)),
            (b"\x1b[H", with(KeyCode::Home, NONE)),
            (b"\x1b[8~", with(KeyCode::End, NONE)),
            (b"\x1b[3;3~", with(KeyCode::Delete, ALT)),
            (b"\x1b[5~", with(KeyCode::PageUp, NONE)),
            (b"\x1bOP", with(KeyCode::F(1), NONE)),
            (b"\x1b[[B", with(KeyCode::F(2), NONE)),
            (b"\x1b[1;2R", with(KeyCode::F(3), SHIFT)),
            (b"\x1b[15~", with(KeyCode::F(5), NONE)),
            (b"\x1b[17~", with(KeyCode::F(6), NONE)),
            (b"\x1b[24~", with(KeyCode::F(12), NONE)),
            (b"\x1bOM", with(KeyCode::Enter, NONE)),
            (b"\x1bOs", with(c('3'), NONE)),
            // Keys reported by their characters: kitty's and xterm's forms.
            (b"\x1b[99;5u", with(c('c'), CTRL)),
            (b"\x1b[27;6;67~", with(c('c'), CTRL | SHIFT)),
            (b"\x1b[97:65;2u", with(c('A'), SHIFT)),
            (b"\x1b[97;1:3u", vec![]),
            (b"\x1b[9;2u", with(KeyCode::BackTab, SHIFT)),
            (b"\x1b[27u", with(KeyCode::Esc, NONE)),
            (b"\x1b[57441;2u", vec![]),
            (b"\x1b[97;9u", vec![]),
            (b"\x1b[1;129A", with(KeyCode::Up, NONE)),
            // The mouse
            (b"\x1b[<64;10;5M", wheel(true, 9)),
            (b"\x1b[<81;10;5M", wheel(false, 9)),
            (b"\x1b[<0;10;5M", vec![]),
            (b"\x1b[<64;10;5m", vec![]),
            (b"\x1b[97;10;5M", wheel(false, 9)),
            (b"\x1b[M`+!", wheel(true, 10)),
            (b"\x1b[M +!", vec![]),
            // Pastes
            (b"\x1b[200~one\rtwo\x1b[201~", pasted("one\rtwo")),
            (b"\x1b[200~\x1b[201~", pasted("")),
            (b"\x1b[200~a\x03b\x1b[20\x1b[201~", pasted("a\x03b\x1b[20")),
            (b"\x1b[200~\xff\x1b[201~", pasted("\u{fffd}")),
            (b"\x1b[201~", vec![]),
            // Focus reports, and replies to queries.
            (b"\x1b[I", vec![]),
            (b"\x1b[O", vec![]),
            (b"\x1b[?1;2c", vec![]),
            (b"\x1b[>41;354;0c", vec![]),
            (b"\x1b[?2026;2$y", vec![]),
            (b"\x1b[?7u", vec![]),
            (b"\x1b[24;80R", vec![]),
            (b"\x1b[8;24;80t", vec![]),
            (b"\x1b[0n", vec![]),
            (b"\x1b]11;rgb:0000/0000/0000\x07", vec![]),
            (b"\x1b]11;rgb:0000/0000/0000\x1b\\", vec![]),
            (b"\x1b]52;c;cGlnZW9u\x1b\\", vec![]),
            (b"\x1bP1$r0m\x1b\\", vec![]),
            (b"\x1bP>|tmux 3.3a\x1b\\", vec![]),
            (b"\x1b_Gi=31;OK\x1b\\", vec![]),
            (b"\x1b^privacy\x1b\\", vec![]),
            (b"\x1bXstring\x1b\\", vec![]),
        ]
    }

    #[test]
    fn every_sequence_means_the_same_however_it_is_cut() {
        for (bytes, meaning) in sequences() {
            let shown = bytes.escape_ascii();
            assert_eq!(decode(&[bytes], false), meaning, "{shown}");
            for at in 0..=bytes.len() {
                let (before, behind) = bytes.split_at(at);
                assert_eq!(decode(&[before, behind], false), meaning, "{shown} cut at {at}");
            }
            let [single] = [bytes.chunks(1).collect::<Vec<_>>()];
            assert_eq!(decode(&single, false), meaning, "{shown}");
        }
    }

    #[test]
    fn whatever_is_cut_short_gives_way_to_silence_and_to_ctrl_c() {
        for (bytes, _) in sequences() {
            for at in 0..=bytes.len() {
                let begun = &bytes[..at];
                let shown = begun.escape_ascii();
                assert_eq!(decode(&[begun, b"a"], true).last(), Some(&a()), "{shown}");
                let ended = decode(&[&[begun, b"\x03"].concat()], true);
                assert_eq!(ended.last(), Some(&ctrl_c()), "{shown}");
                assert_eq!(decode(&[begun, b"\x03"], true).last(), Some(&ctrl_c()), "{shown}");
            }
        }
    }

    #[test]
    fn a_silence_tells_keys_from_sequences() {
        let (esc, alt) = (plain(KeyCode::Esc), |c| key(KeyCode::Char(c), ALT));
        assert_eq!(decode(&[b"\x1b", b"[A"], true)[0], esc);
        assert_eq!(decode(&[b"\x1b\x1b"], true), [esc.clone(), esc]);
        for (bytes, letter) in [(b"\x1b[", '['), (b"\x1b]", ']'), (b"\x1b_", '_')] {
            assert_eq!(decode(&[bytes], true), [alt(letter)]);
        }
        assert_eq!(decode(&[b"\x1bO"], true), with(KeyCode::Char('O'), ALT | SHIFT));
        // The rest of an abandoned paste counts as typed.
        let expected = [Input::Paste("on".into()), plain(KeyCode::Char('e'))];
        assert_eq!(decode(&[b"\x1b[200~on", b"e\x1b[201~"], true), expected);
    }

    #[test]
    fn ctrl_c_within_a_paste_is_pasted_unless_silence_follows() {
        let mut decoder = Decoder::default();
        let mut inputs = Vec::new();
        decoder.feed(b"\x1b[200~rm\x03", &mut |input| inputs.push(input));
        assert_eq!(decoder.patience(), Some(AFTER_ESCAPE));
        decoder.feed(b" -rf\r", &mut |input| inputs.push(input));
        decoder.give_up(&mut |input| inputs.push(input));
        assert_eq!((decoder.patience(), &*inputs), (Some(IN_PASTE), &[][..]));
        decoder.feed(b"\x03", &mut |input| inputs.push(input));
        decoder.give_up(&mut |input| inputs.push(input));
        assert_eq!(inputs, [ctrl_c()]);
    }

    #[test]
    fn a_paste_without_end_gives_way_to_somebody_who_types() {
        let mut decoder = Decoder::default();
        let mut inputs = Vec::new();
        decoder.feed(b"\x1b[200~a whole line of text\r", &mut |input| inputs.push(input));
        decoder.give_up(&mut |input| inputs.push(input));
        for key in [&b"h"[..], "你".as_bytes(), b"\x1b[A", b"i"] {
            decoder.feed(key, &mut |input| inputs.push(input));
            assert!(decoder.patience().is_some(), "{inputs:?}");
            decoder.give_up(&mut |input| inputs.push(input));
        }
        decoder.feed(b"!", &mut |input| inputs.push(input));
        let text = "a whole line of text\rh你\x1b[Ai".to_owned();
        assert_eq!(inputs, [Input::Paste(text), plain(KeyCode::Char('!'))]);
    }

    #[test]
    fn what_never_ends_takes_no_memory() {
        for begun in [&b"\x1b[200~"[..], b"\x1b[", b"\x1b]", b"\x1bP"] {
            let mut decoder = Decoder::default();
            let mut inputs = Vec::new();
            decoder.feed(begun, &mut |input| inputs.push(input));
            (0..3).for_each(|_| decoder.feed(&vec![b'1'; MAX_PASTE], &mut |_| panic!("a key")));
            let held = match &decoder.state {
                State::Paste { bytes, .. } | State::Csi(bytes) => bytes.len(),
                _ => 0,
            };
            assert!(held <= MAX_PASTE + PASTE_END.len());
            (0..2).for_each(|_| decoder.give_up(&mut |input| inputs.push(input)));
            let expected = if begun.ends_with(b"~") { vec![Input::PasteTooLong] } else { vec![] };
            assert_eq!(inputs, expected);
        }
        let most = [b"\x1b[200~", &*vec![b'x'; MAX_PASTE], PASTE_END].concat();
        assert!(
            matches!(&decode(&[&most], false)[..], [Input::Paste(text)] if text.len() == MAX_PASTE)
        );
        let one_more = [b"\x1b[200~", &*vec![b'x'; MAX_PASTE + 1], PASTE_END].concat();
        assert_eq!(decode(&[&one_more], false), [Input::PasteTooLong]);
    }

    #[test]
    fn what_is_not_utf_8_is_reported_once_a_line() {
        let inputs = decode(&[b"\xc4\xe3\xbaa\x9b\xff\xf0\x9f\ra\xff"], false);
        let enter = plain(KeyCode::Enter);
        assert_eq!(inputs, [Input::NotUtf8, a(), enter, a(), Input::NotUtf8]);
        assert_eq!(decode(&[b"\xe5\xad", b"a"], true), [Input::NotUtf8, a()]);
    }
}
