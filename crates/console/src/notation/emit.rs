//! Writes the tree of a statement as Starlark.
//!
//! Functions with several statements become a `def` in front of the statement that uses them. Names beginning with `_cantle_` are
//! the session's own (see `value::scala`). Invariant: the written statement ends with a line end and is indented as told.

mod call;
mod expression;

use std::collections::HashSet;

use super::error::NotationError;
use super::parser::Parsed;
use super::source_map::Written;
use super::statement::foreign;
use super::syntax::{Expr, ExprKind, Pattern, Stmt};
use super::token::Span;

/// Words that Starlark reserves and Scala does not; `assert` is a function there.
const RESERVED: &[&str] =
    &["as", "assert", "async", "await", "del", "except", "from", "global", "is", "nonlocal", "raise", "with"];

/// How a statement is to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Valid Starlark: only names that Starlark's own values do not have are looked up elsewhere.
    Starlark,
    /// The manual's Scala: commands without parentheses are run.
    Scala,
}

/// Which names mean something beyond Starlark.
#[derive(Clone, Copy)]
pub(crate) struct Vocabulary {
    /// Methods of Scala's collections, options and texts.
    pub(crate) is_method: fn(&str) -> bool,
    /// Commands that may be run without arguments.
    pub(crate) is_command: fn(&str) -> bool,
    /// Functions of the console that no script has to define.
    pub(crate) is_global: fn(&str) -> bool,
}

impl std::fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Vocabulary")
    }
}

/// What a value is needed for, where that decides whether a command is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Value,
    /// A truth, a text to print, a statement of its own: naming a command there means running it.
    Result,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum ScopeKind {
    Function,
    Block,
}

/// Writes statements.
#[derive(Debug)]
pub(crate) struct Emitter<'a> {
    source: &'a str,
    vocabulary: Vocabulary,
    reading: Reading,
    indent: String,
    /// Functions to be written before the statement at hand.
    hoisted: Vec<Written>,
    scopes: Vec<(ScopeKind, HashSet<String>)>,
    made: usize,
}

impl<'a> Emitter<'a> {
    pub(crate) fn new(source: &'a str, vocabulary: Vocabulary) -> Self {
        let scopes = vec![(ScopeKind::Function, HashSet::new())];
        let (reading, indent, hoisted) = (Reading::Scala, String::new(), Vec::new());
        Self { source, vocabulary, reading, indent, hoisted, scopes, made: 0 }
    }

    /// Writes a statement and what it needs before it; `returns` when it stood behind `return`.
    pub(crate) fn statement(
        &mut self,
        stmt: &Stmt,
        indent: &str,
        reading: Reading,
        returns: bool,
    ) -> Parsed<Written> {
        self.reading = reading;
        indent.clone_into(&mut self.indent);
        self.whole(stmt, returns)
    }

    /// Writes one expression, for a header such as `for x in …:`; what it needs before it comes first.
    pub(crate) fn header(
        &mut self,
        expr: &Expr,
        indent: &str,
        reading: Reading,
    ) -> Parsed<(Written, Written)> {
        self.reading = reading;
        indent.clone_into(&mut self.indent);
        let mut value = Written::default();
        self.expr(expr, Use::Result, &mut value)?;
        Ok((self.take_hoisted(), value))
    }

    fn take_hoisted(&mut self) -> Written {
        let mut out = Written::default();
        for function in std::mem::take(&mut self.hoisted) {
            out.append(&function);
        }
        out
    }

    fn whole(&mut self, stmt: &Stmt, returns: bool) -> Parsed<Written> {
        let outer = std::mem::take(&mut self.hoisted);
        let mut line = Written::default();
        let written = self.stmt(stmt, returns, &mut line);
        let mut out = self.take_hoisted();
        self.hoisted = outer;
        written?;
        out.append(&line);
        Ok(out)
    }

    fn stmt(&mut self, stmt: &Stmt, returns: bool, out: &mut Written) -> Parsed<()> {
        match stmt {
            Stmt::Nothing => return Ok(()),
            Stmt::Val { pattern, value } => {
                let mut right = Written::default();
                self.expr(value, Use::Value, &mut right)?;
                out.push(&self.indent.clone());
                self.declare(pattern)?;
                self.pattern(pattern, out);
                out.push(" = ");
                out.append(&right);
            }
            Stmt::Assign { target, operator, value } => {
                self.check_assignment(target)?;
                let mut right = Written::default();
                let used = if self.reading == Reading::Starlark { Use::Value } else { Use::Result };
                self.expr(value, used, &mut right)?;
                out.push(&self.indent.clone());
                self.target(target, out)?;
                let repeats = &self.source[operator.start..operator.end] == "*=";
                if repeats && matches!(target.kind, ExprKind::Verbatim) {
                    // Written out, so that it is bounded as `*` is.
                    out.push(" = ");
                    self.target(target, out)?;
                    out.push(" * (");
                    out.append(&right);
                    out.push(")");
                } else {
                    out.push(" ");
                    out.copy(self.source, *operator);
                    out.push(" ");
                    out.append(&right);
                }
            }
            Stmt::Expr(expr) => {
                let mut line = Written::default();
                self.expr(expr, Use::Result, &mut line)?;
                out.push(&self.indent.clone());
                if returns {
                    out.push("return ");
                }
                out.append(&line);
            }
            Stmt::If { condition, then, other } => {
                return self.if_stmt(condition, then, other.as_deref(), returns, out);
            }
        }
        out.push("\n");
        Ok(())
    }

