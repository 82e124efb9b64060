//! Names with their package, as the manual writes some: `com.digitalasset.canton.sequencing.GrpcSequencerConnection`.
//!
//! The package says nothing here: the last name is what counts, and it is known without one.

use super::{Data, Instance, companions};
use crate::failure::{Failure, suggestion};

/// A package.
#[derive(Debug)]
pub(crate) struct Package(String);

impl Package {
    pub(crate) fn root(name: &str) -> Data {
        Data::object(Self(name.to_owned()))
    }
}

impl Instance for Package {
    fn kind(&self) -> String {
        format!("the package {}", self.0)
    }

    fn text(&self) -> String {
        self.kind()
    }

    fn attr(&self, name: &str) -> Result<Option<Data>, Failure> {
        if name.starts_with(|character: char| character.is_ascii_lowercase()) {
            let depth = self.0.split('.').count();
            return Ok((depth < 16).then(|| Data::object(Self(format!("{}.{name}", self.0)))));
        }
        let known = companions();
        if let Some((_, data)) = known.iter().find(|(companion, _)| *companion == name) {
            return Ok(Some(data.clone()));
        }
        let near = suggestion(name, known.iter().map(|(companion, _)| *companion));
        Err(Failure::value(format!("{}.{name} is not known here{near}", self.0)))
    }

    fn attr_names(&self) -> Vec<String> {
        companions().into_iter().map(|(name, _)| name.to_owned()).collect()
    }
}
