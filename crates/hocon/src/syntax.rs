//! Tokens to a document: fields, includes, values and concatenations as they were written.
//!
//! Nothing is merged or read from disk here. The grammar is Lightbend's, with what it accepts beyond the
//! specification and what it refuses short of it; strict JSON is the same grammar with most of it refused.

use std::collections::HashSet;
use std::rc::Rc;

use crate::budget::Meter;
use crate::error::{Error, ErrorKind};
use crate::expression::{self, Keys};
use crate::java;
use crate::origin::Origin;
use crate::token::{Comments, Scalar, Tok, Token, Tokenizer};

/// The language a source is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavor {
    Hocon,
    Json,
    Properties,
}

/// A value as it was written.
pub(crate) struct Written {
    pub(crate) what: What,
    pub(crate) origin: Origin,
}

pub(crate) enum What {
    Scalar(Scalar),
    Unquoted(Rc<str>),
    Substitution {
        optional: bool,
        expression: Rc<[Token]>,
    },
    Object(Vec<Member>),
    Array(Vec<Written>),
    /// At least two pieces.
    Concatenation(Vec<Written>),
}

/// What an object has between its braces.
pub(crate) enum Member {
    Field { path: Keys, append: bool, value: Written },
    Include(Include),
}

/// An `include` statement.
pub(crate) struct Include {
    pub(crate) kind: IncludeKind,
    pub(crate) required: bool,
    pub(crate) name: Rc<str>,
    pub(crate) origin: Origin,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IncludeKind {
    Heuristic,
    Url,
    File,
    Classpath,
}

/// Reads a whole text. The value is an object or an array.
pub(crate) fn parse(text: &str, origin: &Origin, flavor: Flavor, meter: &Meter) -> Result<Written, Error> {
    let comments = if flavor == Flavor::Json { Comments::Forbidden } else { Comments::Allowed };
    let tokens = Tokenizer::new(text, origin.clone(), comments, meter);
    Parser { tokens, pushed: Vec::new(), flavor, origin, meter, depth: 0 }.document()
}

struct Parser<'a> {
    tokens: Tokenizer<'a>,
    /// Tokens put back, the next one last.
    pushed: Vec<Token>,
    flavor: Flavor,
    origin: &'a Origin,
    meter: &'a Meter,
    depth: usize,
}

fn is_blank(tok: &Tok) -> bool {
    match tok {
        Tok::Whitespace => true,
        Tok::Unquoted(text) => text.chars().all(java::is_whitespace),
        _ => false,
    }
}

