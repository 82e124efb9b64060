//! Statements of the manual's notation: `val`, assignment, `if`/`else` with blocks, expressions; and the words of Scala that are
//! refused, each with what to write instead.

use super::error::NotationError;
use super::parser::{Parsed, Parser};
use super::syntax::{ExprKind, Pattern, Stmt};
use super::token::{Kind, Span};

/// Words that begin a statement of Scala which has another spelling here.
const FOREIGN: &[(&str, &str, &str)] = &[
    ("var", "`var`", "write `name = value`; a name can be assigned again"),
    ("def", "Scala's `def`", "write `def name(argument):` and the body indented below it, with `return`"),
    ("lazy", "`lazy val`", "write `val name = value`"),
    ("implicit", "`implicit`", "pass the value as an argument"),
    ("class", "`class`", "write `struct(name = value, …)`"),
    ("object", "`object`", "write `struct(name = value, …)`"),
    ("trait", "`trait`", "write `struct(name = value, …)`"),
    ("type", "`type`", "leave types out"),
    ("while", "`while`", "write `for attempt in range(100):` and `break`"),
    ("try", "`try`", "a failing command ends the script; there is nothing to catch it"),
    ("throw", "`throw`", "write `fail(\"why\")`"),
    ("do", "`do`", "write `for attempt in range(100):` and `break`"),
    ("yield", "`yield`", "write a list: `[f(x) for x in xs]`"),
];

/// The roots of packages whose imports mean nothing here, because their names are already known.
const KNOWN_PACKAGES: &[&str] = &["com", "scala", "java", "cats", "org", "better", "ammonite", "io"];

