//! The notation front end: a script in Starlark, in the manual's Scala, or in both line by line, becomes one Starlark text.
//!
//! Rule: a line that is valid Starlark means what Starlark means, and is copied. Only what Starlark refuses is read as Scala. What
//! neither understands is an error that names the place and what to write instead; nothing is guessed. Not here: running anything,
//! and what names mean. Invariant: every place of the written text can be traced to the script, see [`source_map`].
//! Source: <https://docs.daml.com/2.10.0/canton/usermanual/console.html>.

mod emit;
mod error;
mod expression;
mod header;
mod literal;
mod parser;
mod source_map;
mod starlark_line;
mod statement;
mod syntax;
mod token;

use std::collections::HashSet;

pub(crate) use emit::Vocabulary;
use emit::{Emitter, Reading};
pub(crate) use error::NotationError;
use parser::{Parsed, Parser};
pub(crate) use source_map::Written;
pub(crate) use starlark_line::dialect;
use starlark_line::{Candidate, Shape};
pub(crate) use token::Span;
use token::{Kind, Slashes, Token, tokenize};

/// Blocks within blocks.
const MAX_BLOCKS: usize = 40;

/// Writes a script as Starlark.
pub(crate) fn translate(
    source: &str,
    vocabulary: Vocabulary,
    is_known: &dyn Fn(&str) -> bool,
) -> Result<Written, NotationError> {
    let tokens = tokenize(source, 0, source.len(), Slashes::Comment);
    let names = names_of(source, &tokens);
    let known = |name: &str| names.contains(name) || is_known(name);
    let mut translator = Translator {
        source,
        tokens: &tokens,
        known: &known,
        vocabulary,
        emitter: Emitter::new(source, vocabulary),
        blocks: Vec::new(),
        out: Written::default(),
    };
    translator.run()?;
    Ok(translator.out)
}

/// Whether `source` is the beginning of something longer: an interactive console asks for another line then.
pub(crate) fn is_incomplete(source: &str) -> bool {
    let tokens = tokenize(source, 0, source.len(), Slashes::Comment);
    let Some(last) = tokens.last() else { return false };
    let text = &source[last.span.start..last.span.end];
    if let Kind::Bad(_) = last.kind {
        return text.contains("\"\"\"") || text.starts_with("/*");
    }
    let mut depth = 0_i64;
    for token in tokens.iter().filter(|token| token.kind == Kind::Op) {
        match &source[token.span.start..token.span.end] {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
    }
    if depth > 0 {
        return true;
    }
    let continues = ["->", "=", ".", "+", "-", "*", "/", "%", "&&", "||", "==", "!=", "=>", "\\"];
    if last.kind == Kind::Op && continues.contains(&text) {
        return true;
    }
    let ended = source.ends_with("\n\n") || source.ends_with("\n");
    let in_block = text == ":" || source.lines().last().is_some_and(|line| line.starts_with([' ', '\t']));
    in_block && starts_block(source, &tokens) && !ended
}

/// Whether the first line opens a block of Starlark.
fn starts_block(source: &str, tokens: &[Token]) -> bool {
    tokens
        .first()
        .is_some_and(|token| matches!(&source[token.span.start..token.span.end], "def" | "for" | "if"))
}

/// All names of a script but those after a dot.
fn names_of<'a>(source: &'a str, tokens: &[Token]) -> HashSet<&'a str> {
    let mut after_dot = false;
    let mut names = HashSet::new();
    for token in tokens {
        let text = &source[token.span.start..token.span.end];
        if token.kind == Kind::Ident && !after_dot {
            names.insert(text);
        }
        after_dot = text == ".";
    }
    names
}

struct Translator<'a> {
    source: &'a str,
    tokens: &'a [Token],
    known: &'a dyn Fn(&str) -> bool,
    vocabulary: Vocabulary,
    emitter: Emitter<'a>,
    /// The columns of the blocks' headers that the cursor is in.
    blocks: Vec<usize>,
    out: Written,
}

