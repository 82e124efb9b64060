//! The smallest expressions: names, literals, what stands in brackets and braces.

use super::{kind_depth, stmt_depth};
use crate::notation::error::NotationError;
use crate::notation::parser::{Parsed, Parser};
use crate::notation::syntax::{Clause, Expr, ExprKind, Stmt};
use crate::notation::token::{Kind, Span, Token};

impl Parser<'_> {
    pub(super) fn primary(&mut self) -> Parsed<Expr> {
        let Some(token) = self.peek() else { return Err(self.unexpected("an expression")) };
        match token.kind {
            Kind::Ident => self.word(token),
            Kind::Number => self.number(token),
            Kind::Str { prefixed } => self.string(token, prefixed),
            Kind::Interp => self.interpolation(token),
            Kind::Bad(cause) => Err(NotationError::Unreadable { cause, span: token.span }),
            Kind::Op => match self.text(token) {
                "(" => self.parenthesized(),
                "[" => self.bracketed('['),
                "{" => self.brace(),
                _ => Err(self.unexpected("an expression")),
            },
        }
    }

    fn word(&mut self, token: Token) -> Parsed<Expr> {
        let word = self.text(token);
        let constant = match word {
            "true" => Some("True"),
            "false" => Some("False"),
            "null" => Some("None"),
            _ => None,
        };
        if let Some(constant) = constant {
            self.advance();
            return self.node(ExprKind::Constant(constant), token.span, 0);
        }
        match word {
            "_" => {
                self.advance();
                self.made += 1;
                let name = format!("_made_{}", self.made);
                self.placeholders.push(name.clone());
                self.node(ExprKind::Made(name), token.span, 0)
            }
            "new" if self.peek_at(1).is_some_and(|next| next.kind == Kind::Ident) => {
                self.advance();
                self.postfix()
            }
            "if" | "else" | "elif" | "for" | "while" | "and" | "or" | "in" | "def" | "return" | "case"
            | "val" | "var" | "match" => Err(self.unexpected("an expression")),
            _ => {
                self.advance();
                self.node(ExprKind::Verbatim, token.span, 0)
            }
        }
    }

    fn parenthesized(&mut self) -> Parsed<Expr> {
        let start = self.expect("(")?.span.start;
        let (items, tuple) = self.nested(false, |parser| {
            let mut items = Vec::new();
            let mut comma = false;
            while !parser.next_is(")") {
                items.push(parser.bounded_expression()?);
                if parser.eat(":") {
                    parser.skip_type(")")?;
                }
                if !parser.eat(",") {
                    break;
                }
                comma = true;
            }
            parser.expect(")")?;
            Ok((items, comma))
        })?;
        let span = Span::new(start, self.last_end());
        let depth = items.iter().map(|item| item.depth).max().unwrap_or(0);
        let kind = match <[Expr; 1]>::try_from(items) {
            Ok([item]) if !tuple => ExprKind::Paren(Box::new(item)),
            Ok([item]) => ExprKind::Tuple(vec![item]),
            Err(items) => ExprKind::Tuple(items),
        };
        self.node(kind, span, depth)
    }

    /// A list or a comprehension; the cursor stands at `[`.
    pub(super) fn bracketed(&mut self, open: char) -> Parsed<Expr> {
        let start = self.expect("[")?.span.start;
        let kind = self.nested(false, |parser| {
            let mut items = Vec::new();
            while !parser.next_is("]") {
                items.push(parser.bounded_expression()?);
                if items.len() == 1 && parser.next_is("for") {
                    let clauses = parser.clauses()?;
                    parser.expect("]")?;
                    let key = Box::new(items.remove(0));
                    return Ok(ExprKind::Comprehension { open, key, value: None, clauses });
                }
                if !parser.eat(",") {
                    break;
                }
            }
            parser.expect("]")?;
            Ok(ExprKind::List(items))
        })?;
        let span = Span::new(start, self.last_end());
        let depth = kind_depth(&kind);
        self.node(kind, span, depth)
    }

    pub(super) fn clauses(&mut self) -> Parsed<Vec<Clause>> {
        let mut clauses = Vec::new();
        loop {
            if self.eat("for") {
                let start = self.last_end();
                while !self.next_is("in") {
                    if self.advance().is_none() {
                        return Err(self.unexpected("in"));
                    }
                }
                let target = Span::new(start, self.last_end());
                self.expect("in")?;
                clauses.push(Clause::For(target, self.binary(0)?));
            } else if self.eat("if") {
                clauses.push(Clause::If(self.binary(0)?));
            } else {
                return Ok(clauses);
            }
        }
    }

    /// `{ … }`: Starlark's dictionary, or Scala's block or function.
    pub(super) fn brace(&mut self) -> Parsed<Expr> {
        if self.looks_like_dict() {
            return self.dict();
        }
        let start = self.expect("{")?.span.start;
        self.nested(true, |parser| {
            if parser.eat("case") {
                let pattern = parser.simple_pattern()?;
                parser.expect("=>")?;
                let body = parser.statements_to_brace()?;
                return parser.lambda_node(vec![pattern], body, start);
            }
            if parser.begins_lambda() {
                let params = parser.lambda_params()?;
                parser.expect("=>")?;
                let body = parser.statements_to_brace()?;
                return parser.lambda_node(params, body, start);
            }
            let mut body = parser.statements_to_brace()?;
            let span = Span::new(start, parser.last_end());
            if let [Stmt::Expr(expr)] = body.as_mut_slice() {
                let (kind, depth) = (ExprKind::Paren(Box::new(expr.clone())), expr.depth);
                return if matches!(expr.kind, ExprKind::Lambda(_)) {
                    Ok(expr.clone())
                } else {
                    parser.node(kind, span, depth)
                };
            }
            let depth = body.iter().map(stmt_depth).max().unwrap_or(0);
            parser.node(ExprKind::Block(body), span, depth)
        })
    }

    /// Whether the brace here opens a dictionary: decided by the signs between it and its closing brace, without parsing twice.
    fn looks_like_dict(&self) -> bool {
        let mut depth = 0_usize;
        let mut colon = false;
        let mut index = 1;
        while let Some(token) = self.peek_at(index) {
            index += 1;
            if token.kind != Kind::Op {
                continue;
            }
            match self.text(token) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" if depth == 0 => return colon || index == 2,
                ")" | "]" | "}" => depth -= 1,
                "=>" | "=" | ";" if depth == 0 => return false,
                "," if depth == 0 => return colon,
                ":" if depth == 0 => colon = true,
                _ => {}
            }
        }
        false
    }

    fn dict(&mut self) -> Parsed<Expr> {
        let start = self.expect("{")?.span.start;
        let kind = self.nested(false, |parser| {
            let mut entries = Vec::new();
            while !parser.next_is("}") {
                let key = parser.expression()?;
                parser.expect(":")?;
                let value = parser.expression()?;
                if entries.is_empty() && parser.next_is("for") {
                    let clauses = parser.clauses()?;
                    parser.expect("}")?;
                    return Ok(ExprKind::Comprehension {
                        open: '{',
                        key: Box::new(key),
                        value: Some(Box::new(value)),
                        clauses,
                    });
                }
                entries.push((key, value));
                if !parser.eat(",") {
                    break;
                }
            }
            parser.expect("}")?;
            Ok(ExprKind::Dict(entries))
        })?;
        let span = Span::new(start, self.last_end());
        let depth = kind_depth(&kind);
        self.node(kind, span, depth)
    }
}
