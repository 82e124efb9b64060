//! Characters to tokens, lazily.
//!
//! Not the grammar: any sequence of tokens comes out, and a text that cannot be one comes out as
//! [`Tok::Problem`], for the parser to report where it meets it. Which characters end an unquoted string, what counts
//! as whitespace and what as a number follows Lightbend's tokenizer
//! (<https://github.com/lightbend/config/blob/v1.4.3/HOCON.md#unquoted-strings>).

use std::collections::VecDeque;
use std::rc::Rc;

use crate::budget::Meter;
use crate::error::Error;
use crate::java;
use crate::origin::Origin;
use crate::value::Number;

/// All tokens of a text, without its end.
pub(crate) fn all(text: &str, origin: &Origin, meter: &Meter) -> Result<Vec<Token>, Error> {
    let mut tokenizer = Tokenizer::new(text, origin.clone(), Comments::Allowed, meter);
    let mut tokens = Vec::new();
    loop {
        let token = tokenizer.next_token()?;
        if matches!(token.tok, Tok::End) {
            return Ok(tokens);
        }
        tokens.push(token);
    }
}

/// A literal that is complete in one token.
#[derive(Clone, Debug)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Number(Number),
    /// Quoted, by one or by three quotes.
    String(Rc<str>),
}

impl Scalar {
    /// What it contributes to a text.
    pub(crate) fn text(&self) -> &str {
        match self {
            Self::Null => "null",
            Self::Bool(true) => "true",
            Self::Bool(false) => "false",
            Self::Number(number) => number.text(),
            Self::String(text) => text,
        }
    }
}

/// What a token is.
#[derive(Clone, Debug)]
pub(crate) enum Tok {
    Comma,
    Equals,
    Colon,
    PlusEquals,
    OpenCurly,
    CloseCurly,
    OpenSquare,
    CloseSquare,
    Newline,
    Comment,
    /// Whitespace that separates and is not part of a string.
    Whitespace,
    /// Unquoted text; also whitespace between two simple values, which is part of their concatenation.
    Unquoted(Rc<str>),
    Scalar(Scalar),
    Substitution {
        optional: bool,
        expression: Rc<[Token]>,
    },
    /// Not a token: what is wrong.
    Problem(Rc<str>),
    End,
}

impl Tok {
    /// Whether whitespace on both sides of it may be part of a string.
    fn is_simple_value(&self) -> bool {
        matches!(self, Self::Unquoted(_) | Self::Scalar(_) | Self::Substitution { .. })
    }

    /// What it is called in messages. Never its content: a value may be a password.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Comma => "','".to_owned(),
            Self::Equals => "'='".to_owned(),
            Self::Colon => "':'".to_owned(),
            Self::PlusEquals => "'+='".to_owned(),
            Self::OpenCurly => "'{'".to_owned(),
            Self::CloseCurly => "'}'".to_owned(),
            Self::OpenSquare => "'['".to_owned(),
            Self::CloseSquare => "']'".to_owned(),
            Self::Newline => "the end of the line".to_owned(),
            Self::Comment => "a comment".to_owned(),
            Self::Whitespace => "whitespace".to_owned(),
            Self::Unquoted(_) => "unquoted text".to_owned(),
            Self::Scalar(Scalar::Null) => "'null'".to_owned(),
            Self::Scalar(Scalar::Bool(_)) => "a boolean".to_owned(),
            Self::Scalar(Scalar::Number(_)) => "a number".to_owned(),
            Self::Scalar(Scalar::String(_)) => "a quoted string".to_owned(),
            Self::Substitution { .. } => "a substitution".to_owned(),
            Self::Problem(problem) => problem.to_string(),
            Self::End => "the end of the text".to_owned(),
        }
    }
}

/// A token and where it starts.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) tok: Tok,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// What a text does not have: `Comments::Forbidden` is JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comments {
    Allowed,
    Forbidden,
}

const NUMBER_CHARS: &str = "0123456789eE+-.";
const RESERVED: &str = "$\"{}[]:=,+#`^?!@*&\\";

/// Remembers whitespace until it is known what comes after it.
#[derive(Default)]
struct Gap {
    text: String,
    line: u32,
    column: u32,
    after_simple_value: bool,
}

impl Gap {
    /// The whitespace token before `next`, if there was whitespace.
    fn close(&mut self, next: &Tok) -> Option<Token> {
        let joins = self.after_simple_value && next.is_simple_value();
        self.after_simple_value = next.is_simple_value();
        if self.text.is_empty() {
            return None;
        }
        let text = std::mem::take(&mut self.text);
        let tok = if joins { Tok::Unquoted(text.into()) } else { Tok::Whitespace };
        Some(Token { tok, line: self.line, column: self.column })
    }
}

