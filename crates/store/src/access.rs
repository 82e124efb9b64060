//! What a store is opened for, whichever database it is.

/// Whether an old schema is brought up to date when a store is opened.
///
/// A database that is new gets the current schema either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrateOnStart {
    /// An old schema is migrated.
    Yes,
    /// An old schema is refused.
    No,
}

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// By the node itself; a second one is refused.
    ReadWrite,
    /// For inspection, also while the node runs. Creates and changes nothing.
    ReadOnly,
}
