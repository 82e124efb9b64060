//! HOCON as Lightbend's library reads it, with an origin on every value and budgets against hostile input.
//!
//! [`Loader`] takes sources in order (files, texts, `PATH=VALUE` settings; later ones win), parses them, merges
//! them, resolves all substitutions once over the whole, and gives a tree of [`Value`]s. What a document means is
//! what `com.typesafe:config` 1.4.3 makes of it, its quirks included; what the specification says is at
//! <https://github.com/lightbend/config/blob/v1.4.3/HOCON.md>.
//!
//! ```no_run
//! use cantle_hocon::Loader;
//!
//! let root = Loader::new()
//!     .text("defaults", "node { port = 5012, name = p1 }")
//!     .setting("node.port", "6012")
//!     .load()?;
//! assert_eq!(root.to_json(), r#"{"node":{"name":"p1","port":"6012"}}"#);
//! # Ok::<(), cantle_hocon::Errors>(())
//! ```
//!
//! This crate does not know what a configuration means: types, defaults and unknown keys are the business of the
//! decoder above it. It never opens a network connection and reads no file but the ones named by its sources and
//! their `include` statements.

mod assemble;
mod budget;
mod concat;
mod draft;
mod error;
mod expression;
mod files;
mod java;
mod json;
mod layers;
mod loader;
mod map;
mod node;
mod origin;
mod path;
mod properties;
mod resolve;
mod settings;
mod syntax;
mod token;
mod value;

pub use budget::Budgets;
pub use error::{Error, ErrorKind, Errors, Excerpt};
pub use loader::Loader;
pub use origin::Origin;
pub use path::{Path, PathError};
pub use value::{Kind, Number, Object, Value};
