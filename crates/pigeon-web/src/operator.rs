//! The secret of the operator's view.

use std::fmt;

use subtle::ConstantTimeEq;

/// The letters of RFC 4648's base32, in lower case.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A token of 128 random bits, as base32.
#[derive(Clone)]
pub struct Token(Box<str>);

impl Token {
    /// The token of random bytes.
    pub fn new(random: [u8; 16]) -> Token {
        let bits = u128::from_be_bytes(random);
        // 26 letters hold 130 bits.
        let letter = |place: u32| LETTERS[(bits >> (5 * place) & 31) as usize];
        Token((0..26).map(|place| char::from(letter(place))).collect())
    }

    /// The token, to be shown to the operator alone.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text is the token, in a time that depends on its length alone.
    pub fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

impl fmt::Debug for Token {
    /// Hides the token from logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_only_and_has_all_its_bits() {
        let token = Token::new([7; 16]);
        assert_eq!(token.as_str().len(), 26);
        assert!(token.is(token.as_str()));
        assert!(!token.is("") && !token.is(&token.as_str()[1..]));
        for bit in 0..128 {
            let mut bytes = [7; 16];
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!token.is(Token::new(bytes).as_str()), "{bit}");
        }
        assert_eq!(format!("{token:?}"), "Token");
    }
}
