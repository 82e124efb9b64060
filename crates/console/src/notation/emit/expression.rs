//! Expressions, written as Starlark.

use super::{Emitter, Reading, Use, quoted};
use crate::notation::parser::Parsed;
use crate::notation::source_map::Written;
use crate::notation::statement::foreign;
use crate::notation::syntax::{Clause, Expr, ExprKind, Piece};
use crate::notation::token::Span;

impl Emitter<'_> {
    pub(super) fn expr(&mut self, expr: &Expr, used: Use, out: &mut Written) -> Parsed<()> {
        match &expr.kind {
            ExprKind::Verbatim => self.name(expr.span, out),
            ExprKind::Made(text) => out.push_for(text, expr.span),
            ExprKind::Constant(text) => out.push_for(text, expr.span),
            ExprKind::Text(text) => out.push_for(&quoted(text), expr.span),
            ExprKind::Interpolation(pieces) => self.interpolation(pieces, expr.span, out)?,
            ExprKind::Paren(inner) => {
                out.push("(");
                self.expr(inner, used, out)?;
                out.push(")");
            }
            ExprKind::Tuple(items) => {
                out.push("(");
                for item in items {
                    self.expr(item, Use::Value, out)?;
                    out.push(", ");
                }
                out.push(")");
            }
            ExprKind::Pair(left, right) => {
                out.push("(");
                self.expr(left, Use::Result, out)?;
                out.push(", ");
                self.expr(right, Use::Result, out)?;
                out.push(")");
            }
            ExprKind::List(items) => {
                out.push("[");
                for item in items {
                    self.expr(item, Use::Value, out)?;
                    out.push(", ");
                }
                out.push("]");
            }
            ExprKind::Dict(entries) => {
                out.push("{");
                for (key, value) in entries {
                    self.expr(key, Use::Value, out)?;
                    out.push(": ");
                    self.expr(value, Use::Value, out)?;
                    out.push(", ");
                }
                out.push("}");
            }
            ExprKind::Comprehension { open, key, value, clauses } => {
                self.comprehension(*open, key, value.as_deref(), clauses, expr.span, out)?;
            }
            ExprKind::Attr(receiver, name) => self.attr(receiver, *name, expr.span, used, out)?,
            ExprKind::Call(callee, args) => self.call(callee, args, expr.span, out)?,
            ExprKind::Index(target, index) => {
                self.expr(target, Use::Value, out)?;
                out.push("[");
                self.expr(index, Use::Value, out)?;
                out.push_for("]", expr.span);
            }
            ExprKind::Slice(target, parts) => {
                self.expr(target, Use::Value, out)?;
                out.push("[");
                for (index, part) in parts.iter().enumerate() {
                    if index > 0 {
                        out.push(":");
                    }
                    if let Some(part) = part {
                        self.expr(part, Use::Value, out)?;
                    }
                }
                out.push_for("]", expr.span);
            }
            ExprKind::Unary(operator, operand) => {
                out.push("(");
                out.push_for(operator, expr.span);
                self.expr(operand, Use::Result, out)?;
                out.push(")");
            }
            ExprKind::Binary(operator, left, right) => {
                out.push("(");
                self.expr(left, Use::Result, out)?;
                out.push(&format!(" {operator} "));
                self.expr(right, Use::Result, out)?;
                out.push(")");
            }
            ExprKind::IfElse { condition, then, other } => {
                out.push("(");
                self.expr(then, used, out)?;
                out.push(" if ");
                self.expr(condition, Use::Result, out)?;
                out.push(" else ");
                self.expr(other, used, out)?;
                out.push(")");
            }
            ExprKind::Lambda(lambda) => self.lambda(lambda, expr.span, out)?,
            ExprKind::StarlarkLambda(params, body) => {
                let before = self.hoisted.len();
                out.push("(lambda ");
                out.copy(self.source, *params);
                out.push(": ");
                self.expr(body, Use::Value, out)?;
                out.push(")");
                self.refuse_functions_since(before, expr.span)?;
            }
            ExprKind::Block(body) => {
                let name = self.function(&[], body, expr.span)?;
                out.push_for(&format!("{name}()"), expr.span);
            }
        }
        Ok(())
    }

    fn interpolation(&mut self, pieces: &[Piece], span: Span, out: &mut Written) -> Parsed<()> {
        out.push_for("_cantle_text(", span);
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_for(&quoted(text), span),
                Piece::Value(value) => self.expr(value, Use::Result, out)?,
            }
            out.push(", ");
        }
        out.push(")");
        Ok(())
    }

    fn comprehension(
        &mut self,
        open: char,
        key: &Expr,
        value: Option<&Expr>,
        clauses: &[Clause],
        span: Span,
        out: &mut Written,
    ) -> Parsed<()> {
        let before = self.hoisted.len();
        out.push(if open == '{' { "{" } else { "[" });
        self.expr(key, Use::Value, out)?;
        if let Some(value) = value {
            out.push(": ");
            self.expr(value, Use::Value, out)?;
        }
        for clause in clauses {
            match clause {
                Clause::For(target, values) => {
                    out.push(" for ");
                    out.copy(self.source, *target);
                    out.push(" in ");
                    self.expr(values, Use::Result, out)?;
                }
                Clause::If(condition) => {
                    out.push(" if ");
                    self.expr(condition, Use::Result, out)?;
                }
            }
        }
        out.push(if open == '{' { "}" } else { "]" });
        self.refuse_functions_since(before, span)
    }

    /// A function written before the statement cannot see names that exist only inside a comprehension or a `lambda`.
    fn refuse_functions_since(&self, before: usize, span: Span) -> Parsed<()> {
        if self.hoisted.len() == before {
            return Ok(());
        }
        Err(foreign(
            "a function of several statements inside this expression",
            "write a `def` before it and name it here",
            span,
        ))
    }

    fn attr(&mut self, receiver: &Expr, name: Span, span: Span, used: Use, out: &mut Written) -> Parsed<()> {
        let text = &self.source[name.start..name.end];
        let is_tuple_part = text.strip_prefix('_').is_some_and(|digits| digits.parse::<u8>().is_ok());
        if is_tuple_part || (self.vocabulary.is_method)(text) {
            out.push_for("_cantle_member(", span);
            self.expr(receiver, Use::Result, out)?;
            out.push(", ");
            out.push_for(&format!("\"{text}\""), name);
            out.push(")");
            return Ok(());
        }
        let runs =
            (self.vocabulary.is_command)(text) && (self.reading == Reading::Scala || used == Use::Result);
        if runs {
            out.push_for("_cantle_run(", span);
        }
        self.receiver(receiver, out)?;
        out.push(".");
        out.copy(self.source, name);
        if runs {
            out.push_for(")", span);
        }
        Ok(())
    }

    pub(super) fn receiver(&mut self, receiver: &Expr, out: &mut Written) -> Parsed<()> {
        let bare_number = matches!(receiver.kind, ExprKind::Verbatim)
            && self.source[receiver.span.start..receiver.span.end]
                .starts_with(|character: char| character.is_ascii_digit());
        if bare_number {
            out.push("(");
        }
        self.expr(receiver, Use::Result, out)?;
        if bare_number {
            out.push(")");
        }
        Ok(())
    }
}
