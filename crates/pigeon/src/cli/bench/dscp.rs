//! The class of service that datagrams request from routers (DSCP, RFC 2474).

use crate::words::say;

/// Reads `EF`, `AF41`, `CS6`, `LE` (RFC 4594, RFC 8622), or a number from 0 to 63.
pub(super) fn parse(text: &str) -> Result<u8, String> {
    let upper = text.to_ascii_uppercase();
    let digit = |byte: u8, most: u8| Some(byte.wrapping_sub(b'0')).filter(|&digit| digit <= most);
    let named = match upper.as_bytes() {
        b"EF" => Some(46),
        b"VA" => Some(44),
        b"LE" => Some(1),
        [b'C', b'S', class] => digit(*class, 7).map(|class| 8 * class),
        [b'A', b'F', class @ b'1'..=b'4', drop @ b'1'..=b'3'] => {
            digit(*class, 4).zip(digit(*drop, 3)).map(|(class, drop)| 8 * class + 2 * drop)
        }
        _ => None,
    };
    let number = || text.parse::<u8>().ok().filter(|&number| number < 64);
    named.or_else(number).ok_or_else(|| say!("tools-bench-dscp"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_numbers_of_the_rfcs() {
        for (text, number) in
            [("EF", 46), ("ef", 46), ("AF41", 34), ("AF13", 14), ("CS6", 48), ("LE", 1), ("46", 46)]
        {
            assert_eq!(parse(text), Ok(number), "{text}");
        }
        for bad in ["", "64", "-1", "AF44", "AF51", "AF10", "CS8", "EF1"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
