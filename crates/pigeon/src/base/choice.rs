//! A choice among several, asked at the terminal.

use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use pigeon_proto::fold;

use crate::words::say;

/// Whether a person can be asked.
pub(crate) fn is_at_terminal() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal()
}

/// Lists rows with their numbers.
pub(crate) fn list(rows: impl IntoIterator<Item = String>) {
    for (number, row) in (1..).zip(rows) {
        // Not a remark, because a question follows. Ignored: a closed stderr shows no list.
        let _ = writeln!(io::stderr(), "{number:>3}  {row}");
    }
}

/// Asks until the answer is a number or a name of the list, and returns its place in it. `None` at
/// the end of stdin.
pub(crate) fn ask(question: &str, names: &[&str]) -> anyhow::Result<Option<usize>> {
    loop {
        let mut stderr = io::stderr();
        let _ = stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush());
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        if read.with_context(|| say!("errors-answer-unreadable"))? == 0 {
            return Ok(None);
        }
        if let Some(place) = chosen(names, answer.trim()) {
            return Ok(Some(place));
        }
    }
}

/// The place of the number, or of the only such name.
fn chosen(names: &[&str], answer: &str) -> Option<usize> {
    let places = 0..names.len();
    match answer.parse::<usize>() {
        Ok(number) => number.checked_sub(1).filter(|place| places.contains(place)),
        Err(_) => {
            let mut named = places.filter(|&place| fold(names[place]) == fold(answer));
            named.next().filter(|_| named.next().is_none())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_chosen_by_its_number_or_its_name() {
        let names = ["图书馆", "library", "twice", "TWICE"];
        for (answer, place) in
            [("1", Some(0)), ("4", Some(3)), ("Library", Some(1)), ("图书馆", Some(0))]
        {
            assert_eq!(chosen(&names, answer), place, "{answer}");
        }
        for answer in ["", "0", "5", "nobody", "twice", "-1"] {
            assert_eq!(chosen(&names, answer), None, "{answer}");
        }
    }
}
