//! Colours and attributes. Colour alone never carries information, and can be switched off.

use ratatui::style::{Color, Modifier, Style};

/// Colours of names: those of the 256 with about the same contrast to black and to white, 4:1 or
/// more, so that they are readable on dark and light screens. The sixteen named colours are
/// unsuitable: yellow vanishes on white, blue on black, and every theme changes them.
const NAMES: [u8; 12] = [131, 130, 64, 28, 29, 30, 31, 27, 98, 129, 164, 162];

/// The style of all parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    /// Whether colours are enabled; attributes always are.
    pub(crate) color: bool,
}

impl Look {
    /// The style of a name: the same on every machine.
    pub(crate) fn name(self, name: &str) -> Style {
        match self.color {
            true => Style::new().fg(Color::Indexed(NAMES[hash(name) as usize % NAMES.len()])),
            false => Style::new(),
        }
    }

    /// The style of the user's own name.
    pub(crate) fn mine(self, name: &str) -> Style {
        self.name(name).add_modifier(Modifier::BOLD)
    }

    /// The style of secondary text.
    pub(crate) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    pub(crate) fn bold(self) -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The style of the status line, the selected place and found text.
    pub(crate) fn reverse(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The style of the reader's own name in messages.
    pub(crate) fn mention(self) -> Style {
        self.reverse().add_modifier(Modifier::BOLD)
    }

    pub(crate) fn alarm(self) -> Style {
        self.reverse().add_modifier(Modifier::BOLD)
    }
}

/// FNV-1a: small, and the same in every build.
fn hash(name: &str) -> u32 {
    name.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The relative luminance (WCAG 2.1) of a colour of the 6×6×6 cube.
    fn luminance(index: u8) -> f64 {
        let level = |n: u8| f64::from([0, 95, 135, 175, 215, 255][usize::from(n)]) / 255.0;
        let linear =
            |c: f64| if c <= 0.03928 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
        let n = index - 16;
        0.2126 * linear(level(n / 36))
            + 0.7152 * linear(level(n / 6 % 6))
            + 0.0722 * linear(level(n % 6))
    }

    #[test]
    fn names_can_be_read_on_black_and_on_white() {
        for index in NAMES {
            let luminance = luminance(index);
            let (on_white, on_black) = (1.05 / (luminance + 0.05), (luminance + 0.05) / 0.05);
            assert!(on_white >= 4.0 && on_black >= 4.0, "{index}: {on_white:.1} {on_black:.1}");
        }
    }

    #[test]
    fn a_name_keeps_its_colour_and_none_is_needed() {
        let (with, without) = (Look { color: true }, Look { color: false });
        assert_eq!(with.name("狗哥"), with.name("狗哥"));
        assert_ne!(with.name("狗哥"), with.name("猴哥"));
        assert_eq!(without.name("狗哥"), Style::new());
        for style in [without.mine("a"), without.dim(), without.alarm()] {
            assert_eq!((style.fg, style.bg), (None, None));
        }
    }
}
