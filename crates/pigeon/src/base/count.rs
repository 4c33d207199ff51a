//! A number with the noun that it counts.

use std::fmt::Display;

/// What [`count`] takes: `u32`, `u64` or `usize`.
pub(crate) trait Number: Display + PartialEq + From<u8> {}

impl<N: Display + PartialEq + From<u8>> Number for N {}

/// `1 datagram`, `2 datagrams`.
pub(crate) fn count<N: Number>(number: N, noun: &str) -> String {
    let s = if number == N::from(1) { "" } else { "s" };
    format!("{number} {noun}{s}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_is_singular() {
        let shown = [0_usize, 1, 2].map(|number| count(number, "byte").to_string());
        assert_eq!(shown, ["0 bytes", "1 byte", "2 bytes"]);
    }
}