impl Parser<'_> {
    fn at(&self, token: &Token) -> Origin {
        self.origin.at(token.line, token.column)
    }

    fn error(&self, token: &Token, message: impl Into<String>) -> Error {
        Error::new(ErrorKind::Parse, self.at(token), message)
    }

    /// An error about a token that is not what was expected; a problem in the text itself goes first.
    fn unexpected(&self, token: &Token, expected: &str) -> Error {
        let message = match &token.tok {
            Tok::Problem(problem) => format!("found {problem}"),
            tok => format!("expected {expected}, found {}", tok.describe()),
        };
        self.error(token, message)
    }

    fn next(&mut self) -> Result<Token, Error> {
        let token = match self.pushed.pop() {
            Some(token) => token,
            None => self.tokens.next_token()?,
        };
        if self.flavor == Flavor::Json {
            match &token.tok {
                Tok::Unquoted(_) if !is_blank(&token.tok) => {
                    return Err(self.error(&token, "JSON has no unquoted text (put it in quotes)"));
                }
                Tok::Substitution { .. } => return Err(self.error(&token, "JSON has no substitutions")),
                _ => {}
            }
        }
        Ok(token)
    }

    /// The next token that is not whitespace, a line's end or a comment.
    fn next_solid(&mut self) -> Result<Token, Error> {
        loop {
            let token = self.next()?;
            if !matches!(token.tok, Tok::Newline | Tok::Comment) && !is_blank(&token.tok) {
                return Ok(token);
            }
        }
    }

    fn document(&mut self) -> Result<Written, Error> {
        let token = self.next_solid()?;
        let origin = self.at(&token);
        let root = match token.tok {
            Tok::OpenCurly | Tok::OpenSquare => self.value(token)?,
            Tok::End if self.flavor == Flavor::Json => {
                return Err(self.error(&token, "JSON is empty; it has to have an object"));
            }
            _ if self.flavor == Flavor::Json => return Err(self.unexpected(&token, "'{' or '['")),
            _ => {
                self.pushed.push(token);
                Written { what: What::Object(self.object(Braces::Omitted)?), origin }
            }
        };
        let token = self.next_solid()?;
        match token.tok {
            Tok::End => Ok(root),
            _ => Err(self.unexpected(&token, "nothing more after the closing brace of the document")),
        }
    }

    /// The value that starts with a token.
    fn value(&mut self, token: Token) -> Result<Written, Error> {
        let origin = self.at(&token);
        self.depth += 1;
        self.meter.nesting(self.depth, &origin)?;
        self.meter.values(1, &origin)?;
        let what = match token.tok {
            Tok::Scalar(scalar) => What::Scalar(scalar),
            Tok::Unquoted(text) => What::Unquoted(text),
            Tok::Substitution { optional, expression } => What::Substitution { optional, expression },
            Tok::OpenCurly => What::Object(self.object(Braces::Written)?),
            Tok::OpenSquare => What::Array(self.array()?),
            _ => return Err(self.unexpected(&token, "a value (a key has one; \"\" and null are values too)")),
        };
        self.depth -= 1;
        Ok(Written { what, origin })
    }

    /// The values up to the end of the line or the next separator, joined; none if there is no value.
    fn values(&mut self) -> Result<Option<Written>, Error> {
        if self.flavor == Flavor::Json {
            return Ok(None);
        }
        let mut pieces = Pieces::default();
        let mut token = self.next_solid()?;
        loop {
            match token.tok {
                Tok::Whitespace => {}
                Tok::Scalar(_)
                | Tok::Unquoted(_)
                | Tok::Substitution { .. }
                | Tok::OpenCurly
                | Tok::OpenSquare => {
                    let piece = self.value(token)?;
                    pieces.push(piece);
                }
                _ => break,
            }
            token = self.next()?;
        }
        self.pushed.push(token);
        Ok(pieces.finish())
    }

    /// Goes past a comma, or past line ends and a comma after them; whether there was any.
    fn separator(&mut self) -> Result<bool, Error> {
        let mut newline = false;
        loop {
            let token = if self.flavor == Flavor::Json { self.next_solid()? } else { self.next()? };
            match token.tok {
                Tok::Comma => return Ok(true),
                Tok::Newline => newline = true,
                Tok::Comment => {}
                _ if is_blank(&token.tok) => {}
                _ => {
                    self.pushed.push(token);
                    return Ok(newline);
                }
            }
        }
    }

    fn object(&mut self, braces: Braces) -> Result<Vec<Member>, Error> {
        let mut members = Vec::new();
        let mut seen = HashSet::new();
        let mut after_comma = false;
        loop {
            let token = self.next_solid()?;
            match &token.tok {
                Tok::CloseCurly if self.flavor == Flavor::Json && after_comma => {
                    return Err(self.unexpected(&token, "a field name after the comma"));
                }
                Tok::CloseCurly if braces == Braces::Omitted => {
                    return Err(
                        self.error(&token, "a closing brace that no opening brace matches (remove it)")
                    );
                }
                Tok::CloseCurly => return Ok(members),
                Tok::End if braces == Braces::Omitted => {
                    self.pushed.push(token);
                    return Ok(members);
                }
                Tok::Unquoted(text) if self.flavor != Flavor::Json && &**text == "include" => {
                    members.push(Member::Include(self.include(&token)?));
                }
                _ => members.push(self.field(token, &mut seen)?),
            }
            after_comma = self.separator()?;
            if after_comma {
                continue;
            }
            let token = self.next_solid()?;
            match (&token.tok, braces) {
                (Tok::CloseCurly, Braces::Written) => return Ok(members),
                (Tok::CloseCurly, Braces::Omitted) => {
                    return Err(
                        self.error(&token, "a closing brace that no opening brace matches (remove it)")
                    );
                }
                (_, Braces::Written) => {
                    return Err(self
                        .unexpected(&token, "'}', ',' or a new line (text with such characters is quoted)"));
                }
                (Tok::End, Braces::Omitted) => {
                    self.pushed.push(token);
                    return Ok(members);
                }
                (_, Braces::Omitted) => {
                    return Err(
                        self.unexpected(&token, "',' or a new line (text with such characters is quoted)")
                    );
                }
            }
        }
    }

    fn field(&mut self, token: Token, seen: &mut HashSet<Rc<str>>) -> Result<Member, Error> {
        let origin = self.at(&token);
        let path = self.key(token)?;
        // The value counts itself; the objects around it are counted here.
        self.meter.values(path.len().saturating_sub(1), &origin)?;
        let token = self.next_solid()?;
        let (append, value) = match token.tok {
            Tok::OpenCurly if self.flavor == Flavor::Hocon => (false, self.value(token)?),
            Tok::Colon => (false, self.field_value()?),
            Tok::Equals if self.flavor != Flavor::Json => (false, self.field_value()?),
            Tok::PlusEquals if self.flavor != Flavor::Json => (true, self.field_value()?),
            _ => {
                let expected = format!("'=', ':' or '{{' after the key {}", expression::render(&path));
                return Err(self.unexpected(&token, &expected));
            }
        };
        if self.flavor == Flavor::Json && !path.first().is_some_and(|key| seen.insert(Rc::clone(key))) {
            let message =
                format!("the field {} is there twice, which JSON does not allow", expression::render(&path));
            return Err(Error::new(ErrorKind::Parse, origin, message));
        }
        Ok(Member::Field { path, append, value })
    }

    fn field_value(&mut self) -> Result<Written, Error> {
        match self.values()? {
            Some(value) => Ok(value),
            None => {
                let token = self.next_solid()?;
                self.value(token)
            }
        }
    }

    fn key(&mut self, token: Token) -> Result<Keys, Error> {
        let origin = self.at(&token);
        if self.flavor == Flavor::Json {
            return match token.tok {
                Tok::Scalar(Scalar::String(_)) => {
                    expression::parse(std::slice::from_ref(&token), &origin, self.meter)
                }
                _ => Err(self.unexpected(&token, "a field name in quotes, or '}'")),
            };
        }
        let mut tokens = Vec::new();
        let mut token = token;
        while matches!(token.tok, Tok::Scalar(_) | Tok::Unquoted(_)) {
            tokens.push(token);
            token = self.next()?;
        }
        if tokens.is_empty() {
            return Err(self.unexpected(&token, "a key or '}'"));
        }
        self.pushed.push(token);
        expression::parse(&tokens, &origin, self.meter)
    }

    fn array(&mut self) -> Result<Vec<Written>, Error> {
        let mut elements = Vec::new();
        loop {
            if let Some(value) = self.values()? {
                elements.push(value);
            } else {
                let token = self.next_solid()?;
                match token.tok {
                    Tok::CloseSquare if elements.is_empty() => return Ok(elements),
                    // One trailing comma, or the line ends before the bracket.
                    Tok::CloseSquare if self.flavor != Flavor::Json => return Ok(elements),
                    Tok::Scalar(_) | Tok::OpenCurly | Tok::OpenSquare if self.flavor == Flavor::Json => {
                        elements.push(self.value(token)?);
                    }
                    _ => return Err(self.unexpected(&token, "an element of the list, or ']'")),
                }
            }
            if !self.separator()? {
                let token = self.next_solid()?;
                return match token.tok {
                    Tok::CloseSquare => Ok(elements),
                    _ => Err(self
                        .unexpected(&token, "']', ',' or a new line (text with such characters is quoted)")),
                };
            }
        }
    }

    fn include(&mut self, keyword: &Token) -> Result<Include, Error> {
        let origin = self.at(keyword);
        let token = self.next_solid()?;
        let required = match &token.tok {
            Tok::Unquoted(text) => text.strip_prefix("required(").map(str::to_owned),
            _ => None,
        };
        let Some(rest) = required else {
            self.pushed.push(token);
            return self.include_resource(origin, false);
        };
        self.push_text(&token, &rest);
        let include = self.include_resource(origin, true)?;
        let token = self.next_solid()?;
        match &token.tok {
            Tok::Unquoted(text) if &**text == ")" => Ok(include),
            _ => Err(self.unexpected(&token, "')' after required(…")),
        }
    }

    fn include_resource(&mut self, origin: Origin, required: bool) -> Result<Include, Error> {
        const EXPECTED: &str = "a file name in quotes, file(\"…\"), classpath(\"…\") or url(\"…\") after include, no space before '('";
        let token = self.next_solid()?;
        let text = match &token.tok {
            Tok::Scalar(Scalar::String(name)) => {
                let name = Rc::clone(name);
                return Ok(Include { kind: IncludeKind::Heuristic, required, name, origin });
            }
            Tok::Unquoted(text) => Rc::clone(text),
            _ => return Err(self.unexpected(&token, EXPECTED)),
        };
        let forms = [
            ("url(", IncludeKind::Url),
            ("file(", IncludeKind::File),
            ("classpath(", IncludeKind::Classpath),
        ];
        let form = forms.into_iter().find_map(|(word, kind)| Some((kind, text.strip_prefix(word)?)));
        let Some((kind, rest)) = form else { return Err(self.unexpected(&token, EXPECTED)) };
        self.push_text(&token, rest);
        let token = self.next_solid()?;
        let Tok::Scalar(Scalar::String(name)) = token.tok else {
            return Err(self.unexpected(&token, "a quoted string between the parentheses"));
        };
        let token = self.next_solid()?;
        let rest = match &token.tok {
            Tok::Unquoted(text) => text.strip_prefix(')').map(str::to_owned),
            _ => None,
        };
        let Some(rest) = rest else { return Err(self.unexpected(&token, "')'")) };
        self.push_text(&token, &rest);
        Ok(Include { kind, required, name, origin })
    }

    /// Puts back what is left of an unquoted text.
    fn push_text(&mut self, token: &Token, rest: &str) {
        if !rest.is_empty() {
            self.pushed.push(Token {
                tok: Tok::Unquoted(rest.into()),
                line: token.line,
                column: token.column,
            });
        }
    }
}

