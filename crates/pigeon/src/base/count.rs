//! A number with the noun that it counts.

use std::fmt::{self, Display};

/// What [`count`] takes: `u32`, `u64` or `usize`.
pub(crate) trait Number: Display + PartialEq + From<u8> {}

impl<N: Display + PartialEq + From<u8>> Number for N {}

/// `1 datagram`, `2 datagrams`.
pub(crate) fn count<N: Number>(number: N, noun: &str) -> impl Display {
    let s = if number == N::from(1) { "" } else { "s" };
    fmt::from_fn(move |f| write!(f, "{number} {noun}{s}"))
}

/// `1 reply`, `2 replies`: for a noun with a plural that takes more than an s.
pub(crate) fn count_of<'a, N: Number + 'a>(
    number: N,
    one: &'a str,
    many: &'a str,
) -> impl Display + 'a {
    let noun = if number == N::from(1) { one } else { many };
    fmt::from_fn(move |f| write!(f, "{number} {noun}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let shown = [0_usize, 1, 2].map(|number| count(number, "byte").to_string());
        assert_eq!(shown, ["0 bytes", "1 byte", "2 bytes"]);
        let shown = [1_u64, 11].map(|number| count_of(number, "reply", "replies").to_string());
        assert_eq!(shown, ["1 reply", "11 replies"]);
    }
}
