//! The layout for a screen of any size. Parts that do not fit are omitted, the input line last.

use ratatui::layout::Rect;

/// The least width with names beside the messages.
const SIDE_FROM: u16 = 60;

/// The areas of the parts; omitted ones have no rows or columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Areas {
    /// The area of conversations and members.
    pub(crate) side: Rect,
    /// The line between the names and the rest.
    pub(crate) border: Rect,
    pub(crate) header: Rect,
    pub(crate) messages: Rect,
    pub(crate) status: Rect,
    pub(crate) input: Rect,
}

impl Areas {
    /// Divides columns and rows. Independent of the content.
    pub(crate) fn of((width, height): (u16, u16)) -> Areas {
        let row = |from_bottom: u16, least: u16| match height >= least {
            true => Rect::new(0, height - from_bottom, width, 1),
            false => Rect::new(0, 0, width, 0),
        };
        let (input, status) = (row(1, 1), row(2, 2));
        let top = height.saturating_sub(2);
        let (side_width, border_width) = match width >= SIDE_FROM && height >= 4 {
            // Two columns for marks; an IPv4 address with port fits from 80 columns on.
            true => ((width * 3 / 10).clamp(16, 28), 1),
            false => (0, 0),
        };
        let rest = width - side_width - border_width;
        let header_height = u16::from(height >= 5);
        Areas {
            side: Rect::new(0, 0, side_width, top),
            border: Rect::new(side_width, 0, border_width, top),
            header: Rect::new(side_width + border_width, 0, rest, header_height),
            messages: Rect::new(
                side_width + border_width,
                header_height,
                rest,
                top - header_height.min(top),
            ),
            status,
            input,
        }
    }

    /// The columns of the time before a message, with a date if some messages are `dated`.
    pub(crate) fn time_columns(&self, dated: bool) -> u16 {
        match self.messages.width {
            50.. if dated => 15,
            50.. => 9,
            30.. => 6,
            _ => 0,
        }
    }

    /// The columns of a message's text. Leaves the screen's last column free if possible, because
    /// terminals differ in their behaviour after writing there.
    pub(crate) fn text_columns(&self, dated: bool) -> usize {
        let free = u16::from(self.messages.width >= 20);
        usize::from(self.messages.width.saturating_sub(self.time_columns(dated) + free)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_fit_any_screen_and_never_overlap() {
        for width in 0..130 {
            for height in 0..40 {
                let areas = Areas::of((width, height));
                let Areas { side, border, header, messages, status, input } = areas;
                let parts = [side, border, header, messages, status, input];
                let whole = Rect::new(0, 0, width, height);
                let mut cells = 0;
                for (n, part) in parts.iter().enumerate() {
                    assert_eq!(part.intersection(whole).area(), part.area(), "{width}x{height}");
                    cells += part.area();
                    for other in &parts[n + 1..] {
                        assert_eq!(part.intersection(*other).area(), 0, "{width}x{height}");
                    }
                }
                assert_eq!(cells, whole.area(), "{width}x{height}");
                assert_eq!(input.area() > 0, width > 0 && height > 0);
            }
        }
    }
}