/// The pieces of a concatenation. What joins whatever the substitutions beside it turn out to be is joined already, so
/// that a line of a million words is one text and not a million values.
#[derive(Default)]
struct Pieces {
    done: Vec<Written>,
    /// Two or more pieces of text that follow each other.
    text: Option<(Origin, String)>,
}

impl Pieces {
    fn push(&mut self, piece: Written) {
        let last = self.done.last().map(|last| &last.what);
        let after_container = self.text.is_none() && matches!(last, Some(What::Array(_) | What::Object(_)));
        // After a list or an object unquoted text is dropped, piece by piece.
        if after_container && matches!(piece.what, What::Unquoted(_)) {
            return;
        }
        let Some(more) = piece.text() else {
            self.flush();
            self.done.push(piece);
            return;
        };
        if let Some((_, text)) = &mut self.text {
            text.push_str(more);
            return;
        }
        match self.done.last().and_then(|last| Some((last.origin.clone(), last.text()?))) {
            Some((origin, first)) => {
                self.text = Some((origin, format!("{first}{more}")));
                self.done.pop();
            }
            None => self.done.push(piece),
        }
    }

    fn flush(&mut self) {
        if let Some((origin, text)) = self.text.take() {
            self.done.push(Written { what: What::Scalar(Scalar::String(text.into())), origin });
        }
    }

    fn finish(mut self) -> Option<Written> {
        self.flush();
        if self.done.len() < 2 {
            return self.done.pop();
        }
        let origin = self.done.first()?.origin.clone();
        Some(Written { what: What::Concatenation(self.done), origin })
    }
}

impl Written {
    /// What it contributes to a text, if it is one or a literal that becomes one.
    fn text(&self) -> Option<&str> {
        match &self.what {
            What::Scalar(scalar) => Some(scalar.text()),
            What::Unquoted(text) => Some(text),
            _ => None,
        }
    }
}

/// Whether an object has braces; the root may go without.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Braces {
    Written,
    Omitted,
}
