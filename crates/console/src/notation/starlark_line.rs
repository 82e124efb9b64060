//! A logical line as Starlark delimits it, and Starlark's verdict on it.
//!
//! Here it is decided whether `//` is Starlark's floor division: it is when the line is valid Starlark that way and every name behind
//! it is known; else it begins a comment.

use starlark::syntax::{AstModule, Dialect, DialectTypes};

use super::emit::{Vocabulary, starlark_error};
use super::error::NotationError;
use super::expression::GENERIC;
use super::parser::{MAX_DEPTH, Parsed};
use super::token::{Kind, Slashes, Span, Token, tokenize};

/// Lines that a bracket may stay open over while `//` is in doubt.
const MAX_DOUBTFUL_LINES: usize = 40;

/// The dialect of scripts.
pub(crate) fn dialect() -> Dialect {
    Dialect {
        enable_keyword_only_arguments: true,
        enable_positional_only_arguments: true,
        enable_load: false,
        enable_load_reexport: false,
        enable_top_level_stmt: true,
        enable_f_strings: true,
        enable_types: DialectTypes::Disable,
        ..Dialect::Standard
    }
}

/// What Starlark makes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// A statement that Starlark accepts.
    Statement,
    /// `def …:`, `for …:`, `if …:`, `elif …:`, `else:`.
    Header,
    /// Not Starlark.
    Other,
}

/// A line that may be Starlark.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) span: Span,
    /// The index of the first token behind it.
    pub(super) next: usize,
    pub(super) shape: Shape,
    pub(super) valid: bool,
    pub(super) opens_block: bool,
    /// `//` is an operator in it.
    pub(super) floor_division: bool,
    error: Option<(String, Option<Span>)>,
    keyword: bool,
}

impl Candidate {
    /// The line that begins at token `at`.
    pub(super) fn at(
        source: &str,
        tokens: &[Token],
        at: usize,
        known: &dyn Fn(&str) -> bool,
    ) -> Parsed<Self> {
        let first = tokens[at];
        if let Some(candidate) = floor_division(source, tokens, at, known)? {
            return Ok(candidate);
        }
        let next = line_end(source, tokens, at);
        let span = Span::new(first.span.start, tokens[next - 1].span.end);
        let line = &tokens[at..next];
        check_depth(source, line)?;
        let continued = tokens.get(next).is_some_and(|token| {
            let text = &source[token.span.start..token.span.end];
            matches!(text, "." | "->" | "&&" | "||")
        });
        let mut candidate = Self::judge(source, line, span, next);
        if continued {
            candidate.shape = Shape::Other;
        }
        Ok(candidate)
    }

    fn judge(source: &str, line: &[Token], span: Span, next: usize) -> Self {
        let text = &source[span.start..span.end];
        let word = line.first().map_or("", |token| &source[token.span.start..token.span.end]);
        let last = line.last().map_or("", |token| &source[token.span.start..token.span.end]);
        let keyword = matches!(
            word,
            "def" | "for" | "load" | "return" | "pass" | "break" | "continue" | "elif" | "else"
        );
        let mut candidate = Self {
            span,
            next,
            shape: Shape::Other,
            valid: false,
            opens_block: last == ":",
            floor_division: false,
            error: None,
            keyword: keyword || (word == "if" && last == ":"),
        };
        let block = if candidate.opens_block { "\n pass" } else { "" };
        let verdict = match word {
            "def" | "for" => parse(&format!("{text}{block}"), 0),
            "if" => parse(&format!("{text}{block}"), 0),
            "elif" | "else" => parse(&format!("if True:\n pass\n{text}{block}"), 15),
            "return" => parse(&format!("def f():\n {text}"), 10),
            "break" | "continue" | "pass" if line.len() == 1 => Ok(()),
            "break" | "continue" => parse(&format!("for x in []:\n {text}"), 14),
            _ => parse(text, 0),
        };
        let is_header = matches!(word, "def" | "for" | "if" | "elif" | "else");
        match verdict {
            Ok(()) => {
                candidate.valid = true;
                candidate.shape = if is_header { Shape::Header } else { Shape::Statement };
            }
            Err((cause, place)) => {
                candidate.error = Some((
                    cause,
                    place.map(|place| Span::new(span.start + place.start, span.start + place.end)),
                ));
                if matches!(word, "for" | "if" | "elif") && candidate.opens_block {
                    candidate.shape = Shape::Header;
                }
            }
        }
        candidate
    }

    /// The error to show when the line is not Scala either.
    pub(super) fn verdict(&self, source: &str, scala: NotationError) -> NotationError {
        let foreign = matches!(scala, NotationError::Foreign { .. });
        if let (Some((cause, place)), true, false) = (&self.error, self.keyword, foreign) {
            let span = place.unwrap_or(self.span);
            let span = Span::new(span.start.min(source.len()), span.end.min(source.len()));
            return starlark_error(cause.clone(), span);
        }
        scala
    }

