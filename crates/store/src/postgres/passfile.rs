//! Passwords from a file as `.pgpass`: `host:port:database:user:password`, the first line that fits.
//!
//! A field may be `*`; a backslash takes the next character as it is.
//! Source: <https://www.postgresql.org/docs/current/libpq-pgpass.html>.

use std::env;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::{BackendError, OpenError};

/// For whom a password is looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Login<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The password that the given file has, or the user's own file where there is one.
pub(super) fn password(
    file: Option<&Path>,
    login: &Login<'_>,
) -> Result<Option<Zeroizing<String>>, OpenError> {
    let text = match file {
        Some(path) => read(path)?,
        None => {
            let usual = env::var_os("PGPASSFILE")
                .map(PathBuf::from)
                .or_else(|| env::home_dir().map(|home| home.join(".pgpass")));
            match usual {
                Some(path) if path.is_file() => read(&path)?,
                _ => return Ok(None),
            }
        }
    };
    Ok(find(&text, login))
}

fn read(path: &Path) -> Result<Zeroizing<String>, OpenError> {
    #[cfg(unix)]
    if let Ok(metadata) = path.metadata() {
        let mode = std::os::unix::fs::MetadataExt::mode(&metadata) & 0o777;
        if mode & 0o077 != 0 {
            tracing::warn!(
                path = %path.display(),
                mode = %format_args!("{mode:o}"),
                "others than its user may read the file with the database's password"
            );
        }
    }
    std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| OpenError::Unreadable {
        path: path.to_owned(),
        purpose: "holds the database's password",
        source: BackendError::new(error),
    })
}

fn find(text: &str, login: &Login<'_>) -> Option<Zeroizing<String>> {
    text.lines().find_map(|line| password_of(line, login))
}

fn password_of(line: &str, login: &Login<'_>) -> Option<Zeroizing<String>> {
    if line.starts_with('#') {
        return None;
    }
    let port = login.port.to_string();
    // The server's socket is called localhost in such a file.
    let host = if login.host.starts_with('/') { "localhost" } else { login.host };
    let mut rest = line;
    for wanted in [host, &port, login.database, login.user] {
        let (field, after) = field(rest);
        if rest.len() == field.len() || !(field == "*" || *unescape(field) == *wanted) {
            return None;
        }
        rest = after;
    }
    Some(unescape(field(rest).0))
}

/// Splits at the first colon that no backslash stands before.
fn field(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            ':' if !escaped => return (&text[..at], &text[at + 1..]),
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    (text, "")
}

fn unescape(field: &str) -> Zeroizing<String> {
    let mut plain = Zeroizing::new(String::with_capacity(field.len()));
    let mut characters = field.chars();
    while let Some(character) = characters.next() {
        plain.push(if character == '\\' { characters.next().unwrap_or('\\') } else { character });
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIN: Login<'_> = Login { host: "db.example", port: 5432, database: "canton", user: "me" };

    fn found(text: &str) -> Option<String> {
        find(text, &LOGIN).map(|password| password.to_string())
    }

    #[test]
    fn first_line_that_fits_gives_the_password() {
        let text = "# a comment:*:*:*:x\nother:5432:canton:me:a\ndb.example:*:canton:me:b\n*:*:*:*:c\n";
        assert_eq!(found(text).as_deref(), Some("b"));
        assert_eq!(found("*:5433:*:*:a\n*:*:other:*:b\n*:*:*:you:c\n"), None);
    }

    #[test]
    fn backslashes_take_the_next_character_as_it_is() {
        assert_eq!(found(r"*:*:*:me:p\:a\\ss").as_deref(), Some(r"p:a\ss"));
        assert_eq!(found(r"db\.example:5432:canton:me: spaces \").as_deref(), Some(r" spaces \"));
        let login = Login { user: "a:b", ..LOGIN };
        assert_eq!(password_of(r"*:*:*:a\:b:x:rest", &login).as_deref().map(String::as_str), Some("x"));
    }

    #[test]
    fn lines_with_too_few_fields_fit_nobody() {
        for line in ["", "*", "*:*:*:*", "*:*:*", ":::::"] {
            assert_eq!(found(line), None, "{line:?}");
        }
        assert_eq!(found("*:*:*:*:").as_deref(), Some(""));
    }

    #[test]
    fn a_socket_is_localhost() {
        let login = Login { host: "/run/postgresql", ..LOGIN };
        assert!(find("localhost:*:*:*:x", &login).is_some());
    }

    #[test]
    fn a_given_file_has_to_be_there() {
        let error = password(Some(Path::new("/no/such/file")), &LOGIN).unwrap_err();
        assert!(matches!(&error, OpenError::Unreadable { .. }), "{error:?}");
    }
}
