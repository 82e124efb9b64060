//! Tokens of script text: a lexer that understands Starlark's and Scala's lexical forms at once.
//!
//! It is not a validator: what it cannot read becomes a [`Kind::Bad`] token which the parser reports. Invariant: tokens are in
//! order, never overlap, and their spans are character boundaries of the source.
//! Source: <https://github.com/bazelbuild/starlark/blob/master/spec.md#lexical-elements> and
//! <https://www.scala-lang.org/files/archive/spec/2.13/01-lexical-syntax.html>.

/// A range of bytes in the script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    pub(crate) fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Ident,
    Number,
    /// A string literal; `prefixed` when letters such as `r` stand before it.
    Str {
        prefixed: bool,
    },
    /// A Scala string with interpolation: `s"…"`.
    Interp,
    Op,
    Bad(&'static str),
}

/// One token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
    /// Whether a line ends between the token before and this one.
    pub(crate) newline_before: bool,
}

/// What `//` is: Starlark's floor division or Scala's comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slashes {
    Comment,
    Operator,
}

/// The longest first.
const OPERATORS: &[&str] = &[
    "//=", ">>=", "<<=", "...", "**", "->", "=>", "<-", "==", "!=", "<=", ">=", "&&", "||", "+=", "-=", "*=",
    "/=", "%=", "|=", "&=", "^=", "//", "<<", ">>", "::", "++", ":+", "+:", "(", ")", "[", "]", "{", "}",
    ",", ".", ":", ";", "=", "<", ">", "+", "-", "*", "/", "%", "&", "|", "^", "~", "!", "?", "@",
];

const UNTERMINATED_STRING: &str = "this text is not closed: its closing quote is missing";
const UNTERMINATED_COMMENT: &str = "this comment is not closed: `*/` is missing";

/// The tokens of `source[from..to]`.
pub(crate) fn tokenize(source: &str, from: usize, to: usize, slashes: Slashes) -> Vec<Token> {
    let mut lexer =
        Lexer { source, bytes: source.as_bytes(), at: from, to, slashes, newline: true, tokens: Vec::new() };
    lexer.run();
    lexer.tokens
}

