//! The workspace checks and measures itself.
fn main() {}
