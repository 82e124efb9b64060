//! The tree of a statement in the manual's notation.
//!
//! It holds what is needed to write the same thing in Starlark, not all of Scala. Invariant: every node knows its span in the
//! user's text, so that an error in the Starlark written from it can be shown there.

use super::token::Span;

/// An expression and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Span,
    /// How deep the tree below is; bounded by the parser.
    pub(crate) depth: usize,
}

/// What an expression is.
#[derive(Debug, Clone)]
pub(crate) enum ExprKind {
    /// A name of the script, or a literal that both languages read alike.
    Verbatim,
    /// A name made here for `_`.
    Made(String),
    /// `true`, `false`, `null`.
    Constant(&'static str),
    /// A text that has to be written anew.
    Text(String),
    Interpolation(Vec<Piece>),
    Tuple(Vec<Expr>),
    Paren(Box<Expr>),
    List(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Comprehension {
        open: char,
        key: Box<Expr>,
        value: Option<Box<Expr>>,
        clauses: Vec<Clause>,
    },
    Attr(Box<Expr>, Span),
    Call(Box<Expr>, Vec<Arg>),
    Index(Box<Expr>, Box<Expr>),
    Slice(Box<Expr>, Vec<Option<Expr>>),
    Unary(&'static str, Box<Expr>),
    Binary(&'static str, Box<Expr>, Box<Expr>),
    /// `a -> b`.
    Pair(Box<Expr>, Box<Expr>),
    IfElse {
        condition: Box<Expr>,
        then: Box<Expr>,
        other: Box<Expr>,
    },
    Lambda(Box<Lambda>),
    /// Starlark's `lambda a, b: body`; the parameters are copied.
    StarlarkLambda(Span, Box<Expr>),
    Block(Vec<Stmt>),
}

/// A piece of `s"…"`.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Text(String),
    Value(Expr),
}

/// `for x in xs` or `if c` of a comprehension.
#[derive(Debug, Clone)]
pub(crate) enum Clause {
    For(Span, Expr),
    If(Expr),
}

/// An argument of a call.
#[derive(Debug, Clone)]
pub(crate) enum Arg {
    Positional(Expr),
    Named(Span, Expr),
    Star(Expr),
    StarStar(Expr),
}

/// `x => body`.
#[derive(Debug, Clone)]
pub(crate) struct Lambda {
    pub(crate) params: Vec<Pattern>,
    pub(crate) body: Vec<Stmt>,
}

/// What stands left of `=` or `=>`.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    Name(Span),
    Made(String),
    Ignored,
    Tuple(Vec<Pattern>),
}

/// A statement.
#[derive(Debug, Clone)]
pub(crate) enum Stmt {
    Val { pattern: Pattern, value: Expr },
    Assign { target: Expr, operator: Span, value: Expr },
    Expr(Expr),
    If { condition: Expr, then: Vec<Stmt>, other: Option<Vec<Stmt>> },
    Nothing,
}
