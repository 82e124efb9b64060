//! The domain manager role, over real stores and vaults.

mod initialize;
