//! How numbers and lists stand in the hub's own lines.

use std::fmt::Write;

/// `1 member`, `2 members`.
pub(crate) fn count(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}

/// Appends `a, b and 3 more` to a line that may be `most` bytes long: as many of the labels as fit,
/// the rest of `total` counted.
pub(crate) fn list(
    mut line: String,
    most: usize,
    total: usize,
    labels: impl Iterator<Item = String>,
) -> String {
    let mut named = 0;
    for label in labels {
        if line.len() + label.len() > most {
            break;
        }
        if named > 0 {
            line.push_str(", ");
        }
        line.push_str(&label);
        named += 1;
    }
    if named < total {
        // Writing to a string cannot fail.
        let _ = write!(line, " and {} more", total - named);
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|n| count(n, "room")), ["0 rooms", "1 room", "2 rooms"]);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let labels = || ["dog", "cat", "fox"].map(String::from).into_iter();
        assert_eq!(list("here: ".into(), 100, 3, labels()), "here: dog, cat, fox");
        assert_eq!(list("here: ".into(), 14, 3, labels()), "here: dog, cat and 1 more");
        assert_eq!(list(String::new(), 100, 9, labels().take(2)), "dog, cat and 7 more");
        assert_eq!(list(String::new(), 100, 0, [].into_iter()), "");
    }
}
