//! What reads what others wrote, each with its corpus.

mod apis;
mod kms;
mod messages;
mod secrets;
mod text;

use anyhow::bail;
use cantle_testkit::Random;

use super::{
    corpus::Corpus,
    mutate::{self, Form},
};

/// The targets, each with its share of a run by time, and of one by inputs.
pub(crate) const NAMES: [(&str, Shares); 9] = [
    ("hocon", Shares { time: 3, inputs: 600 }),
    ("config", Shares { time: 3, inputs: 400 }),
    ("keys", Shares { time: 3, inputs: 600 }),
    ("signatures", Shares { time: 2, inputs: 400 }),
    ("topology", Shares { time: 3, inputs: 1200 }),
    ("protocol", Shares { time: 4, inputs: 1200 }),
    ("kms-json", Shares { time: 3, inputs: 600 }),
    ("sigv4", Shares { time: 3, inputs: 600 }),
    // Each of its inputs is many requests.
    ("apis", Shares { time: 4, inputs: 1 }),
];

/// Parts of all parts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shares {
    pub(crate) time: u32,
    pub(crate) inputs: u32,
}

/// Something that reads inputs.
pub(crate) trait Target {
    /// What inputs are made of.
    fn corpus(&self) -> anyhow::Result<Corpus>;

    /// What they look like.
    fn form(&self) -> Form;

    /// Makes one.
    fn input(&self, corpus: &Corpus, random: &mut Random) -> Vec<u8> {
        mutate::input(corpus, self.form(), random)
    }

    /// Reads one, and looks whether what was read holds; answers whether it was accepted.
    ///
    /// # Panics
    /// When something is wrong with what reads it.
    fn run(&mut self, input: &[u8]) -> bool;
}

/// A target by its name.
pub(crate) fn open(name: &str) -> anyhow::Result<Box<dyn Target>> {
    Ok(match name {
        "hocon" => Box::new(text::Hocon),
        "config" => Box::new(text::Configuration),
        "keys" => Box::new(secrets::Keys),
        "signatures" => Box::new(secrets::Signatures::new()?),
        "topology" => Box::new(messages::Topology),
        "protocol" => Box::new(messages::Protocol),
        "kms-json" => Box::new(kms::Json::start()?),
        "sigv4" => Box::new(kms::SigV4::start()?),
        "apis" => Box::new(apis::Apis::start()?),
        other => bail!("there is no target {other}"),
    })
}