    fn if_stmt(
        &mut self,
        condition: &Expr,
        then: &[Stmt],
        other: Option<&[Stmt]>,
        returns: bool,
        out: &mut Written,
    ) -> Parsed<()> {
        let mut written = Written::default();
        self.expr(condition, Use::Result, &mut written)?;
        out.push(&self.indent.clone());
        out.push("if ");
        out.append(&written);
        out.push(":\n");
        self.branch(then, returns, out)?;
        if let Some(other) = other {
            out.push(&self.indent.clone());
            out.push("else:\n");
            self.branch(other, returns, out)?;
        }
        Ok(())
    }

    fn branch(&mut self, body: &[Stmt], returns: bool, out: &mut Written) -> Parsed<()> {
        self.scopes.push((ScopeKind::Block, HashSet::new()));
        let written = self.body(body, returns);
        self.scopes.pop();
        out.append(&written?);
        Ok(())
    }

    /// The statements of a block, one level deeper; the last one's value is returned when asked for.
    fn body(&mut self, body: &[Stmt], returns: bool) -> Parsed<Written> {
        let outer = self.indent.clone();
        self.indent.push_str("    ");
        let mut out = Written::default();
        let mut result = Ok(());
        for (index, stmt) in body.iter().enumerate() {
            match self.whole(stmt, returns && index + 1 == body.len()) {
                Ok(written) => out.append(&written),
                Err(error) => {
                    result = Err(error);
                    break;
                }
            }
        }
        if out.text().is_empty() {
            out.push(&self.indent);
            out.push("pass\n");
        }
        self.indent = outer;
        result.map(|()| out)
    }

    fn declare(&mut self, pattern: &Pattern) -> Parsed<()> {
        match pattern {
            Pattern::Tuple(patterns) => patterns.iter().try_for_each(|pattern| self.declare(pattern)),
            Pattern::Name(span) => {
                let name = &self.source[span.start..span.end];
                let mut scopes = self.scopes.iter_mut().rev();
                let Some((kind, names)) = scopes.next() else { return Ok(()) };
                names.insert(name.to_owned());
                if *kind == ScopeKind::Block {
                    for (kind, names) in scopes {
                        if names.contains(name) {
                            return Err(foreign(
                                "a `val` that hides another of its name outside",
                                "give it another name",
                                *span,
                            ));
                        }
                        if *kind == ScopeKind::Function {
                            break;
                        }
                    }
                }
                Ok(())
            }
            Pattern::Made(_) | Pattern::Ignored => Ok(()),
        }
    }

    /// An assignment inside a function makes a name of its own in Starlark; in Scala it would change the one outside.
    fn check_assignment(&mut self, target: &Expr) -> Parsed<()> {
        if !matches!(target.kind, ExprKind::Verbatim) {
            return Ok(());
        }
        let name = &self.source[target.span.start..target.span.end];
        let functions = self.scopes.iter().filter(|(kind, _)| *kind == ScopeKind::Function).count();
        let known_here = self
            .scopes
            .iter()
            .rev()
            .scan(false, |done, (kind, names)| {
                if *done {
                    return None;
                }
                *done = *kind == ScopeKind::Function;
                Some(names.contains(name))
            })
            .any(|known| known);
        if functions > 1 && !known_here {
            return Err(foreign(
                "changing a name of the outside from a function",
                "return the value, or use `for x in xs:` and the body indented below it",
                target.span,
            ));
        }
        if let Some((_, names)) = self.scopes.last_mut() {
            names.insert(name.to_owned());
        }
        Ok(())
    }

    fn pattern(&mut self, pattern: &Pattern, out: &mut Written) {
        match pattern {
            Pattern::Name(span) => self.name(*span, out),
            Pattern::Made(name) => out.push(name),
            Pattern::Ignored => {
                self.made += 1;
                out.push(&format!("_ignored_{}", self.made));
            }
            Pattern::Tuple(patterns) => {
                out.push("(");
                for pattern in patterns {
                    self.pattern(pattern, out);
                    out.push(", ");
                }
                out.push(")");
            }
        }
    }

    /// A name or literal of the script. Words that only Starlark reserves are names in Scala.
    fn name(&self, span: Span, out: &mut Written) {
        let text = &self.source[span.start..span.end];
        if RESERVED.contains(&text) {
            out.push_for(&format!("_cantle_{text}"), span);
        } else {
            out.copy(self.source, span);
        }
    }

    fn target(&mut self, target: &Expr, out: &mut Written) -> Parsed<()> {
        match &target.kind {
            ExprKind::Attr(receiver, name) => {
                self.expr(receiver, Use::Value, out)?;
                out.push(".");
                out.copy(self.source, *name);
                Ok(())
            }
            _ => self.expr(target, Use::Value, out),
        }
    }
}

/// A text as Starlark writes it.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            character if character.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(character))),
            character => out.push(character),
        }
    }
    out.push('"');
    out
}

/// What is wrong with a script that Starlark's parser refuses.
pub(crate) fn starlark_error(cause: String, span: Span) -> NotationError {
    NotationError::Starlark { cause, span }
}
