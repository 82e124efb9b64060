//! Literals of the manual's notation that Starlark writes differently: numbers with suffixes, raw texts in three quotes, and
//! interpolated texts.

use super::error::NotationError;
use super::parser::{Parsed, Parser};
use super::statement::foreign;
use super::syntax::{Expr, ExprKind, Piece};
use super::token::{Kind, Slashes, Span, Token, tokenize};

impl Parser<'_> {
    pub(super) fn number(&mut self, token: Token) -> Parsed<Expr> {
        self.advance();
        let text = self.text(token);
        let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if plain {
            return self.node(ExprKind::Verbatim, token.span, 0);
        }
        let hexadecimal = text.starts_with("0x") || text.starts_with("0X");
        let mut written: String = text.chars().filter(|character| *character != '_').collect();
        let suffixes: &[char] = if hexadecimal { &['L', 'l'] } else { &['L', 'l', 'f', 'F', 'd', 'D'] };
        if written.ends_with(suffixes) {
            written.pop();
        }
        let digits = written
            .trim_start_matches("0x")
            .trim_start_matches("0X")
            .trim_start_matches("0o")
            .trim_start_matches("0b");
        let readable = !digits.is_empty()
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'.' | b'+' | b'-' | b'e' | b'E'))
            && (hexadecimal
                || digits.bytes().all(|byte| !matches!(byte, b'a'..=b'd' | b'A'..=b'D' | b'f' | b'F')));
        if !readable {
            return Err(NotationError::Unreadable { cause: "this is not a number", span: token.span });
        }
        self.node(ExprKind::Made(written), token.span, 0)
    }

    pub(super) fn string(&mut self, token: Token, prefixed: bool) -> Parsed<Expr> {
        self.advance();
        let text = self.text(token);
        if prefixed || !text.starts_with("\"\"\"") {
            // A character of Scala, `'a'`, is a text of length one in Starlark: written alike.
            return self.node(ExprKind::Verbatim, token.span, 0);
        }
        let inner = &text[3..text.len() - 3];
        self.node(ExprKind::Text(inner.to_owned()), token.span, 0)
    }

    /// `s"…${x}…"`.
    pub(super) fn interpolation(&mut self, token: Token) -> Parsed<Expr> {
        self.advance();
        let whole = self.text(token);
        let quotes = if whole.starts_with("s\"\"\"") { 3 } else { 1 };
        let from = token.span.start + 1 + quotes;
        let to = token.span.end - quotes;
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut at = from;
        let mut depth = 0;
        while at < to {
            let rest = &self.source[at..to];
            if let Some(after) = rest.strip_prefix("$$") {
                plain.push('$');
                at = to - after.len();
            } else if rest.starts_with("${") {
                let close = self.matching_brace(at + 2, to);
                let Some(close) = close else {
                    let span = Span::new(at, to);
                    return Err(NotationError::Unreadable {
                        cause: "`${` is not closed: `}` is missing",
                        span,
                    });
                };
                let value = self.inner_expression(at + 2, close)?;
                depth = depth.max(value.depth);
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Value(value));
                at = close + 1;
            } else if let Some(after) = rest.strip_prefix('$') {
                let length =
                    after.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
                if length == 0 {
                    return Err(foreign("`$` alone in s\"…\"", "write `$$`", Span::new(at, at + 1)));
                }
                let value = self.inner_expression(at + 1, at + 1 + length)?;
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
                pieces.push(Piece::Value(value));
                at += 1 + length;
            } else if quotes == 1 && rest.starts_with('\\') {
                let (character, width) = escape(rest).ok_or_else(|| NotationError::Unreadable {
                    cause: "this escape is not known; write \\\\ for a backslash",
                    span: Span::new(at, at + 1),
                })?;
                plain.push(character);
                at += width;
            } else {
                let character = rest.chars().next().unwrap_or_default();
                plain.push(character);
                at += character.len_utf8().max(1);
            }
        }
        pieces.push(Piece::Text(plain));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        self.node(ExprKind::Interpolation(pieces), token.span, depth)
    }

    fn matching_brace(&self, from: usize, to: usize) -> Option<usize> {
        let mut depth = 1_usize;
        for token in tokenize(self.source, from, to, Slashes::Comment) {
            match (token.kind, self.text(token)) {
                (Kind::Op, "{") => depth += 1,
                (Kind::Op, "}") => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(token.span.start);
                    }
                }
                _ => {}
            }
        }
        None
    }

    fn inner_expression(&mut self, from: usize, to: usize) -> Parsed<Expr> {
        let tokens = tokenize(self.source, from, to, Slashes::Comment);
        self.deeper(|outer| {
            let mut inner = outer.inner(&tokens);
            let parsed = inner.nested(false, |inner| {
                let value = inner.bounded_expression()?;
                match inner.peek() {
                    None => Ok(value),
                    Some(_) => Err(inner.unexpected("}")),
                }
            });
            let made = inner.made;
            outer.made = made;
            parsed.map_err(|error| match error {
                NotationError::Ended { expected, .. } => {
                    NotationError::Ended { expected, span: Span::new(from, to) }
                }
                error => error,
            })
        })
    }
}

/// The character of the escape that `rest` begins with, and its width.
fn escape(rest: &str) -> Option<(char, usize)> {
    let mut characters = rest.chars();
    characters.next()?;
    Some(match characters.next()? {
        'n' => ('\n', 2),
        't' => ('\t', 2),
        'r' => ('\r', 2),
        'b' => ('\u{8}', 2),
        'f' => ('\u{c}', 2),
        '"' => ('"', 2),
        '\'' => ('\'', 2),
        '\\' => ('\\', 2),
        'u' => (char::from_u32(u32::from_str_radix(rest.get(2..6)?, 16).ok()?)?, 6),
        _ => return None,
    })
}
