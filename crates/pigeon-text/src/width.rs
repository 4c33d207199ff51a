//! Display width: how many terminal columns a text takes.

use unicode_width::UnicodeWidthStr;

/// The columns `text` takes: two for 中, one for a, none for a combining mark. Escape text from
/// outside first; a control character has no meaningful width.
pub fn width(text: &str) -> usize {
    text.width()
}

/// `text` padded with spaces to `columns`. A longer text stays unchanged.
pub fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{:missing$}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_lines_up_with_ascii() {
        assert_eq!(width("狗哥"), 4);
        assert_eq!(pad("狗哥", 6), "狗哥  ");
        assert_eq!(pad("dog", 6), "dog   ");
        assert_eq!(pad("too long", 3), "too long");
    }
}
