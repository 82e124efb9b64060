//! HTTP: listening, bounds on hostile clients, and what a request turns into.

pub(crate) mod admin;
pub(crate) mod body;
pub(crate) mod handler;
pub(crate) mod kms;
pub(crate) mod listener;
