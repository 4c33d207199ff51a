//! Wraps text into rows of a terminal by display width.
//!
//! Rows break at spaces and between ideographs. A run without either (a link, a long word) moves to
//! the next row if it fits there, so that it stays clickable; otherwise it is cut at the row's end.

use pigeon_text::width;
use unicode_segmentation::UnicodeSegmentation;

/// Characters that may not begin a row: closing marks (a minimal kinsoku).
const CLOSING: &str = "，。、；：？！）》」』】〉”’…)]},.;:?!";

/// Characters that may not end a row.
const OPENING: &str = "（《「『【〈“‘([{";

/// The longest cluster in characters. Meaningful ones have at most ten (two people of different
/// skin colour, a heart and a kiss); thousands can be joined, and would be drawn as thousands.
const MAX_CHARS: usize = 12;

/// The clusters of a text: user-perceived characters.
pub(crate) fn clusters(text: &str) -> impl DoubleEndedIterator<Item = (usize, &str)> {
    text.grapheme_indices(true).flat_map(|(start, cluster)| {
        // Nearly all are shorter in bytes than that.
        let cuts = match cluster.len() {
            ..=MAX_CHARS => Vec::new(),
            _ => cluster
                .char_indices()
                .map(|(at, _)| at)
                .skip(MAX_CHARS)
                .step_by(MAX_CHARS)
                .collect(),
        };
        let ends = cuts.clone().into_iter().chain([cluster.len()]);
        let pieces: Vec<_> = [0].into_iter().chain(cuts).zip(ends).collect();
        pieces.into_iter().map(move |(from, to)| (start + from, &cluster[from..to]))
    })
}

/// The columns of a cluster. A mark without a base gets one.
pub(crate) fn columns(cluster: &str) -> usize {
    width(cluster).max(1)
}

/// Maximum number of columns that a terminal may use for a cluster: many draw the parts of a joined
/// emoji side by side. It must fit in this width, or it would run over the edge.
pub(crate) fn cautious(cluster: &str) -> usize {
    if cluster.len() <= 4 {
        return columns(cluster);
    }
    let parts = cluster.chars().map(|c| width(c.encode_utf8(&mut [0; 4]))).sum();
    columns(cluster).max(parts)
}

/// The starts of the second and later rows of `text` in bytes, for rows of `most` columns. A
/// cluster wider than a row gets its own row.
pub(crate) fn breaks(text: &str, most: usize) -> Vec<u32> {
    let most = most.max(1);
    let mut breaks = Vec::new();
    // The last possible break, and its column.
    let mut chance: Option<(usize, usize)> = None;
    let (mut row, mut column) = (0, 0);
    let mut before: Option<&str> = None;
    for (at, cluster) in clusters(text) {
        let blank = cluster == " ";
        if let Some(before) = before.filter(|_| at > row && !blank)
            && may_part(before, cluster)
        {
            chance = Some((at, column));
        }
        let mut start = |at: usize| {
            row = at;
            // No text is longer than a datagram, even escaped.
            breaks.push(u32::try_from(at).unwrap_or(u32::MAX));
        };
        // Blanks at the end of a row may exceed it, invisibly.
        if !blank && column + cautious(cluster) > most {
            if let Some((at, columns)) = chance.take() {
                start(at);
                column -= columns;
            }
            if column > 0 && column + cautious(cluster) > most {
                start(at);
                column = 0;
            }
        }
        column += columns(cluster);
        before = Some(cluster);
    }
    breaks
}

fn may_part(before: &str, after: &str) -> bool {
    if before == " " {
        return true;
    }
    let wide = |cluster: &str| !cluster.is_ascii() && width(cluster) > 1;
    (wide(before) || wide(after)) && !CLOSING.contains(after) && !OPENING.contains(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &str, most: usize) -> Vec<&str> {
        let mut rows = Vec::new();
        let mut rest = 0;
        for at in breaks(text, most) {
            rows.push(text[rest..at as usize].trim_end());
            rest = at as usize;
        }
        rows.push(text[rest..].trim_end());
        rows
    }

    #[test]
    fn rows_break_at_spaces() {
        assert_eq!(rows("the quick brown fox", 10), ["the quick", "brown fox"]);
        assert_eq!(rows("ab          cd", 4), ["ab", "cd"]);
        assert_eq!(rows("", 4), [""]);
        assert_eq!(rows("exactly ten", 11), ["exactly ten"]);
    }

    #[test]
    fn ideographs_part_anywhere_but_before_what_closes() {
        assert_eq!(rows("你好世界", 5), ["你好", "世界"]);
        assert_eq!(rows("你好世界。", 8), ["你好世", "界。"]);
        assert_eq!(rows("他说（你好）", 6), ["他说", "（你", "好）"]);
    }

    #[test]
    fn a_link_that_fits_a_row_is_not_cut() {
        let link = "https://pigeon.example/a/b?c=d";
        assert_eq!(rows(&format!("看这里{link}很好"), 31), ["看这里", link, "很好"]);
        assert_eq!(rows(&format!("see {link} now"), 30), ["see", link, "now"]);
        // The word fits in no row, so the row is filled.
        assert_eq!(rows(link, 20), ["https://pigeon.examp", "le/a/b?c=d"]);
    }

    #[test]
    fn clusters_stay_whole_and_joined_ones_have_room_for_their_parts() {
        assert_eq!(rows("ae\u{301}b", 2), ["ae\u{301}", "b"]);
        assert_eq!(rows("ab👩‍🚀", 5), ["ab", "👩‍🚀"]);
        assert_eq!(clusters(&"👩\u{200d}".repeat(100)).count(), 200_usize.div_ceil(MAX_CHARS));
        assert_eq!(rows("中", 1), ["中"]);
        assert_eq!(rows("a中b", 1), ["a", "中", "b"]);
    }

    #[test]
    fn the_longest_datagram_without_a_space_is_wrapped_quickly() {
        let text = "x".repeat(65_507);
        assert_eq!(breaks(&text, 80).len(), 65_507 / 80);
    }

    proptest! {
        #[test]
        fn no_row_is_too_wide_and_nothing_is_lost(
            text in "[a-c 中，。（é👩🚀\u{200d}\u{301}]{0,80}", most in 1..20_usize
        ) {
            let text = pigeon_text::escape(&text).to_string();
            let rows = rows(&text, most);
            for row in &rows {
                let columns: usize = clusters(row).map(|(_, cluster)| columns(cluster)).sum();
                prop_assert!(columns <= most || clusters(row).count() == 1, "{row:?}");
            }
            let together: String = rows.concat().chars().filter(|c| *c != ' ').collect();
            prop_assert_eq!(together, text.replace(' ', ""));
        }
    }
}
