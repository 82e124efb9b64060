//! Who is asking: the callers the server knows, and the check that a request is really theirs.

pub(crate) mod callers;
pub(crate) mod credentials;
pub(crate) mod file;
pub(crate) mod sigv4;
