//! Matching with `*` and `?`, in time bounded by the product of the lengths.

/// Whether the text matches. Case matters.
pub(crate) fn matches(pattern: &str, text: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        return pattern == text;
    }
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at_pattern, mut at_text) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while at_text < text.len() {
        match pattern.get(at_pattern) {
            Some('*') => {
                retry = Some((at_pattern + 1, at_text));
                at_pattern += 1;
            }
            Some(expected) if *expected == '?' || *expected == text[at_text] => {
                at_pattern += 1;
                at_text += 1;
            }
            _ => match retry {
                Some((after_star, from)) => {
                    at_pattern = after_star;
                    at_text = from + 1;
                    retry = Some((after_star, from + 1));
                }
                None => return false,
            },
        }
    }
    pattern[at_pattern..].iter().all(|rest| *rest == '*')
}

/// Whether the text matches, upper and lower case being the same (ASCII): actions and condition keys.
pub(crate) fn matches_ignoring_case(pattern: &str, text: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        return pattern.eq_ignore_ascii_case(text);
    }
    matches(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_as_iam_does() {
        assert!(matches("*", ""));
        assert!(matches("kms:*", "kms:Sign"));
        assert!(matches("arn:aws:kms:*:1?3:key/*", "arn:aws:kms:us-east-1:123:key/abc"));
        assert!(matches("*a*b", "xxaxxab"));
        assert!(!matches("kms:Sign", "kms:Signs"));
        assert!(!matches("?", ""));
        assert!(!matches("a*b", "ac"));
        assert!(matches_ignoring_case("KMS:sign*", "kms:SignAll"));
    }

    #[test]
    fn many_stars_do_not_take_for_ever() {
        let pattern = "*a".repeat(200);
        let text = "a".repeat(4000) + "b";
        assert!(!matches(&pattern, &text));
    }
}
