//! Expressions of the manual's notation, with Starlark's own forms (comprehensions, `lambda`, `a if c else b`, slices) beside them.
//!
//! Precedence is Scala's where Scala has the operator: `->` binds like `+` and groups to the left. Where Scala and Starlark would
//! group the same signs differently (`|`, `&`, `^` beside comparisons), parentheses are asked for instead of guessing.
//! Source: <https://www.scala-lang.org/files/archive/spec/2.13/06-expressions.html>.

mod primary;

use super::error::NotationError;
use super::parser::{Parsed, Parser};
use super::statement::foreign;
use super::syntax::{Arg, Clause, Expr, ExprKind, Lambda, Pattern, Stmt};
use super::token::{Kind, Span};

/// Collections and companions that take type arguments in Scala.
pub(super) const GENERIC: &[&str] =
    &["Seq", "List", "Set", "Map", "Vector", "Option", "Some", "empty", "collect", "toMap"];

/// (operator, Starlark's spelling, binding power)
const BINARY: &[(&str, &str, u8)] = &[
    ("||", "or", 1),
    ("or", "or", 1),
    ("&&", "and", 2),
    ("and", "and", 2),
    ("==", "==", 4),
    ("!=", "!=", 4),
    ("<", "<", 4),
    (">", ">", 4),
    ("<=", "<=", 4),
    (">=", ">=", 4),
    ("in", "in", 4),
    ("|", "|", 5),
    ("^", "^", 6),
    ("&", "&", 7),
    ("<<", "<<", 8),
    (">>", ">>", 8),
    ("+", "+", 9),
    ("++", "+", 9),
    ("-", "-", 9),
    ("->", "->", 9),
    ("*", "*", 10),
    ("/", "/", 10),
    ("//", "//", 10),
    ("%", "%", 10),
];
const NOT: u8 = 3;
const COMPARISON: u8 = 4;
const UNARY: u8 = 11;

