//! Calls and functions, written as Starlark.

use std::collections::HashSet;

use super::{Emitter, Reading, ScopeKind, Use};
use crate::notation::parser::Parsed;
use crate::notation::source_map::Written;
use crate::notation::syntax::{Arg, Expr, ExprKind, Lambda, Pattern, Stmt};
use crate::notation::token::Span;

/// The method whose argument Scala passes by name.
const BY_NAME: &str = "retry_until_true";

impl Emitter<'_> {
    pub(super) fn call(&mut self, callee: &Expr, args: &[Arg], span: Span, out: &mut Written) -> Parsed<()> {
        let last_plain = args.iter().rposition(|arg| matches!(arg, Arg::Positional(_)));
        let first_named = args.iter().position(|arg| matches!(arg, Arg::Named(..)));
        if let (Some(last), Some(first)) = (last_plain, first_named)
            && first < last
        {
            return self.labelled_call(callee, args, last, span, out);
        }
        let (mut prints, mut repeats) = (false, false);
        match &callee.kind {
            ExprKind::Attr(receiver, name)
                if (self.vocabulary.is_method)(&self.source[name.start..name.end]) =>
            {
                out.push_for("_cantle_call(", span);
                self.expr(receiver, Use::Result, out)?;
                out.push(", ");
                out.push_for(&format!("\"{}\"", &self.source[name.start..name.end]), *name);
                out.push(", ");
            }
            ExprKind::Attr(receiver, name) => {
                repeats = &self.source[name.start..name.end] == BY_NAME;
                self.receiver(receiver, out)?;
                out.push(".");
                out.copy(self.source, *name);
                out.push("(");
            }
            _ => {
                let name = &self.source[callee.span.start..callee.span.end];
                if let ([Arg::Positional(argument)], true) = (args, self.may_be_a_list(callee)) {
                    out.push_for("_cantle_apply(", span);
                    self.expr(callee, Use::Value, out)?;
                    out.push(", ");
                    self.expr(argument, Use::Value, out)?;
                    out.push_for(")", span);
                    return Ok(());
                }
                prints = matches!(name, "assert" | "print" | "println" | "str" | "Seq" | "List" | "Some");
                self.expr(callee, Use::Value, out)?;
                out.push("(");
            }
        }
        for (index, arg) in args.iter().enumerate() {
            if repeats && index + 1 == args.len() {
                self.repeatable(arg, out)?;
            } else {
                self.arg(arg, if prints { Use::Result } else { Use::Value }, out)?;
            }
            out.push(", ");
        }
        out.push_for(")", Span::new(span.end.saturating_sub(1).max(span.start), span.end));
        Ok(())
    }

    fn arg(&mut self, arg: &Arg, used: Use, out: &mut Written) -> Parsed<()> {
        match arg {
            Arg::Positional(value) => self.expr(value, used, out),
            Arg::Named(name, value) => {
                out.copy(self.source, *name);
                out.push(" = ");
                self.expr(value, Use::Value, out)
            }
            Arg::Star(value) => {
                out.push("*");
                self.expr(value, Use::Value, out)
            }
            Arg::StarStar(value) => {
                out.push("**");
                self.expr(value, Use::Value, out)
            }
        }
    }

    /// In Scala `xs(0)` is an item when `xs` is a list; which it is shows only when it runs.
    fn may_be_a_list(&self, callee: &Expr) -> bool {
        let name = &self.source[callee.span.start..callee.span.end];
        self.reading == Reading::Scala
            && matches!(callee.kind, ExprKind::Verbatim)
            && name.starts_with(|character: char| character.is_ascii_lowercase())
            && !(self.vocabulary.is_global)(name)
    }

    /// A condition that is asked again and again: written as a function, as Scala passes it by name.
    fn repeatable(&mut self, arg: &Arg, out: &mut Written) -> Parsed<()> {
        let Arg::Positional(value) = arg else { return self.arg(arg, Use::Value, out) };
        match &value.kind {
            ExprKind::Lambda(_) | ExprKind::StarlarkLambda(..) | ExprKind::Verbatim => {
                self.expr(value, Use::Value, out)
            }
            ExprKind::Block(body) => {
                let name = self.function(&[], body, value.span)?;
                out.push_for(&name, value.span);
                Ok(())
            }
            _ => {
                let body = Lambda { params: Vec::new(), body: vec![Stmt::Expr(value.clone())] };
                self.lambda(&body, value.span, out)
            }
        }
    }

    /// Names before positional arguments: they go along as what the arguments at their places must be called.
    fn labelled_call(
        &mut self,
        callee: &Expr,
        args: &[Arg],
        last: usize,
        span: Span,
        out: &mut Written,
    ) -> Parsed<()> {
        out.push_for("_cantle_invoke(", span);
        self.expr(callee, Use::Value, out)?;
        out.push(", [");
        for arg in &args[..=last] {
            match arg {
                Arg::Named(name, _) => {
                    out.push_for(&format!("\"{}\", ", &self.source[name.start..name.end]), *name)
                }
                _ => out.push("\"\", "),
            }
        }
        out.push("], ");
        for (index, arg) in args.iter().enumerate() {
            match arg {
                Arg::Named(_, value) if index < last => self.expr(value, Use::Value, out)?,
                _ => self.arg(arg, Use::Value, out)?,
            }
            out.push(", ");
        }
        out.push_for(")", span);
        Ok(())
    }

    pub(super) fn lambda(&mut self, lambda: &Lambda, span: Span, out: &mut Written) -> Parsed<()> {
        let simple_params = lambda.params.iter().all(|param| !matches!(param, Pattern::Tuple(_)));
        if let ([Stmt::Expr(body)], true) = (lambda.body.as_slice(), simple_params) {
            let outer = std::mem::take(&mut self.hoisted);
            let mut written = Written::default();
            written.push("(lambda ");
            for param in &lambda.params {
                self.pattern(param, &mut written);
                written.push(", ");
            }
            let mut head = Written::default();
            head.append(&written);
            head.push(": ");
            let body_written = self.expr(body, Use::Result, &mut head);
            let needs_functions = !self.hoisted.is_empty();
            self.hoisted = outer;
            body_written?;
            if !needs_functions {
                out.append(&head);
                out.push(")");
                return Ok(());
            }
        }
        let name = self.function(&lambda.params, &lambda.body, span)?;
        out.push_for(&name, span);
        Ok(())
    }

    /// Writes a `def` before the statement at hand; its name.
    pub(super) fn function(&mut self, params: &[Pattern], body: &[Stmt], span: Span) -> Parsed<String> {
        self.made += 1;
        let name = format!("_function_{}", self.made);
        let mut out = Written::default();
        out.push(&format!("{}def {name}(", self.indent));
        let mut unpacked = Vec::new();
        self.scopes.push((ScopeKind::Function, HashSet::new()));
        for param in params {
            if let Pattern::Tuple(_) = param {
                self.made += 1;
                let whole = format!("_tuple_{}", self.made);
                out.push(&whole);
                unpacked.push((whole, param));
            } else {
                self.pattern(param, &mut out);
            }
            out.push(", ");
        }
        out.push_for("):\n", span);
        let mut result = params.iter().try_for_each(|param| self.declare(param));
        for (whole, pattern) in unpacked {
            out.push(&format!("{}    ", self.indent));
            self.pattern(pattern, &mut out);
            out.push(&format!(" = {whole}\n"));
        }
        if result.is_ok() {
            let outer = std::mem::take(&mut self.hoisted);
            let written = self.body(body, true);
            self.hoisted = outer;
            result = written.map(|written| out.append(&written));
        }
        self.scopes.pop();
        result?;
        self.hoisted.push(out);
        Ok(name)
    }
}
