//! What a load may cost.
//!
//! A document is input: it may be written to exhaust whoever reads it. Every loop and every recursion of this crate
//! is charged against one of these numbers, so that hostile input is an error and never a crash or a hang.

/// What a load may cost; going over any of these is [`ErrorKind::BudgetExceeded`](crate::ErrorKind::BudgetExceeded).
///
/// The defaults are far above what a configuration needs. Start from [`Budgets::default`] and change fields.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budgets {
    /// How deep objects and arrays may nest, as written and after resolution. Default 500; values above
    /// [`Budgets::MAX_NESTING`] count as that.
    pub nesting: usize,
    /// How many elements a path expression may have. Default 250; bounded by `nesting` too.
    pub path_elements: usize,
    /// How many substitutions may be followed from one to the next. Default 1000; values above
    /// [`Budgets::MAX_CHAIN`] count as that.
    pub chain: usize,
    /// How many files may be read, the sources among them. Default 1000.
    pub files: usize,
    /// How many bytes all sources and included files may have together. Default 8 MiB.
    pub input_bytes: usize,
    /// How many steps merging and resolution may take; a step is about one key looked at. Default 20 million.
    pub steps: u64,
    /// How many values the result may have, and how many bytes its keys and strings together, at 16 bytes a value.
    /// Default 64 MiB.
    pub output_bytes: usize,
}

impl Budgets {
    /// The deepest nesting that can be allowed.
    pub const MAX_NESTING: usize = 1000;
    /// The longest chain of substitutions that can be allowed.
    pub const MAX_CHAIN: usize = 2000;
    /// How deep includes may nest. This one is Lightbend's and not changed: a cycle of includes ends here, with an
    /// error of kind [`Parse`](crate::ErrorKind::Parse).
    pub const INCLUDE_DEPTH: usize = 50;
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            nesting: 500,
            path_elements: 250,
            chain: 1000,
            files: 1000,
            input_bytes: 8 << 20,
            steps: 20_000_000,
            output_bytes: 64 << 20,
        }
    }
}
