//! A position in a text file, for error messages.

use crate::words::say;

/// The line and column of the byte at `offset`: `line 3, column 8`.
pub(crate) fn place(text: &str, offset: usize) -> String {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    say!("errors-place", line = &line, column = &column)
}
