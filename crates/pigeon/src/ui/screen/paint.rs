//! Cells as bytes for a terminal: only changed rows, each written completely.
//!
//! Replaces ratatui's terminal, which writes only the cells that differ and trusts the terminal's
//! character widths. Terminals differ there: joined emoji, new emoji, and in East Asian settings é
//! and ●. Here a changed row is cleared and rewritten, and the cursor is positioned after every
//! non-ASCII character. So a wrong width damages only that character, never its neighbours, and a
//! narrower character leaves no residue.

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::queue;
use crossterm::style::{
    Attribute, Color as CrosstermColor, Print, SetAttribute, SetForegroundColor,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, SetTitle,
};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Position;
use ratatui::style::{Color, Modifier};

/// The used attributes, with their sequences.
const ATTRIBUTES: [(Modifier, Attribute); 3] = [
    (Modifier::BOLD, Attribute::Bold),
    (Modifier::DIM, Attribute::Dim),
    (Modifier::REVERSED, Attribute::Reverse),
];

/// Appends the bytes that change a terminal's content from `before` to `after`. `before` is `None`
/// if unknown.
pub(crate) fn paint(
    out: &mut Vec<u8>,
    before: Option<&Buffer>,
    after: &Buffer,
    cursor: Option<Position>,
) {
    // Writing to a vector cannot fail.
    let _ = queue!(out, BeginSynchronizedUpdate, Hide);
    let before = before.filter(|before| before.area == after.area);
    if before.is_none() {
        let _ = queue!(out, SetAttribute(Attribute::Reset), Clear(ClearType::All));
    }
    let width = usize::from(after.area.width);
    for y in 0..after.area.height {
        let cells = cells(after, y, width);
        if before.is_none_or(|before| self::cells(before, y, width) != cells) {
            paint_row(out, y, cells);
        }
    }
    if let Some(at) = cursor {
        let _ = queue!(out, MoveTo(at.x, at.y), Show);
    }
    let _ = queue!(out, EndSynchronizedUpdate);
}

/// Appends the bytes that set the window's title.
pub(crate) fn name_window(out: &mut Vec<u8>, title: &str) {
    // The text must not contain the end of the sequence.
    let title: String = title.chars().filter(|c| !c.is_control()).collect();
    let _ = queue!(out, SetTitle(title));
}

fn cells(buffer: &Buffer, y: u16, width: usize) -> &[Cell] {
    let start = usize::from(y) * width;
    buffer.content.get(start..start + width).unwrap_or_default()
}

fn paint_row(out: &mut Vec<u8>, y: u16, cells: &[Cell]) {
    let blank =
        |cell: &Cell| cell.symbol() == " " && style_of(cell) == (Color::Reset, Modifier::empty());
    let end = cells.iter().rposition(|cell| !blank(cell)).map_or(0, |last| last + 1);
    let mut style = (Color::Reset, Modifier::empty());
    let _ = queue!(out, MoveTo(0, y), Clear(ClearType::UntilNewLine));
    let mut x = 0;
    while x < end {
        let Some(cell) = cells.get(x) else { break };
        if style_of(cell) != style {
            style = style_of(cell);
            set_style(out, style);
        }
        let symbol = cell.symbol();
        let _ = queue!(out, Print(symbol));
        x += pigeon_text::width(symbol).max(1);
        if !symbol.is_ascii() && x < cells.len() {
            // Columns of a screen fit `u16`.
            let _ = queue!(out, MoveTo(x as u16, y));
        }
    }
    if style != (Color::Reset, Modifier::empty()) {
        let _ = queue!(out, SetAttribute(Attribute::Reset));
    }
}

fn style_of(cell: &Cell) -> (Color, Modifier) {
    (cell.fg, cell.modifier)
}

fn set_style(out: &mut Vec<u8>, (color, modifier): (Color, Modifier)) {
    let _ = queue!(out, SetAttribute(Attribute::Reset));
    for (_, attribute) in ATTRIBUTES.iter().filter(|(flag, _)| modifier.contains(*flag)) {
        let _ = queue!(out, SetAttribute(*attribute));
    }
    if let Color::Indexed(index) = color {
        let _ = queue!(out, SetForegroundColor(CrosstermColor::AnsiValue(index)));
    }
}
