//! The terminal's user interface.
//!
//! - [`keyboard`]: keys, and events of the terminal. [`editor`]: a line editor.
//! - [`lines`]: input lines, with output above the one being edited. [`typist`]: the thread that
//!   reads them for a loop.
//! - [`console`]: the thread that reads commands for a server's loop.
//! - [`screen`]: the full screen. [`span`]: durations as text.

pub(crate) mod console;
pub(crate) mod editor;
#[cfg_attr(not(unix), allow(dead_code, reason = "elsewhere the system decodes keys"))]
pub(crate) mod keyboard;
pub(crate) mod lines;
#[cfg(feature = "tui")]
pub(crate) mod screen;
#[cfg(not(feature = "tui"))]
#[path = "screen_absent.rs"]
pub(crate) mod screen;
pub(crate) mod span;
pub(crate) mod suggestions;
pub(crate) mod typist;
