//! What lines share with the full screen, in a program built without the feature `tui`.

#[path = "screen/help.rs"]
pub(crate) mod help;
#[path = "screen/input.rs"]
pub(crate) mod input;
#[path = "screen/wrap.rs"]
pub(crate) mod wrap;

/// Maximum number of conversations, as on the screen.
pub(crate) const MAX_PLACES: usize = 200;