/// A problem inside a token, on its way to [`Tok::Problem`]; or the end of the budget.
enum Fault {
    Problem(String),
    Budget(Error),
}

/// The tokens of one text.
pub(crate) struct Tokenizer<'a> {
    rest: std::str::Chars<'a>,
    line: u32,
    column: u32,
    /// Where the token that is being pulled starts.
    start: (u32, u32),
    comments: Comments,
    gap: Gap,
    queue: VecDeque<Token>,
    origin: Origin,
    meter: &'a Meter,
    depth: usize,
    done: bool,
}

impl<'a> Tokenizer<'a> {
    pub(crate) fn new(text: &'a str, origin: Origin, comments: Comments, meter: &'a Meter) -> Self {
        Self {
            rest: text.chars(),
            line: 1,
            column: 1,
            start: (1, 1),
            comments,
            gap: Gap::default(),
            queue: VecDeque::new(),
            origin,
            meter,
            depth: 0,
            done: false,
        }
    }

    /// The next token; [`Tok::End`] for ever once there is none.
    pub(crate) fn next_token(&mut self) -> Result<Token, Error> {
        if let Some(token) = self.queue.pop_front() {
            return Ok(token);
        }
        if self.done {
            return Ok(Token { tok: Tok::End, line: self.line, column: self.column });
        }
        let mut gap = std::mem::take(&mut self.gap);
        let token = match self.pull(&mut gap) {
            Ok(token) => token,
            Err(Fault::Budget(error)) => return Err(error),
            Err(Fault::Problem(problem)) => {
                self.done = true;
                let (line, column) = self.start;
                return Ok(Token { tok: Tok::Problem(problem.into()), line, column });
            }
        };
        self.done = matches!(token.tok, Tok::End);
        let space = gap.close(&token.tok);
        self.gap = gap;
        Ok(match space {
            Some(space) => {
                self.queue.push_back(token);
                space
            }
            None => token,
        })
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            self.line = self.line.saturating_add(1);
            self.column = 1;
        } else {
            self.column = self.column.saturating_add(1);
        }
        Some(c)
    }

    /// Whether a comment starts here.
    fn at_comment(&self) -> bool {
        if self.comments == Comments::Forbidden {
            return false;
        }
        let mut rest = self.rest.clone();
        match rest.next() {
            Some('#') => true,
            Some('/') => rest.next() == Some('/'),
            _ => false,
        }
    }

    fn pull(&mut self, gap: &mut Gap) -> Result<Token, Fault> {
        while let Some(c) = self.peek().filter(|c| *c != '\n' && java::is_whitespace(*c)) {
            if gap.text.is_empty() {
                (gap.line, gap.column) = (self.line, self.column);
            }
            gap.text.push(c);
            self.bump();
        }
        let (line, column) = (self.line, self.column);
        self.start = (line, column);
        let token = |tok| Token { tok, line, column };
        if self.at_comment() {
            while self.peek().is_some_and(|c| c != '\n') {
                self.bump();
            }
            return Ok(token(Tok::Comment));
        }
        let Some(c) = self.peek() else { return Ok(token(Tok::End)) };
        let tok = match c {
            '\n' => Tok::Newline,
            ':' => Tok::Colon,
            ',' => Tok::Comma,
            '=' => Tok::Equals,
            '{' => Tok::OpenCurly,
            '}' => Tok::CloseCurly,
            '[' => Tok::OpenSquare,
            ']' => Tok::CloseSquare,
            '"' => {
                self.bump();
                return Ok(token(Tok::Scalar(Scalar::String(self.quoted()?.into()))));
            }
            '$' => {
                self.bump();
                return Ok(token(self.substitution()?));
            }
            '+' => {
                self.bump();
                if self.peek() != Some('=') {
                    return Err(Fault::Problem("a '+' that no '=' follows (put it in quotes)".to_owned()));
                }
                Tok::PlusEquals
            }
            '0'..='9' | '-' => return Ok(token(self.number()?)),
            _ if RESERVED.contains(c) => {
                return Err(Fault::Problem(format!("the reserved character '{c}' (put it in quotes)")));
            }
            _ => return Ok(token(self.unquoted())),
        };
        self.bump();
        Ok(token(tok))
    }

    fn unquoted(&mut self) -> Tok {
        let mut text = String::new();
        while let Some(c) = self.peek() {
            if RESERVED.contains(c) || java::is_whitespace(c) || self.at_comment() {
                break;
            }
            text.push(c);
            self.bump();
            // A text that starts with one of these words is the word, whatever follows.
            match text.as_str() {
                "true" => return Tok::Scalar(Scalar::Bool(true)),
                "false" => return Tok::Scalar(Scalar::Bool(false)),
                "null" => return Tok::Scalar(Scalar::Null),
                _ => {}
            }
        }
        Tok::Unquoted(text.into())
    }

    fn number(&mut self) -> Result<Tok, Fault> {
        let mut text = String::new();
        while let Some(c) = self.peek().filter(|c| text.is_empty() || NUMBER_CHARS.contains(*c)) {
            text.push(c);
            self.bump();
        }
        let number = if text.contains(['.', 'e', 'E']) {
            text.parse::<f64>().ok().map(|value| Number::double(value, &text))
        } else {
            text.parse::<i64>().ok().map(|value| Number::long(value, &text))
        };
        match number {
            Some(number) => Ok(Tok::Scalar(Scalar::Number(number))),
            None if text.contains('+') => {
                Err(Fault::Problem("the reserved character '+' (put it in quotes)".to_owned()))
            }
            None => Ok(Tok::Unquoted(text.into())),
        }
    }

    fn substitution(&mut self) -> Result<Tok, Fault> {
        let origin = self.origin.at(self.line, self.column.saturating_sub(1));
        if self.bump() != Some('{') {
            return Err(Fault::Problem("a '$' that no '{' follows (put it in quotes)".to_owned()));
        }
        let optional = self.peek() == Some('?');
        if optional {
            self.bump();
        }
        self.depth += 1;
        self.meter.nesting(self.depth, &origin).map_err(Fault::Budget)?;
        let mut gap = Gap::default();
        let mut expression = Vec::new();
        loop {
            let token = self.pull(&mut gap)?;
            match token.tok {
                Tok::CloseCurly => break,
                Tok::End => {
                    return Err(Fault::Problem("a substitution that is not closed (add a '}')".to_owned()));
                }
                _ => {
                    expression.extend(gap.close(&token.tok));
                    expression.push(token);
                }
            }
        }
        self.depth -= 1;
        Ok(Tok::Substitution { optional, expression: expression.into() })
    }

    /// A string whose opening quote is consumed.
    fn quoted(&mut self) -> Result<String, Fault> {
        let mut text = java::Utf16Builder::default();
        loop {
            match self.peek() {
                None => return Err(Fault::Problem("a string that is not closed (add a '\"')".to_owned())),
                Some('"') => break,
                Some('\\') => {
                    self.bump();
                    self.escape(&mut text)?;
                }
                Some(c) if c < ' ' => {
                    return Err(Fault::Problem(format!(
                        "{} in a quoted string (use an escape, or three quotes)",
                        if c == '\n' { "the end of the line" } else { "a control character" }
                    )));
                }
                Some(c) => {
                    self.bump();
                    text.push(c);
                }
            }
        }
        self.bump();
        let text = text.finish();
        if text.is_empty() && self.peek() == Some('"') {
            self.bump();
            return self.triple_quoted();
        }
        Ok(text)
    }

    fn escape(&mut self, text: &mut java::Utf16Builder) -> Result<(), Fault> {
        let Some(c) = self.bump() else {
            return Err(Fault::Problem("a string that ends after a backslash".to_owned()));
        };
        text.push(match c {
            '"' | '\\' | '/' => c,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let digits: Vec<char> = (0..4).map_while(|_| self.bump()).collect();
                let digits: String = digits.into_iter().collect();
                let unit = java::parse_int(&digits, 16)
                    .filter(|_| digits.chars().count() == 4)
                    .and_then(|value| u16::try_from(value).ok())
                    .ok_or_else(|| Fault::Problem("a \\u that no four hex digits follow".to_owned()))?;
                text.push_unit(unit);
                return Ok(());
            }
            _ => {
                return Err(Fault::Problem(
                    "an unknown escape in a string (a backslash itself is written \\\\)".to_owned(),
                ));
            }
        });
        Ok(())
    }

    /// A string whose three opening quotes are consumed. Quotes before the last three belong to it.
    fn triple_quoted(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        let mut quotes = 0;
        loop {
            match self.peek() {
                Some('"') => quotes += 1,
                _ if quotes >= 3 => {
                    text.truncate(text.len() - 3);
                    return Ok(text);
                }
                None => {
                    return Err(Fault::Problem("a string that is not closed (add three '\"')".to_owned()));
                }
                Some(_) => quotes = 0,
            }
            text.extend(self.bump());
        }
    }
}
