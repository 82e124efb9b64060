//! What a load may cost.
//!
//! A document is input: it may be written to exhaust whoever reads it. Every loop and every recursion of this crate
//! is charged against one of these numbers, so that hostile input is an error and never a crash or a hang.

use std::cell::Cell;

use crate::error::{Error, ErrorKind};
use crate::origin::Origin;

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
    /// How many values all sources may have together: the pieces of concatenations, list elements, and the objects that
    /// the elements of a path stand for count one each. Default 250,000.
    pub values: usize,
    /// How many steps merging and resolution may take; a step is about one key looked at. Default 10 million.
    pub steps: u64,
    /// How many values the result may have, and how many bytes its keys and strings together, at 64 bytes a value.
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
    /// How many errors are collected before the rest is not read.
    pub const ERRORS: usize = 100;
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            nesting: 500,
            path_elements: 250,
            chain: 1000,
            files: 1000,
            input_bytes: 8 << 20,
            values: 250_000,
            steps: 10_000_000,
            output_bytes: 64 << 20,
        }
    }
}

/// The budgets and what is used of them in one load.
pub(crate) struct Meter {
    budgets: Budgets,
    steps: Cell<u64>,
    files: Cell<usize>,
    input: Cell<usize>,
    values: Cell<usize>,
    text: Cell<usize>,
}

impl Meter {
    pub(crate) fn new(budgets: &Budgets) -> Self {
        let mut budgets = budgets.clone();
        budgets.nesting = budgets.nesting.min(Budgets::MAX_NESTING);
        budgets.chain = budgets.chain.min(Budgets::MAX_CHAIN);
        budgets.path_elements = budgets.path_elements.min(budgets.nesting);
        Self {
            budgets,
            steps: Cell::new(0),
            files: Cell::new(0),
            input: Cell::new(0),
            values: Cell::new(0),
            text: Cell::new(0),
        }
    }

    /// Charges merging or resolution with a number of steps.
    pub(crate) fn steps(&self, count: usize, origin: &Origin) -> Result<(), Error> {
        let used = self.steps.get().saturating_add(count as u64);
        self.steps.set(used);
        check(used <= self.budgets.steps, origin, || {
            format!("takes more than {} steps to merge and resolve", self.budgets.steps)
        })
    }

    /// Checks a depth of nesting.
    pub(crate) fn nesting(&self, depth: usize, origin: &Origin) -> Result<(), Error> {
        check(depth <= self.budgets.nesting, origin, || {
            format!("values nested more than {} deep", self.budgets.nesting)
        })
    }

    /// Checks the number of elements of a path.
    pub(crate) fn path(&self, elements: usize, origin: &Origin) -> Result<(), Error> {
        check(elements <= self.budgets.path_elements, origin, || {
            format!("a path of more than {} elements", self.budgets.path_elements)
        })
    }

    /// Checks how deep resolution has gone: references followed, and levels of objects entered on the way.
    pub(crate) fn chain(&self, references: usize, levels: usize, origin: &Origin) -> Result<(), Error> {
        let limit = self.budgets.chain;
        check(references <= limit && levels <= 4 * limit + 4 * self.budgets.nesting, origin, || {
            format!("a chain of more than {limit} substitutions")
        })
    }

    /// Checks that there is room for one more error.
    pub(crate) fn errors(&self, found: usize, origin: &Origin) -> Result<(), Error> {
        check(found < Budgets::ERRORS, origin, || format!("there are more than {} errors", Budgets::ERRORS))
    }

    /// Charges a file that is read.
    pub(crate) fn file(&self, origin: &Origin) -> Result<(), Error> {
        self.files.set(self.files.get().saturating_add(1));
        check(self.files.get() <= self.budgets.files, origin, || {
            format!("more than {} files are included", self.budgets.files)
        })
    }

    /// How many bytes of input are left.
    pub(crate) fn input_left(&self) -> usize {
        self.budgets.input_bytes.saturating_sub(self.input.get())
    }

    /// Charges the bytes of a source.
    pub(crate) fn input(&self, bytes: usize, origin: &Origin) -> Result<(), Error> {
        self.input.set(self.input.get().saturating_add(bytes));
        check(self.input.get() <= self.budgets.input_bytes, origin, || {
            format!("the sources have more than {} bytes together", self.budgets.input_bytes)
        })
    }

    /// Charges values as they are read.
    pub(crate) fn values(&self, count: usize, origin: &Origin) -> Result<(), Error> {
        self.values.set(self.values.get().saturating_add(count));
        check(self.values.get() <= self.budgets.values, origin, || {
            format!("the sources have more than {} values together", self.budgets.values)
        })
    }

    /// Charges text that is built or put out.
    pub(crate) fn text(&self, bytes: usize, origin: &Origin) -> Result<(), Error> {
        self.text.set(self.text.get().saturating_add(bytes));
        check(self.text.get() <= self.budgets.output_bytes, origin, || {
            format!("the result has more than {} bytes", self.budgets.output_bytes)
        })
    }
}

fn check(within: bool, origin: &Origin, what: impl FnOnce() -> String) -> Result<(), Error> {
    if within {
        return Ok(());
    }
    let message = format!("{}; this is not read further, to be safe against hostile input", what());
    Err(Error::new(ErrorKind::BudgetExceeded, origin.clone(), message))
}