impl Translator<'_> {
    fn run(&mut self) -> Parsed<()> {
        let mut at = 0;
        let mut column = 0;
        while let Some(token) = self.tokens.get(at).copied() {
            if token.newline_before {
                column = self.column(token);
                while self.blocks.last().is_some_and(|header| *header >= column) {
                    self.blocks.pop();
                }
            }
            if self.text(token) == ";" {
                at += 1;
                continue;
            }
            at = self.line(at, column)?;
        }
        Ok(())
    }

    fn text(&self, token: Token) -> &str {
        &self.source[token.span.start..token.span.end]
    }

    fn column(&self, token: Token) -> usize {
        let line = self.source[..token.span.start].rfind('\n').map_or(0, |at| at + 1);
        self.source[line..token.span.start].bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
    }

    /// Outside of blocks indentation means nothing.
    fn indent(&self, at: usize, column: usize) -> String {
        if self.blocks.is_empty() {
            return String::new();
        }
        let start = self.tokens[at].span.start;
        let line = self.source[..start].rfind('\n').map_or(0, |at| at + 1);
        self.source[line..].chars().take(column).collect()
    }

    /// Writes the line that begins at token `at`; the index of the next one.
    fn line(&mut self, at: usize, column: usize) -> Parsed<usize> {
        let indent = self.indent(at, column);
        let candidate = Candidate::at(self.source, self.tokens, at, self.known)?;
        match candidate.shape {
            Shape::Header if self.header(&candidate, at, column, &indent)? => return Ok(candidate.next),
            Shape::Statement if self.starlark(&candidate, at, &indent)? => return Ok(candidate.next),
            _ => {}
        }
        let returns = self.text(self.tokens[at]) == "return";
        let begin = at + usize::from(returns);
        let mut parser = Parser::new(self.source, &self.tokens[begin..]);
        match parser.statement() {
            Ok(statement) => {
                let written = self.emitter.statement(&statement, &indent, Reading::Scala, returns)?;
                self.out.append(&written);
                Ok(begin + parser.consumed().max(1))
            }
            Err(error) => Err(candidate.verdict(self.source, error)),
        }
    }

    /// Copies a line of Starlark, or writes it anew when it uses names that Starlark's own values do not have.
    fn starlark(&mut self, candidate: &Candidate, at: usize, indent: &str) -> Parsed<bool> {
        let tokens = &self.tokens[at..candidate.next.max(at)];
        if !candidate.floor_division && candidate.needs_rewriting(self.source, tokens, self.vocabulary) {
            let returns = tokens.first().is_some_and(|token| self.text(*token) == "return");
            let mut parser = Parser::new(self.source, &tokens[usize::from(returns)..]);
            if let Ok(statement) = parser.statement()
                && parser.consumed() + usize::from(returns) == tokens.len()
                && let Ok(written) = self.emitter.statement(&statement, indent, Reading::Starlark, returns)
            {
                self.out.append(&written);
                return Ok(true);
            }
        }
        self.out.push(indent);
        self.out.copy(self.source, candidate.span);
        self.out.push("\n");
        Ok(true)
    }

    fn header(&mut self, candidate: &Candidate, at: usize, column: usize, indent: &str) -> Parsed<bool> {
        if self.blocks.len() >= MAX_BLOCKS {
            return Err(NotationError::TooDeep { limit: MAX_BLOCKS, span: candidate.span });
        }
        let tokens = &self.tokens[at..candidate.next];
        let rewritten = if candidate.valid && !candidate.needs_rewriting(self.source, tokens, self.vocabulary)
        {
            None
        } else {
            match header::rewrite(self.source, tokens, &mut self.emitter, indent, candidate.valid) {
                Ok(written) => Some(written),
                Err(_) if candidate.valid => None,
                Err(error) => return Err(candidate.verdict(self.source, error)),
            }
        };
        match rewritten {
            Some(written) => self.out.append(&written),
            None => {
                self.out.push(indent);
                self.out.copy(self.source, candidate.span);
                self.out.push("\n");
            }
        }
        if candidate.opens_block {
            self.blocks.push(column);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
