//! The cantle binary: commands, logging and exit codes.
fn main() {}
