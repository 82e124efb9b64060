//! What an include names, and reading it.
//!
//! No network and no class path: a URL that is not a `file:` one is refused, and what Lightbend's library would look
//! for on the class path is not there.

use std::io::{self, Read};
use std::path::PathBuf;

use crate::budget::Meter;
use crate::error::{Error, ErrorKind};
use crate::origin::Origin;
use crate::syntax::Flavor;

/// Whether what is not there is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    Allowed,
    Refused,
}

/// Where a document is, for the includes in it.
#[derive(Debug)]
pub(crate) enum Place {
    /// In a folder.
    Folder(PathBuf),
    /// It is a text; nothing is beside it.
    Nowhere,
}

impl Place {
    /// What a bare name in the document names.
    pub(crate) fn beside(&self, name: &str) -> Target {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                if path.exists() { Target::file(path) } else { Target::nothing(name) }
            }
            Self::Nowhere => Target::nothing(name),
        }
    }
}

/// Something to read.
#[derive(Debug)]
pub(crate) enum Target {
    File(PathBuf),
    /// A name that nothing is found under.
    Nothing(String),
}

impl Target {
    pub(crate) fn file(path: PathBuf) -> Self {
        Self::File(path)
    }

    pub(crate) fn nothing(name: &str) -> Self {
        Self::Nothing(name.to_owned())
    }

    pub(crate) fn origin(&self) -> Origin {
        match self {
            Self::File(path) => Origin::new(path.to_string_lossy().into_owned()),
            Self::Nothing(name) => Origin::new(name.as_str()),
        }
    }

    pub(crate) fn place(&self) -> Place {
        match self {
            Self::File(path) => Place::Folder(path.parent().map(PathBuf::from).unwrap_or_default()),
            Self::Nothing(_) => Place::Nowhere,
        }
    }

    /// The text, or why there is none. What is not UTF-8 is replaced as Java replaces it.
    pub(crate) fn read(&self, meter: &Meter) -> Result<Result<String, Error>, Error> {
        let origin = self.origin();
        let path = match self {
            Self::File(path) => path,
            Self::Nothing(name) => {
                let message = format!("there is no file \"{name}\" here");
                return Ok(Err(Error::new(ErrorKind::Io, origin, message)));
            }
        };
        meter.file(&origin)?;
        let limit = meter.input_left() as u64 + 1;
        let mut bytes = Vec::new();
        if let Err(error) = open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)) {
            let message = format!("{} cannot be read: {error}", path.display());
            return Ok(Err(Error::new(ErrorKind::Io, origin, message)));
        }
        meter.input(bytes.len(), &origin)?;
        Ok(Ok(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        }))
    }
}

/// Opens what can be read to its end: a file, not a folder, a pipe or a device.
fn open(path: &std::path::Path) -> io::Result<std::fs::File> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    std::fs::File::open(path)
}

const EXTENSIONS: [(&str, Flavor); 3] =
    [(".conf", Flavor::Hocon), (".json", Flavor::Json), (".properties", Flavor::Properties)];

/// Whether a name says what language the file is in.
pub(crate) fn has_known_extension(name: &str) -> bool {
    EXTENSIONS.iter().any(|(extension, _)| name.ends_with(extension))
}

/// The language a name says.
pub(crate) fn flavor_of(name: &str) -> Flavor {
    let known = EXTENSIONS.iter().find(|(extension, _)| name.ends_with(extension));
    known.map_or(Flavor::Hocon, |(_, flavor)| *flavor)
}

/// The language of a file that a HOCON document includes by its whole name: HOCON, whatever the name says. That is
/// how Lightbend's library does it.
pub(crate) fn flavor_beside(_name: &str) -> Flavor {
    Flavor::Hocon
}

/// A URL that Java has a handler for.
#[derive(Debug)]
pub(crate) enum Url<'a> {
    File(PathBuf),
    /// One that would need the network, by its scheme.
    Network(&'a str),
}

impl<'a> Url<'a> {
    /// The URL a text is, if it is one.
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        let text = text.trim_matches(|c| c <= ' ');
        let text = match text.get(..4) {
            Some(start) if start.eq_ignore_ascii_case("url:") => text.get(4..)?,
            _ => text,
        };
        let (scheme, rest) = text.split_once(':').filter(|(scheme, _)| !scheme.contains('/'))?;
        let known = ["file", "http", "https", "ftp", "jar", "jmod", "jrt", "mailto"];
        let known = known.into_iter().find(|known| scheme.eq_ignore_ascii_case(known))?;
        if known != "file" {
            return Some(Self::Network(scheme));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (path, query) = rest.split_once('?').map_or((rest, false), |(path, _)| (path, true));
        let (authority, path) = match path.strip_prefix("//") {
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
            None => ("", path),
        };
        // Escapes are resolved where the URL is plain enough for Java to make it a file name.
        let plain = authority.is_empty() && !query && path.starts_with('/');
        Some(Self::File(if plain { unescape(path) } else { path.to_owned() }.into()))
    }
}

/// Resolves `%` escapes; the text as it is if one of them is broken.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend(before.bytes());
        match after.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => bytes.push(byte),
            None => return text.to_owned(),
        }
        rest = after.get(2..).unwrap_or_default();
    }
    bytes.extend(rest.bytes());
    String::from_utf8_lossy(&bytes).into_owned()
}
