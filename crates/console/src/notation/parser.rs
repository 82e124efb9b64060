//! The token cursor under the statement and expression parsers: lookahead, line ends, nesting bounds.
//!
//! Invariant: no input makes it recurse deeper than [`MAX_NESTING`] or build a tree deeper than [`MAX_DEPTH`].

use super::error::NotationError;
use super::syntax::{Expr, ExprKind};
use super::token::{Kind, Span, Token};

/// Bound of brackets within brackets, and of all that recurses.
pub(crate) const MAX_NESTING: usize = 100;
/// Bound of a tree's depth: long chains of `.` and `+` are deep trees.
pub(crate) const MAX_DEPTH: usize = 600;

pub(super) type Parsed<T> = Result<T, NotationError>;

/// A cursor over tokens.
#[derive(Debug)]
pub(crate) struct Parser<'a> {
    pub(super) source: &'a str,
    tokens: &'a [Token],
    at: usize,
    nesting: usize,
    /// Whether a line end ends a statement, by bracket.
    lines_end_statements: Vec<bool>,
    /// The `_` seen and not yet bound to a function.
    pub(super) placeholders: Vec<String>,
    pub(super) made: usize,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(source: &'a str, tokens: &'a [Token]) -> Self {
        let lines_end_statements = vec![true];
        Self { source, tokens, at: 0, nesting: 0, lines_end_statements, placeholders: Vec::new(), made: 0 }
    }

    /// A cursor over a part of the same source, nested as deep and making names from where this one stands.
    pub(super) fn inner<'b>(&self, tokens: &'b [Token]) -> Parser<'b>
    where
        'a: 'b,
    {
        let mut inner = Parser::new(self.source, tokens);
        inner.nesting = self.nesting;
        inner.made = self.made;
        inner
    }

    /// How many tokens are consumed.
    pub(crate) fn consumed(&self) -> usize {
        self.at
    }

    pub(super) fn rewind(&mut self, at: usize) {
        self.at = at;
    }

    pub(super) fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<Token> {
        self.tokens.get(self.at + ahead).copied()
    }

    pub(super) fn text(&self, token: Token) -> &'a str {
        &self.source[token.span.start..token.span.end]
    }

    pub(super) fn peek_text(&self) -> &'a str {
        self.peek().map_or("", |token| self.text(token))
    }

    pub(super) fn text_at(&self, ahead: usize) -> &'a str {
        self.peek_at(ahead).map_or("", |token| self.text(token))
    }

    /// Whether the next token is this operator or word, on the same line unless lines do not matter here.
    pub(super) fn next_is(&self, text: &str) -> bool {
        self.peek().is_some_and(|token| {
            !matches!(token.kind, Kind::Str { .. } | Kind::Interp) && self.text(token) == text
        })
    }

    pub(super) fn next_is_here(&self, text: &str) -> bool {
        self.next_is(text) && !self.at_line_end()
    }

    /// Whether a line end before the next token ends the statement.
    pub(super) fn at_line_end(&self) -> bool {
        let significant = self.lines_end_statements.last().copied().unwrap_or(true);
        self.peek().is_none_or(|token| token.newline_before && significant)
    }

    pub(super) fn advance(&mut self) -> Option<Token> {
        let token = self.peek()?;
        self.at += 1;
        Some(token)
    }

    pub(super) fn eat(&mut self, text: &str) -> bool {
        let found = self.next_is(text);
        if found {
            self.at += 1;
        }
        found
    }

    pub(super) fn expect(&mut self, text: &'static str) -> Parsed<Token> {
        if self.next_is(text)
            && let Some(token) = self.advance()
        {
            return Ok(token);
        }
        Err(self.unexpected(text))
    }

    pub(super) fn identifier(&mut self, expected: &'static str) -> Parsed<Token> {
        match self.peek() {
            Some(token) if token.kind == Kind::Ident => {
                self.at += 1;
                Ok(token)
            }
            _ => Err(self.unexpected(expected)),
        }
    }

    pub(super) fn unexpected(&self, expected: &'static str) -> NotationError {
        match self.peek() {
            None => NotationError::Ended { expected, span: self.end_span() },
            Some(Token { kind: Kind::Bad(cause), span, .. }) => NotationError::Unreadable { cause, span },
            Some(token) => NotationError::Expected {
                expected,
                found: format!("`{}`", shortened(self.text(token))),
                span: token.span,
            },
        }
    }

    /// The place just behind the last token.
    pub(super) fn end_span(&self) -> Span {
        let end = self.tokens.last().map_or(self.source.len(), |token| token.span.end);
        Span::new(end, end)
    }

    pub(super) fn last_end(&self) -> usize {
        match self.at {
            0 => self.peek().map_or(0, |token| token.span.start),
            at => self.tokens[at - 1].span.end,
        }
    }

    /// Runs `parse` one level deeper, with line ends significant or not.
    pub(super) fn nested<T>(
        &mut self,
        lines_end: bool,
        parse: impl FnOnce(&mut Self) -> Parsed<T>,
    ) -> Parsed<T> {
        self.lines_end_statements.push(lines_end);
        let parsed = self.deeper(parse);
        self.lines_end_statements.pop();
        parsed
    }

    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.nesting >= MAX_NESTING {
            let span = self.peek().map_or_else(|| self.end_span(), |token| token.span);
            return Err(NotationError::TooDeep { limit: MAX_NESTING, span });
        }
        self.nesting += 1;
        let parsed = parse(self);
        self.nesting -= 1;
        parsed
    }

    /// A node over `children`.
    pub(super) fn node(&self, kind: ExprKind, span: Span, depth_below: usize) -> Parsed<Expr> {
        if depth_below >= MAX_DEPTH {
            return Err(NotationError::TooDeep { limit: MAX_DEPTH, span });
        }
        Ok(Expr { kind, span, depth: depth_below + 1 })
    }

    /// The index of the bracket that closes the one at `self.at + ahead`, relative to `self.at`.
    pub(super) fn closing(&self, ahead: usize) -> Option<usize> {
        let mut depth = 0_usize;
        for index in ahead..(ahead + 4_096) {
            let token = self.peek_at(index)?;
            if token.kind != Kind::Op {
                continue;
            }
            match self.text(token) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        return Some(index);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// At most thirty characters, on one line.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= 30 && line.len() == text.len() {
        return line.to_owned();
    }
    line.chars().take(27).chain("...".chars()).collect()
}
