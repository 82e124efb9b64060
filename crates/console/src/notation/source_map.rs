//! Text under construction that remembers where in the user's script each part of it comes from.
//!
//! Invariant: marks are in ascending order of the written text and do not overlap.

use super::token::Span;

/// A part of the written text and its place in the script.
#[derive(Debug, Clone, Copy)]
struct Mark {
    written: Span,
    script: Span,
    /// Copied byte for byte: places inside it map exactly.
    copied: bool,
}

/// Written text with its marks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Written {
    text: String,
    marks: Vec<Mark>,
}

impl Written {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Adds text that has no counterpart in the script.
    pub(crate) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Adds text that stands for `script`.
    pub(crate) fn push_for(&mut self, text: &str, script: Span) {
        let start = self.text.len();
        self.text.push_str(text);
        self.marks.push(Mark { written: Span::new(start, self.text.len()), script, copied: false });
    }

    /// Copies a part of the script.
    pub(crate) fn copy(&mut self, source: &str, script: Span) {
        let start = self.text.len();
        self.text.push_str(&source[script.start..script.end]);
        self.marks.push(Mark { written: Span::new(start, self.text.len()), script, copied: true });
    }

    pub(crate) fn append(&mut self, other: &Self) {
        let offset = self.text.len();
        self.text.push_str(&other.text);
        self.marks.extend(other.marks.iter().map(|mark| Mark {
            written: Span::new(mark.written.start + offset, mark.written.end + offset),
            ..*mark
        }));
    }

    /// The part of the script that a part of the written text stands for.
    pub(crate) fn script_span(&self, written: Span) -> Option<Span> {
        let first = self.marks.partition_point(|mark| mark.written.end <= written.start);
        let mut covered = self.marks[first.min(self.marks.len())..]
            .iter()
            .take_while(|mark| mark.written.start < written.end.max(written.start + 1))
            .map(|mark| mark.part(written));
        let Some(start) = covered.next() else {
            // Nothing inside: the nearest mark before, else the first.
            let nearest = first
                .checked_sub(1)
                .and_then(|index| self.marks.get(index))
                .or_else(|| self.marks.first())?;
            return Some(Span::new(nearest.script.end, nearest.script.end));
        };
        Some(covered.fold(start, Span::to))
    }
}

impl Mark {
    fn part(&self, wanted: Span) -> Span {
        if !self.copied {
            return self.script;
        }
        let start = self.script.start + wanted.start.saturating_sub(self.written.start);
        let end = self.script.end - self.written.end.saturating_sub(wanted.end);
        Span::new(start.min(self.script.end), end.max(start.min(self.script.end)))
    }
}

#[cfg(test)]
mod tests {
    use super::Written;
    use crate::notation::token::Span;

    #[test]
    fn a_place_in_copied_text_maps_exactly() {
        let mut written = Written::default();
        written.push("xx");
        written.copy("0123456789", Span::new(4, 8));
        assert_eq!(written.script_span(Span::new(3, 5)), Some(Span::new(5, 7)));
    }

    #[test]
    fn a_place_in_made_text_maps_to_the_nearest_before() {
        let mut written = Written::default();
        written.copy("0123456789", Span::new(0, 2));
        written.push("____");
        assert_eq!(written.script_span(Span::new(3, 4)), Some(Span::new(2, 2)));
    }

    #[test]
    fn a_span_over_several_parts_covers_them_all() {
        let mut written = Written::default();
        written.copy("0123456789", Span::new(6, 8));
        written.push("(");
        written.push_for("long", Span::new(1, 2));
        assert_eq!(written.script_span(Span::new(0, 7)), Some(Span::new(1, 8)));
    }
}