impl Parser<'_> {
    /// One statement; the cursor stands behind it, and behind a `;`.
    pub(crate) fn statement(&mut self) -> Parsed<Stmt> {
        let statement = self.deeper(Self::bare_statement)?;
        if !self.eat(";") && !self.at_line_end() && !self.next_is("}") {
            return Err(self.trailing());
        }
        Ok(statement)
    }

    fn bare_statement(&mut self) -> Parsed<Stmt> {
        let Some(token) = self.peek() else { return Ok(Stmt::Nothing) };
        if token.kind != Kind::Ident {
            return if self.eat(";") { Ok(Stmt::Nothing) } else { self.expression_statement() };
        }
        let word = self.text(token);
        match word {
            "val" => return self.val(),
            "import" => return self.import(),
            "if" if self.text_at(1) == "(" => return self.if_statement(),
            "case" if self.text_at(1) == "class" || self.text_at(1) == "object" => {
                return Err(foreign("`case class`", "write `struct(name = value, …)`", token.span));
            }
            "for" if matches!(self.text_at(1), "(" | "{") => {
                return Err(foreign(
                    "Scala's `for`",
                    "write `for x in xs:` and the body indented below it",
                    token.span,
                ));
            }
            _ => {}
        }
        let begins_statement = self
            .peek_at(1)
            .is_some_and(|next| next.kind == Kind::Ident || matches!(self.text_at(1), "{" | "("));
        if begins_statement
            && let Some((_, form, instead)) = FOREIGN.iter().find(|(foreign, ..)| *foreign == word)
        {
            return Err(foreign(form, instead, token.span));
        }
        self.expression_statement()
    }

    fn val(&mut self) -> Parsed<Stmt> {
        self.advance();
        let pattern = self.val_pattern()?;
        if self.eat(":") {
            self.skip_type("=")?;
        }
        self.expect("=")?;
        let value = self.bounded_expression()?;
        Ok(Stmt::Val { pattern, value })
    }

    fn val_pattern(&mut self) -> Parsed<Pattern> {
        let mut pattern = self.simple_pattern()?;
        while self.eat("->") {
            pattern = Pattern::Tuple(vec![pattern, self.simple_pattern()?]);
        }
        Ok(pattern)
    }

    /// A name, `_`, or a tuple of these.
    pub(super) fn simple_pattern(&mut self) -> Parsed<Pattern> {
        if self.next_is("(") {
            self.advance();
            let patterns = self.nested(false, |parser| {
                let mut patterns = vec![parser.val_pattern()?];
                while parser.eat(",") && !parser.next_is(")") {
                    patterns.push(parser.val_pattern()?);
                }
                parser.skip_ascription()?;
                parser.expect(")")?;
                Ok(patterns)
            })?;
            return Ok(match <[Pattern; 1]>::try_from(patterns) {
                Ok([pattern]) => pattern,
                Err(patterns) => Pattern::Tuple(patterns),
            });
        }
        let name = self.identifier("a name")?;
        if self.next_is_here("(") && matches!(self.text(name), "Seq" | "List" | "Vector") {
            self.advance();
            return self.nested(false, |parser| {
                let mut patterns = vec![parser.val_pattern()?];
                while parser.eat(",") && !parser.next_is(")") {
                    patterns.push(parser.val_pattern()?);
                }
                parser.expect(")")?;
                Ok(Pattern::Tuple(patterns))
            });
        }
        if self.next_is_here("(") {
            return Err(foreign(
                "a constructor pattern",
                "take the value apart by its attributes, such as `.get`",
                Span::new(name.span.start, self.last_end()),
            ));
        }
        Ok(if self.text(name) == "_" { Pattern::Ignored } else { Pattern::Name(name.span) })
    }

    fn skip_ascription(&mut self) -> Parsed<()> {
        if self.eat(":") { self.skip_type(")") } else { Ok(()) }
    }

    /// Skips a type up to (not including) `until` at the same bracket depth.
    pub(super) fn skip_type(&mut self, until: &'static str) -> Parsed<()> {
        let mut depth = 0_usize;
        loop {
            let Some(token) = self.peek() else { return Err(self.unexpected(until)) };
            let text = self.text(token);
            if depth == 0 && (text == until || text == ",") {
                return Ok(());
            }
            match text {
                "(" | "[" => depth += 1,
                ")" | "]" if depth > 0 => depth -= 1,
                "." | "," | "=>" | "_" => {}
                _ if token.kind == Kind::Ident => {}
                _ => return Err(self.unexpected(until)),
            }
            self.advance();
        }
    }

    fn import(&mut self) -> Parsed<Stmt> {
        let start = self.peek().map_or(0, |token| token.span.start);
        self.advance();
        let root = self.identifier("a package")?;
        if !KNOWN_PACKAGES.contains(&self.text(root)) || !self.next_is_here(".") {
            let span = Span::new(start, root.span.end);
            return Err(foreign(
                "this import",
                "leave it out: every name of the console is known already",
                span,
            ));
        }
        while !self.at_line_end() && !self.next_is(";") {
            if self.next_is("{") {
                let Some(closing) = self.closing(0) else { return Err(self.unexpected("}")) };
                self.rewind(self.consumed() + closing + 1);
            } else {
                self.advance();
            }
        }
        Ok(Stmt::Nothing)
    }

    fn if_statement(&mut self) -> Parsed<Stmt> {
        let start = self.consumed();
        self.advance();
        self.expect("(")?;
        let condition = self.nested(false, |parser| {
            let condition = parser.bounded_expression()?;
            parser.expect(")")?;
            Ok(condition)
        })?;
        let then = self.branch()?;
        let other = if self.eat("else") { Some(self.branch()?) } else { None };
        // `if (c) a else b` may also begin a longer expression: `if (c) a else b` is then its last operand, never its first.
        if !self.at_line_end() && !matches!(self.peek_text(), ";" | "}" | "else") {
            self.rewind(start);
            return self.expression_statement();
        }
        Ok(Stmt::If { condition, then, other })
    }

    fn branch(&mut self) -> Parsed<Vec<Stmt>> {
        if self.next_is("{") {
            return self.block();
        }
        let statement = self.deeper(Self::bare_statement)?;
        // `if (a) b; else c` is legal Scala.
        if self.next_is(";") && self.text_at(1) == "else" {
            self.advance();
        }
        Ok(vec![statement])
    }

    /// `{ statements }`; the cursor stands at the opening brace.
    pub(super) fn block(&mut self) -> Parsed<Vec<Stmt>> {
        self.expect("{")?;
        self.nested(true, |parser| parser.statements_to_brace())
    }

    pub(super) fn statements_to_brace(&mut self) -> Parsed<Vec<Stmt>> {
        let mut statements = Vec::new();
        loop {
            if self.eat("}") {
                return Ok(statements);
            }
            if self.peek().is_none() {
                return Err(self.unexpected("}"));
            }
            match self.statement()? {
                Stmt::Nothing => {}
                statement => statements.push(statement),
            }
        }
    }

    fn expression_statement(&mut self) -> Parsed<Stmt> {
        let target = self.bounded_expression()?;
        let Some(token) = self.peek().filter(|_| !self.at_line_end()) else { return Ok(Stmt::Expr(target)) };
        match self.text(token) {
            "=" | "+=" | "-=" | "*=" | "/=" | "%=" | "|=" | "&=" | "^=" if token.kind == Kind::Op => {
                let assignable = matches!(
                    target.kind,
                    ExprKind::Verbatim | ExprKind::Attr(..) | ExprKind::Index(..) | ExprKind::Tuple(..)
                );
                if !assignable {
                    return Err(NotationError::Expected {
                        expected: "a name left of `=`",
                        found: "an expression".to_owned(),
                        span: target.span,
                    });
                }
                self.advance();
                let value = self.bounded_expression()?;
                Ok(Stmt::Assign { target, operator: token.span, value })
            }
            _ => Ok(Stmt::Expr(target)),
        }
    }

    /// What stands where a statement should have ended.
    fn trailing(&self) -> NotationError {
        let Some(token) = self.peek() else { return self.unexpected("the end of the line") };
        match (token.kind, self.text(token)) {
            (Kind::Ident, "match") => foreign(
                "`match`",
                "write `if (…) … else …`, or Starlark's `if …:` with `elif` and `else`",
                token.span,
            ),
            (Kind::Ident, _) => foreign(
                "a method between its operands",
                "write it with a dot and parentheses: `a.method(b)`",
                token.span,
            ),
            (Kind::Op, "::" | ":+" | "+:") => foreign("this list operator", "write `[a] + b`", token.span),
            (Kind::Op, ":") => {
                foreign("a type here", "leave the type out, or write `val name: Type = value`", token.span)
            }
            (Kind::Op, "=>") => {
                foreign("a function here", "write it as an argument: `xs.map(x => …)`", token.span)
            }
            _ => self.unexpected("the end of the line"),
        }
    }
}

pub(super) fn foreign(form: &'static str, instead: &'static str, span: Span) -> NotationError {
    NotationError::Foreign { form, instead, span }
}
