//! A figure of one part of the hub, for `/metrics`.

/// A name with its value.
#[derive(Clone, Debug)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    /// Whether it only grows.
    pub(super) is_sum: bool,
    pub(super) value: f64,
}