impl Parser<'_> {
    /// An expression that is the scope of the `_` in it.
    pub(super) fn bounded_expression(&mut self) -> Parsed<Expr> {
        let outer = std::mem::take(&mut self.placeholders);
        let parsed = self.expression();
        let inner = std::mem::replace(&mut self.placeholders, outer);
        let expr = parsed?;
        if inner.is_empty() {
            return Ok(expr);
        }
        if matches!(expr.kind, ExprKind::Made(_)) {
            // A lone `_` belongs to the expression around it: `f(_)` is `x => f(x)`.
            self.placeholders.extend(inner);
            return Ok(expr);
        }
        let (span, depth) = (expr.span, expr.depth);
        let params = inner.into_iter().map(Pattern::Made).collect();
        self.node(ExprKind::Lambda(Box::new(Lambda { params, body: vec![Stmt::Expr(expr)] })), span, depth)
    }

    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.deeper(Self::expression_here)
    }

    fn expression_here(&mut self) -> Parsed<Expr> {
        if self.begins_lambda() {
            return self.lambda();
        }
        match self.peek_text() {
            "if" if self.text_at(1) == "(" => return self.if_expression(),
            "lambda" => return self.starlark_lambda(),
            _ => {}
        }
        let expr = self.binary(0)?;
        if self.next_is_here("if") {
            return self.ternary(expr);
        }
        if self.next_is_here("match") {
            let span = self.peek().map_or(expr.span, |token| token.span);
            return Err(foreign(
                "`match`",
                "write `if (…) … else …`, or Starlark's `if …:` with `elif` and `else`",
                span,
            ));
        }
        Ok(expr)
    }

    /// Whether a function begins here: `x =>` or `(a, b) =>`.
    pub(super) fn begins_lambda(&self) -> bool {
        match self.peek() {
            Some(token) if token.kind == Kind::Ident => self.text_at(1) == "=>",
            Some(token) if token.kind == Kind::Op && self.text(token) == "(" => {
                self.closing(0).is_some_and(|closing| self.text_at(closing + 1) == "=>")
            }
            _ => false,
        }
    }

    fn lambda(&mut self) -> Parsed<Expr> {
        let start = self.peek().map_or(0, |token| token.span.start);
        let params = self.lambda_params()?;
        self.expect("=>")?;
        let body =
            if self.next_is("{") { self.block()? } else { vec![Stmt::Expr(self.bounded_expression()?)] };
        self.lambda_node(params, body, start)
    }

    pub(super) fn lambda_node(&self, params: Vec<Pattern>, body: Vec<Stmt>, start: usize) -> Parsed<Expr> {
        let depth = body.iter().map(stmt_depth).max().unwrap_or(0);
        let span = Span::new(start, self.last_end());
        self.node(ExprKind::Lambda(Box::new(Lambda { params, body })), span, depth)
    }

    pub(super) fn lambda_params(&mut self) -> Parsed<Vec<Pattern>> {
        if !self.next_is("(") {
            return Ok(vec![self.simple_pattern()?]);
        }
        self.advance();
        self.nested(false, |parser| {
            let mut params = Vec::new();
            while !parser.next_is(")") {
                params.push(parser.simple_pattern()?);
                if parser.eat(":") {
                    parser.skip_type(")")?;
                }
                if !parser.eat(",") {
                    break;
                }
            }
            parser.expect(")")?;
            Ok(params)
        })
    }

    fn if_expression(&mut self) -> Parsed<Expr> {
        let start = self.peek().map_or(0, |token| token.span.start);
        self.advance();
        self.expect("(")?;
        let condition = self.nested(false, |parser| {
            let condition = parser.bounded_expression()?;
            parser.expect(")")?;
            Ok(condition)
        })?;
        let then = self.branch_expression()?;
        if !self.eat("else") {
            let span = Span::new(start, self.last_end());
            return Err(foreign("`if` without `else` as a value", "add the `else` branch", span));
        }
        let other = self.branch_expression()?;
        let depth = condition.depth.max(then.depth).max(other.depth);
        let kind =
            ExprKind::IfElse { condition: Box::new(condition), then: Box::new(then), other: Box::new(other) };
        self.node(kind, Span::new(start, self.last_end()), depth)
    }

    fn branch_expression(&mut self) -> Parsed<Expr> {
        if self.next_is("{") { self.brace() } else { self.expression() }
    }

    fn ternary(&mut self, then: Expr) -> Parsed<Expr> {
        self.advance();
        let condition = self.binary(0)?;
        self.expect("else")?;
        let other = self.expression()?;
        let span = then.span.to(other.span);
        let depth = condition.depth.max(then.depth).max(other.depth);
        let kind =
            ExprKind::IfElse { condition: Box::new(condition), then: Box::new(then), other: Box::new(other) };
        self.node(kind, span, depth)
    }

    fn starlark_lambda(&mut self) -> Parsed<Expr> {
        let start = self.peek().map_or(0, |token| token.span.start);
        self.advance();
        let params_start = self.last_end();
        let mut depth = 0_usize;
        while depth > 0 || !self.next_is(":") {
            match self.peek_text() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" if depth == 0 => return Err(self.unexpected(":")),
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if self.advance().is_none() {
                return Err(self.unexpected(":"));
            }
        }
        let params = Span::new(params_start, self.last_end());
        self.expect(":")?;
        let body = self.expression()?;
        let (span, depth) = (Span::new(start, body.span.end), body.depth);
        self.node(ExprKind::StarlarkLambda(params, Box::new(body)), span, depth)
    }

    fn operator_here(&self) -> Option<(&'static str, u8, usize)> {
        let token = self.peek()?;
        if matches!(token.kind, Kind::Str { .. } | Kind::Interp | Kind::Number) {
            return None;
        }
        let text = self.text(token);
        if self.at_line_end() && !matches!(text, "->" | "&&" | "||") {
            return None;
        }
        if text == "not" && self.text_at(1) == "in" {
            return Some(("not in", COMPARISON, 2));
        }
        BINARY
            .iter()
            .find(|(spelling, ..)| *spelling == text)
            .map(|(_, written, power)| (*written, *power, 1))
    }

    fn binary(&mut self, least: u8) -> Parsed<Expr> {
        let mut left = if self.next_is("not") && least <= NOT { self.not()? } else { self.unary()? };
        while let Some((operator, power, width)) = self.operator_here() {
            if power < least || (least == 0 && power == 0) {
                break;
            }
            for _ in 0..width {
                self.advance();
            }
            let right = self.deeper(|parser| parser.binary(power + 1))?;
            self.check_mixture(operator, &left, &right)?;
            let span = left.span.to(right.span);
            let depth = left.depth.max(right.depth);
            let (left_box, right_box) = (Box::new(left), Box::new(right));
            let kind = match operator {
                "->" => ExprKind::Pair(left_box, right_box),
                _ => ExprKind::Binary(operator, left_box, right_box),
            };
            left = self.node(kind, span, depth)?;
        }
        Ok(left)
    }

    /// Scala lets `==` bind tighter than `|`; Starlark does not.
    fn check_mixture(&self, operator: &str, left: &Expr, right: &Expr) -> Parsed<()> {
        if !matches!(operator, "==" | "!=" | "<" | ">" | "<=" | ">=") {
            return Ok(());
        }
        for side in [left, right] {
            if let ExprKind::Binary("|" | "&" | "^", ..) = side.kind {
                return Err(foreign(
                    "`|`, `&` or `^` beside a comparison",
                    "put parentheses around what belongs together",
                    side.span,
                ));
            }
        }
        Ok(())
    }

    fn not(&mut self) -> Parsed<Expr> {
        let start = self.peek().map_or(0, |token| token.span.start);
        self.advance();
        let operand = self.deeper(|parser| parser.binary(NOT))?;
        let (span, depth) = (Span::new(start, operand.span.end), operand.depth);
        self.node(ExprKind::Unary("not ", Box::new(operand)), span, depth)
    }

    fn unary(&mut self) -> Parsed<Expr> {
        let operator = match self.peek_text() {
            "!" => "not ",
            "-" => "-",
            "+" => "+",
            "~" => "~",
            _ => return self.postfix(),
        };
        if !self.peek().is_some_and(|token| token.kind == Kind::Op) {
            return self.postfix();
        }
        let start = self.peek().map_or(0, |token| token.span.start);
        self.advance();
        let operand = self.deeper(|parser| parser.binary(UNARY))?;
        let (span, depth) = (Span::new(start, operand.span.end), operand.depth);
        self.node(ExprKind::Unary(operator, Box::new(operand)), span, depth)
    }

    fn postfix(&mut self) -> Parsed<Expr> {
        let mut expr = self.primary()?;
        loop {
            if self.next_is(".") {
                self.advance();
                let name = self.identifier("a name after the dot")?;
                let (span, depth) = (expr.span.to(name.span), expr.depth);
                expr = self.node(ExprKind::Attr(Box::new(expr), name.span), span, depth)?;
            } else if self.next_is_here("(") {
                expr = self.call(expr)?;
            } else if self.next_is_here("[") {
                if self.skip_type_arguments(&expr) {
                    continue;
                }
                expr = self.index(expr)?;
            } else if self.next_is_here("{") && matches!(expr.kind, ExprKind::Attr(..) | ExprKind::Call(..)) {
                let block = self.brace()?;
                let (span, depth) = (expr.span.to(block.span), expr.depth.max(block.depth));
                expr = match expr.kind {
                    ExprKind::Call(callee, mut args) => {
                        args.push(Arg::Positional(block));
                        self.node(ExprKind::Call(callee, args), span, depth)?
                    }
                    _ => {
                        self.node(ExprKind::Call(Box::new(expr), vec![Arg::Positional(block)]), span, depth)?
                    }
                };
            } else {
                return Ok(expr);
            }
        }
    }

    fn call(&mut self, callee: Expr) -> Parsed<Expr> {
        self.expect("(")?;
        let args = self.nested(false, Self::args)?;
        let depth = args.iter().map(arg_depth).max().unwrap_or(0).max(callee.depth);
        let span = Span::new(callee.span.start, self.last_end());
        self.node(ExprKind::Call(Box::new(callee), args), span, depth)
    }

    fn args(&mut self) -> Parsed<Vec<Arg>> {
        let mut args = Vec::new();
        while !self.next_is(")") {
            args.push(self.arg()?);
            if !self.eat(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok(args)
    }

    fn arg(&mut self) -> Parsed<Arg> {
        if self.eat("**") {
            return Ok(Arg::StarStar(self.expression()?));
        }
        if self.eat("*") {
            return Ok(Arg::Star(self.expression()?));
        }
        let named = self.peek().filter(|token| token.kind == Kind::Ident && self.text_at(1) == "=");
        if let Some(name) = named {
            self.advance();
            self.advance();
            return Ok(Arg::Named(name.span, self.bounded_expression()?));
        }
        let value = self.bounded_expression()?;
        if self.next_is(":") && self.text_at(1) == "_" && self.text_at(2) == "*" {
            for _ in 0..3 {
                self.advance();
            }
            return Ok(Arg::Star(value));
        }
        Ok(Arg::Positional(value))
    }

    /// `Seq[String](…)`: types in brackets mean nothing here.
    fn skip_type_arguments(&mut self, callee: &Expr) -> bool {
        let name = match callee.kind {
            ExprKind::Verbatim => callee.span,
            ExprKind::Attr(_, name) => name,
            _ => return false,
        };
        if !GENERIC.contains(&&self.source[name.start..name.end]) {
            return false;
        }
        let Some(closing) = self.closing(0) else { return false };
        self.rewind(self.consumed() + closing + 1);
        true
    }

    fn index(&mut self, target: Expr) -> Parsed<Expr> {
        self.expect("[")?;
        let parts = self.nested(false, |parser| {
            let mut parts = vec![None];
            let mut colons = 0_usize;
            while !parser.next_is("]") {
                if parser.eat(":") {
                    colons += 1;
                    parts.push(None);
                    if colons > 2 {
                        return Err(parser.unexpected("]"));
                    }
                } else {
                    let value = parser.bounded_expression()?;
                    if let Some(part) = parts.last_mut() {
                        *part = Some(value);
                    }
                    if !parser.next_is(":") && !parser.next_is("]") {
                        return Err(parser.unexpected("]"));
                    }
                }
            }
            parser.expect("]")?;
            Ok(parts)
        })?;
        let span = Span::new(target.span.start, self.last_end());
        let depth = parts.iter().flatten().map(|part| part.depth).max().unwrap_or(0).max(target.depth);
        let kind = match <[Option<Expr>; 1]>::try_from(parts) {
            Ok([Some(index)]) => ExprKind::Index(Box::new(target), Box::new(index)),
            Ok([None]) => {
                return Err(NotationError::Expected { expected: "an index", found: "`]`".to_owned(), span });
            }
            Err(parts) => ExprKind::Slice(Box::new(target), parts),
        };
        self.node(kind, span, depth)
    }
}

fn arg_depth(arg: &Arg) -> usize {
    match arg {
        Arg::Positional(expr) | Arg::Named(_, expr) | Arg::Star(expr) | Arg::StarStar(expr) => expr.depth,
    }
}

fn stmt_depth(stmt: &Stmt) -> usize {
    match stmt {
        Stmt::Val { value, .. } | Stmt::Expr(value) => value.depth,
        Stmt::Assign { target, value, .. } => target.depth.max(value.depth),
        Stmt::If { condition, then, other } => {
            let branches = then.iter().chain(other.iter().flatten()).map(stmt_depth).max().unwrap_or(0);
            condition.depth.max(branches) + 1
        }
        Stmt::Nothing => 0,
    }
}

fn kind_depth(kind: &ExprKind) -> usize {
    match kind {
        ExprKind::List(items) => items.iter().map(|item| item.depth).max().unwrap_or(0),
        ExprKind::Dict(entries) => {
            entries.iter().map(|(key, value)| key.depth.max(value.depth)).max().unwrap_or(0)
        }
        ExprKind::Comprehension { key, value, clauses, .. } => {
            let clauses = clauses.iter().map(|clause| match clause {
                Clause::For(_, expr) | Clause::If(expr) => expr.depth,
            });
            clauses.chain(value.iter().map(|value| value.depth)).max().unwrap_or(0).max(key.depth)
        }
        _ => 0,
    }
}
