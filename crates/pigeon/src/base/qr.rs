//! A text as a QR code for a terminal.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code, which scanners need (ISO/IEC 18004 section 9.1 asks for four).
const QUIET: usize = 4;

/// Maximum number of columns.
const MOST_COLUMNS: usize = 80;

/// Black on white, whatever the terminal's own colours are, and back.
const INK: &str = "\x1b[38;5;16;48;5;231m";
const PLAIN: &str = "\x1b[0m";

/// The code's lines, two modules high each. Without colour, light modules are drawn, as on a dark
/// terminal. Empty if the text does not fit 80 columns.
pub(crate) fn lines(text: &str, is_colored: bool) -> Vec<String> {
    let level = EcLevel::L;
    let Ok(code) = QrCode::with_error_correction_level(text, level) else { return Vec::new() };
    let width = code.width() + 2 * QUIET;
    if width > MOST_COLUMNS {
        return Vec::new();
    }
    let is_dark = |row: usize, column: usize| {
        let at = |place: usize| place.checked_sub(QUIET).filter(|place| *place < code.width());
        let module = at(row).zip(at(column)).map(|(row, column)| code[(column, row)]);
        module == Some(Color::Dark)
    };
    let line = |row: usize| {
        let cell = |column: usize| {
            let drawn = |row: usize| is_dark(row, column) == is_colored;
            // A row below the last one is light.
            match (drawn(row), drawn(row + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            }
        };
        let cells: String = (0..width).map(cell).collect();
        if is_colored { format!("{INK}{cells}{PLAIN}") } else { cells }
    };
    (0..width).step_by(2).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://192.168.111.222:8080/#room=lobby";

    /// The modules of drawn lines, true for dark.
    fn modules(lines: &[String], is_colored: bool) -> Vec<Vec<bool>> {
        let plain = |line: &String| line.trim_start_matches(INK).trim_end_matches(PLAIN).to_owned();
        let rows = lines.iter().map(plain).flat_map(|line| {
            [('█', '▀'), ('█', '▄')].map(|halves| {
                let is_drawn = |cell: char| cell == halves.0 || cell == halves.1;
                line.chars().map(|cell| is_drawn(cell) == is_colored).collect::<Vec<_>>()
            })
        });
        rows.collect()
    }

    #[test]
    fn a_code_is_drawn_with_a_quiet_zone_and_fits_80_columns() {
        for is_colored in [true, false] {
            let drawn = lines(URL, is_colored);
            let rows = modules(&drawn, is_colored);
            let code = QrCode::with_error_correction_level(URL, EcLevel::L).unwrap();
            let width = code.width() + 2 * QUIET;
            assert!(width <= 60, "{width}");
            assert!(rows.iter().all(|row| row.len() == width));
            for (row, modules) in rows.iter().enumerate() {
                for (column, is_dark) in modules.iter().enumerate() {
                    let inside = QUIET..QUIET + code.width();
                    let wanted = inside.contains(&row)
                        && inside.contains(&column)
                        && code[(column - QUIET, row - QUIET)] == Color::Dark;
                    assert_eq!(*is_dark, wanted, "{row} {column}");
                }
            }
        }
    }

    #[test]
    fn a_text_that_does_not_fit_has_no_code() {
        assert!(lines(&"x".repeat(2_000), true).is_empty());
    }
}
