//! Which host is asked next.

/// Which region answered an acquire; its start goes nowhere else. The default is the region that the primary domains
/// lead to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Route {
    /// The one that the primary domains lead to (or the given endpoints).
    #[default]
    Primary,
}
