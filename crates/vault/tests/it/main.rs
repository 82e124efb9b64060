//! The vault over an in-memory KMS and SQLite.

#[cfg(test)]
mod check;
#[cfg(test)]
mod deletion;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod listing;
#[cfg(test)]
mod migration;
#[cfg(test)]
mod provider;
#[cfg(test)]
mod register;
#[cfg(test)]
mod register_refusals;
#[cfg(test)]
mod software;
#[cfg(test)]
mod support;
#[cfg(test)]
mod unfinished;
#[cfg(test)]
mod use_key;
#[cfg(test)]
mod wrapping;