struct Lexer<'a> {
    source: &'a str,
    bytes: &'a [u8],
    at: usize,
    to: usize,
    slashes: Slashes,
    newline: bool,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn run(&mut self) {
        while self.at < self.to {
            let byte = self.bytes[self.at];
            match byte {
                b'\n' => {
                    self.newline = true;
                    self.at += 1;
                }
                b' ' | b'\t' | b'\r' => self.at += 1,
                // A byte order mark.
                0xef if self.at == 0 && self.peek(1) == Some(0xbb) && self.peek(2) == Some(0xbf) => {
                    self.at += 3
                }
                b'\\' if matches!(self.peek(1), Some(b'\n')) => self.at += 2,
                b'\\' if self.peek(1) == Some(b'\r') && self.peek(2) == Some(b'\n') => self.at += 3,
                b'#' => self.skip_line(),
                b'/' if self.peek(1) == Some(b'/') && self.slashes == Slashes::Comment => self.skip_line(),
                b'/' if self.peek(1) == Some(b'*') => self.block_comment(),
                b'"' | b'\'' => self.string(self.at),
                b'0'..=b'9' => self.number(),
                b'_' | b'a'..=b'z' | b'A'..=b'Z' => self.word(),
                _ => self.operator(),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<u8> {
        let at = self.at + ahead;
        (at < self.to).then(|| self.bytes[at])
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) {
        self.tokens.push(Token { kind, span: Span::new(start, end), newline_before: self.newline });
        self.newline = false;
        self.at = end;
    }

    fn skip_line(&mut self) {
        while self.at < self.to && self.bytes[self.at] != b'\n' {
            self.at += 1;
        }
    }

    fn block_comment(&mut self) {
        let start = self.at;
        let mut depth = 0_usize;
        while self.at < self.to {
            if self.bytes[self.at] == b'/' && self.peek(1) == Some(b'*') {
                depth += 1;
                self.at += 2;
            } else if self.bytes[self.at] == b'*' && self.peek(1) == Some(b'/') {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return;
                }
            } else {
                if self.bytes[self.at] == b'\n' {
                    self.newline = true;
                }
                self.at += 1;
            }
        }
        self.push(Kind::Bad(UNTERMINATED_COMMENT), start, self.to);
    }

    fn number(&mut self) {
        let start = self.at;
        let mut end = self.at + 1;
        let digits =
            |at: usize| at < self.to && (self.bytes[at].is_ascii_alphanumeric() || self.bytes[at] == b'_');
        while digits(end) {
            end += 1;
        }
        // `1.5` is one number, `10.seconds` is a number and an attribute.
        if end + 1 < self.to && self.bytes[end] == b'.' && self.bytes[end + 1].is_ascii_digit() {
            end += 1;
            while digits(end) {
                end += 1;
            }
        }
        let exponent =
            matches!(self.bytes[end - 1], b'e' | b'E') && !self.source[start..end].starts_with("0x");
        if exponent
            && end + 1 < self.to
            && matches!(self.bytes[end], b'+' | b'-')
            && self.bytes[end + 1].is_ascii_digit()
        {
            end += 1;
            while digits(end) {
                end += 1;
            }
        }
        self.push(Kind::Number, start, end);
    }

    fn word(&mut self) {
        let start = self.at;
        let mut end = self.at;
        while end < self.to && (self.bytes[end].is_ascii_alphanumeric() || self.bytes[end] == b'_') {
            end += 1;
        }
        let quote = (end < self.to).then(|| self.bytes[end]);
        match (&self.source[start..end], quote) {
            ("s", Some(b'"')) => self.interpolated(start, end),
            ("r" | "b" | "rb" | "br" | "f" | "fr" | "rf", Some(b'"' | b'\'')) => {
                self.at = end;
                self.string(start);
            }
            _ => self.push(Kind::Ident, start, end),
        }
    }

    /// A string whose opening quote is at `self.at`; the token begins at `start`.
    fn string(&mut self, start: usize) {
        let quote = self.bytes[self.at];
        let prefixed = start != self.at;
        let triple = self.peek(1) == Some(quote) && self.peek(2) == Some(quote);
        let mut at = self.at + if triple { 3 } else { 1 };
        while at < self.to {
            let byte = self.bytes[at];
            if byte == b'\\' {
                at += 2;
            } else if byte == b'\n' && !triple {
                break;
            } else if byte == quote && !triple {
                return self.push(Kind::Str { prefixed }, start, at + 1);
            } else if triple && self.closes(at, quote) {
                return self.push(Kind::Str { prefixed }, start, at + 3);
            } else {
                at += 1;
            }
        }
        let end = self.boundary(at.min(self.to));
        self.push(Kind::Bad(UNTERMINATED_STRING), start, end);
    }

    fn closes(&self, at: usize, quote: u8) -> bool {
        at + 2 < self.to && self.bytes[at..at + 3].iter().all(|byte| *byte == quote)
    }

    fn interpolated(&mut self, start: usize, quote_at: usize) {
        let triple =
            quote_at + 2 < self.to && self.bytes[quote_at + 1] == b'"' && self.bytes[quote_at + 2] == b'"';
        let mut at = quote_at + if triple { 3 } else { 1 };
        let mut depth = 0_usize;
        while at < self.to {
            let byte = self.bytes[at];
            match byte {
                b'\\' if depth == 0 && !triple => at += 2,
                b'$' if depth == 0 && at + 1 < self.to && self.bytes[at + 1] == b'{' => {
                    depth = 1;
                    at += 2;
                }
                b'$' if depth == 0 && at + 1 < self.to && self.bytes[at + 1] == b'$' => at += 2,
                b'{' if depth > 0 => {
                    depth += 1;
                    at += 1;
                }
                b'}' if depth > 0 => {
                    depth -= 1;
                    at += 1;
                }
                b'"' if depth > 0 => at = self.skip_inner_string(at),
                b'\n' if !triple => break,
                b'"' if !triple => return self.push(Kind::Interp, start, at + 1),
                b'"' if self.closes(at, b'"') => return self.push(Kind::Interp, start, at + 3),
                _ => at += 1,
            }
        }
        let end = self.boundary(at.min(self.to));
        self.push(Kind::Bad(UNTERMINATED_STRING), start, end);
    }

    fn skip_inner_string(&self, quote_at: usize) -> usize {
        let mut at = quote_at + 1;
        while at < self.to {
            match self.bytes[at] {
                b'\\' => at += 2,
                b'"' => return at + 1,
                b'\n' => return at,
                _ => at += 1,
            }
        }
        self.to
    }

    fn operator(&mut self) {
        let rest = &self.source[self.at..self.to];
        if let Some(operator) = OPERATORS.iter().find(|operator| rest.starts_with(**operator)) {
            return self.push(Kind::Op, self.at, self.at + operator.len());
        }
        let width = rest.chars().next().map_or(1, char::len_utf8);
        self.push(Kind::Bad("this character has no meaning here"), self.at, self.at + width);
    }

    fn boundary(&self, mut at: usize) -> usize {
        while at < self.source.len() && !self.source.is_char_boundary(at) {
            at += 1;
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::{Kind, Slashes, tokenize};

    fn texts(source: &str, slashes: Slashes) -> Vec<&str> {
        tokenize(source, 0, source.len(), slashes)
            .iter()
            .map(|token| &source[token.span.start..token.span.end])
            .collect()
    }

    #[test]
    fn two_slashes_are_a_comment_or_an_operator() {
        assert_eq!(texts("a // b", Slashes::Comment), ["a"]);
        assert_eq!(texts("a // b", Slashes::Operator), ["a", "//", "b"]);
    }

    #[test]
    fn numbers_end_before_an_attribute() {
        assert_eq!(
            texts("10.seconds 1.5 0x1F 1e-3", Slashes::Comment),
            ["10", ".", "seconds", "1.5", "0x1F", "1e-3"]
        );
    }

    #[test]
    fn interpolation_holds_expressions_with_quotes() {
        assert_eq!(texts(r#"s"a ${f("}")} $$ b" c"#, Slashes::Comment), [r#"s"a ${f("}")} $$ b""#, "c"]);
    }

    #[test]
    fn unclosed_text_ends_at_its_line() {
        let tokens = tokenize("\"ab\nx", 0, 5, Slashes::Comment);
        assert!(matches!(tokens[0].kind, Kind::Bad(_)));
        assert!(tokens[1].newline_before);
    }

    #[test]
    fn comments_nest_and_keep_line_ends() {
        let tokens = tokenize("a /* x /* y */\n */ b", 0, 20, Slashes::Comment);
        assert_eq!(tokens.len(), 2);
        assert!(tokens[1].newline_before);
    }
}
