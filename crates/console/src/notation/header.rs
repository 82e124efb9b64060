//! Headers of Starlark's blocks whose expression uses the manual's notation: `for p in participants.all.filter(_.name != "x"):`.

use super::emit::{Emitter, Reading};
use super::parser::{Parsed, Parser};
use super::source_map::Written;
use super::token::{Span, Token};

/// Writes `for x in …:`, `if …:` or `elif …:` anew.
pub(super) fn rewrite(
    source: &str,
    tokens: &[Token],
    emitter: &mut Emitter<'_>,
    indent: &str,
    valid: bool,
) -> Parsed<Written> {
    let mut parser = Parser::new(source, tokens);
    let word = parser.identifier("a block")?;
    let mut head = Written::default();
    head.push(indent);
    head.copy(source, word.span);
    head.push(" ");
    if parser.text(word) == "for" {
        let start = parser.last_end();
        while !parser.next_is("in") {
            if parser.advance().is_none() {
                return Err(parser.unexpected("in"));
            }
        }
        head.copy(source, Span::new(start, parser.last_end()));
        head.push(" in ");
        parser.expect("in")?;
    }
    let value = parser.nested(false, Parser::bounded_expression)?;
    parser.expect(":")?;
    if parser.peek().is_some() {
        return Err(parser.unexpected("the end of the line"));
    }
    let reading = if valid { Reading::Starlark } else { Reading::Scala };
    let (mut out, value) = emitter.header(&value, indent, reading)?;
    out.append(&head);
    out.append(&value);
    out.push(":\n");
    Ok(out)
}
