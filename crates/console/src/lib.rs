//! The scripting console: Starlark with the manual's notation, over the nodes' admin API only.
mod notation;