    /// Whether a line of Starlark uses names that mean something beyond Starlark.
    pub(super) fn needs_rewriting(&self, source: &str, tokens: &[Token], vocabulary: Vocabulary) -> bool {
        if tokens.iter().any(|token| &source[token.span.start..token.span.end] == "*=") {
            return true;
        }
        tokens.windows(2).enumerate().any(|(index, pair)| {
            let [dot, name] = pair else { return false };
            let (first, second) =
                (&source[dot.span.start..dot.span.end], &source[name.span.start..name.span.end]);
            // `_.copy(…)` is a function, and `Seq[Int](…)` has a type in it: no name of Starlark's is meant.
            if (first == "_" && second == ".") || (GENERIC.contains(&first) && second == "[") {
                return true;
            }
            if &source[dot.span.start..dot.span.end] != "." || name.kind != Kind::Ident {
                return false;
            }
            let text = &source[name.span.start..name.span.end];
            let called =
                tokens.get(index + 2).is_some_and(|token| &source[token.span.start..token.span.end] == "(");
            let part = text.strip_prefix('_').is_some_and(|digits| digits.parse::<u8>().is_ok());
            part || (vocabulary.is_method)(text) || (!called && (vocabulary.is_command)(text))
        })
    }
}

fn parse(text: &str, shift: usize) -> Result<(), (String, Option<Span>)> {
    match AstModule::parse("script", text.to_owned(), &dialect()) {
        Ok(_) => Ok(()),
        Err(error) => {
            let place = error.span().map(|place| {
                let begin = place.span.begin().get() as usize;
                let end = place.span.end().get() as usize;
                Span::new(begin.saturating_sub(shift), end.saturating_sub(shift))
            });
            Err((error.without_diagnostic().to_string(), place))
        }
    }
}

/// The index behind the last token of the line at `at`: a line ends where no bracket is open.
fn line_end(source: &str, tokens: &[Token], at: usize) -> usize {
    let mut depth = 0_i64;
    for (index, token) in tokens.iter().enumerate().skip(at) {
        if index > at && token.newline_before && depth <= 0 {
            return index;
        }
        if token.kind == Kind::Op {
            match &source[token.span.start..token.span.end] {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
        }
    }
    tokens.len()
}

/// The line with `//` as an operator, when it is one.
fn floor_division(
    source: &str,
    tokens: &[Token],
    at: usize,
    known: &dyn Fn(&str) -> bool,
) -> Parsed<Option<Candidate>> {
    let start = tokens[at].span.start;
    let mut end = start;
    for _ in 0..MAX_DOUBTFUL_LINES {
        end = source[end..].find('\n').map_or(source.len(), |offset| end + offset);
        if !source[start..end].contains("//")
            && depth_of(source, &tokenize(source, start, end, Slashes::Comment)) <= 0
        {
            return Ok(None);
        }
        let line = tokenize(source, start, end, Slashes::Operator);
        if depth_of(source, &line) > 0 {
            if end >= source.len() {
                return Ok(None);
            }
            end += 1;
            continue;
        }
        let Some(slashes) = line.iter().position(|token| &source[token.span.start..token.span.end] == "//")
        else {
            return Ok(None);
        };
        let all_known = (slashes + 1..line.len()).all(|index| {
            let text = &source[line[index].span.start..line[index].span.end];
            let after_dot = &source[line[index - 1].span.start..line[index - 1].span.end] == ".";
            line[index].kind != Kind::Ident || after_dot || known(text)
        });
        if !all_known || slashes == 0 {
            return Ok(None);
        }
        check_depth(source, &line)?;
        let span = Span::new(start, line.last().map_or(start, |token| token.span.end));
        let next = tokens.partition_point(|token| token.span.start < end);
        let mut candidate = Candidate::judge(source, &line, span, next);
        candidate.floor_division = true;
        return Ok(candidate.valid.then_some(candidate));
    }
    Ok(None)
}

fn depth_of(source: &str, tokens: &[Token]) -> i64 {
    tokens
        .iter()
        .filter(|token| token.kind == Kind::Op)
        .map(|token| match &source[token.span.start..token.span.end] {
            "(" | "[" | "{" => 1,
            ")" | "]" | "}" => -1,
            _ => 0,
        })
        .sum()
}

/// Refuses what would make Starlark's parser or compiler recurse without bound: brackets in brackets and long chains. The estimate is
/// the sum, over the open brackets, of the operators since the last comma.
fn check_depth(source: &str, line: &[Token]) -> Parsed<()> {
    let mut levels = vec![0_usize];
    let mut total = 0_usize;
    for token in line {
        match (&source[token.span.start..token.span.end], token.kind) {
            ("(" | "[" | "{", Kind::Op) => {
                levels.push(1);
                total += 1;
            }
            (")" | "]" | "}", Kind::Op) => {
                if levels.len() > 1 {
                    total -= levels.pop().unwrap_or(0);
                }
                bump(&mut levels, &mut total);
            }
            ("," | ";", Kind::Op) => {
                if let Some(level) = levels.last_mut() {
                    total -= *level;
                    *level = 0;
                }
            }
            (_, Kind::Op) | ("not" | "and" | "or" | "in" | "if" | "else" | "lambda" | "for", Kind::Ident) => {
                bump(&mut levels, &mut total);
            }
            _ => {}
        }
        if total > MAX_DEPTH {
            return Err(NotationError::TooDeep { limit: MAX_DEPTH, span: token.span });
        }
    }
    Ok(())
}

fn bump(levels: &mut [usize], total: &mut usize) {
    if let Some(level) = levels.last_mut() {
        *level += 1;
        *total += 1;
    }
}
