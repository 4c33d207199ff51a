//! The two-byte codes of ideographs and Korean syllables, by character.
//!
//! A table is computed from its decoder on first use, in a few milliseconds. The same tables in
//! encoding_rs (its features `fast-…-encode`) take 148 kB of a program, and without them it searches
//! its tables for decoding from their beginning, for each character.

use std::sync::OnceLock;

use super::Encoding;

/// What the encoding has for a character.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Code {
    TwoBytes([u8; 2]),
    /// The encoding lacks it.
    Absent,
    /// The table does not cover it.
    Elsewhere,
}

/// The codes of an encoding: zero where it has none.
#[derive(Debug)]
pub(super) struct Codes {
    ideographs: Box<[[u8; 2]]>,
    syllables: Box<[[u8; 2]]>,
}

/// Where ideographs begin. GBK has all 20,902 of Unicode 1.1.
const IDEOGRAPHS: u32 = 0x4e00;
const IDEOGRAPHS_COUNT: usize = 20_902;
const SYLLABLES: u32 = 0xac00;
const SYLLABLES_COUNT: usize = 11_172;

impl Codes {
    /// The table of an encoding that has one.
    pub(super) fn of(encoding: Encoding) -> Option<&'static Codes> {
        static TABLES: [OnceLock<Codes>; 3] = [const { OnceLock::new() }; 3];
        // GB18030 extends GBK, whose ideographs have the same codes.
        let (place, first_lead) = match encoding {
            Encoding::GB2312 | Encoding::GBK | Encoding::GB18030 => (0, 0x81),
            // Codes before are Hong Kong's additions, which the WHATWG's encoder never writes.
            Encoding::BIG5 => (1, 0xa1),
            Encoding::EUC_KR => (2, 0x81),
            _ => return None,
        };
        Some(TABLES[place].get_or_init(|| Codes::compute(encoding, first_lead)))
    }

    fn compute(encoding: Encoding, first_lead: u8) -> Codes {
        let syllables = if encoding == Encoding::EUC_KR { SYLLABLES_COUNT } else { 0 };
        let mut codes = Codes {
            ideographs: vec![[0; 2]; IDEOGRAPHS_COUNT].into(),
            syllables: vec![[0; 2]; syllables].into(),
        };
        for lead in first_lead..=0xfe {
            for trail in 0x40..=0xfe {
                let code = [lead, trail];
                let text =
                    encoding.coder().decode_without_bom_handling_and_without_replacement(&code);
                let mut chars = text.iter().flat_map(|text| text.chars());
                let Some(c) = chars.next() else { continue };
                // Of two codes for a character the WHATWG's encoders write the first, but for these.
                let is_last = encoding == Encoding::BIG5 && matches!(c, '十' | '卅');
                match codes.place(c) {
                    Some(place) if chars.next().is_none() && (*place == [0; 2] || is_last) => {
                        *place = code;
                    }
                    _ => {}
                }
            }
        }
        codes
    }

    fn place(&mut self, c: char) -> Option<&mut [u8; 2]> {
        match u32::from(c) {
            c @ SYLLABLES.. => self.syllables.get_mut((c - SYLLABLES) as usize),
            c @ IDEOGRAPHS.. => self.ideographs.get_mut((c - IDEOGRAPHS) as usize),
            _ => None,
        }
    }

    pub(super) fn code(&self, c: char) -> Code {
        let code = match u32::from(c) {
            c @ SYLLABLES.. => self.syllables.get((c - SYLLABLES) as usize),
            c @ IDEOGRAPHS.. => self.ideographs.get((c - IDEOGRAPHS) as usize),
            _ => None,
        };
        match code {
            None => Code::Elsewhere,
            Some([0, _]) => Code::Absent,
            Some(code) => Code::TwoBytes(*code),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_coders() {
        for encoding in [Encoding::GBK, Encoding::GB18030, Encoding::BIG5, Encoding::EUC_KR] {
            let codes = Codes::of(encoding).unwrap();
            let mut covered = 0;
            for c in '\0'..='\u{ffff}' {
                let mut buffer = [0; 8];
                let mut utf8 = [0; 4];
                let (result, _, written) =
                    encoding.coder().new_encoder().encode_from_utf8_without_replacement(
                        c.encode_utf8(&mut utf8),
                        &mut buffer,
                        true,
                    );
                let wanted = match (result, written) {
                    (encoding_rs::EncoderResult::Unmappable(_), _) => Code::Absent,
                    (_, 2) => Code::TwoBytes([buffer[0], buffer[1]]),
                    _ => Code::Elsewhere,
                };
                let code = codes.code(c);
                assert!(code == Code::Elsewhere || code == wanted, "{encoding} {c:?}: {code:?}");
                covered += usize::from(code != Code::Elsewhere);
            }
            assert!(covered >= IDEOGRAPHS_COUNT, "{encoding}: {covered}");
        }
    }
}
