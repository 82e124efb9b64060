//! `crypto.kms.custom-tags`: tags of new keys, by AWS's rules.
//!
//! Found here, a tag that AWS would refuse costs a line of configuration; found at CreateKey it costs a start.
//! Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_Tag.html>

use crate::cursor::Cursor;
use crate::fault::Problem;

/// Tags a key can have.
const PER_KEY: usize = 50;
/// Tags that Cantle sets itself, as `VaultOptions::tags` of `cantle-vault` does.
const OUR_NAMES: [&str; 5] = ["CreatedBy", "CantleNode", "CantleNodeKind", "CantlePurpose", "CantleCreation"];
const OURS: usize = OUR_NAMES.len();
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 256;
const PUNCTUATION: &str = "_.:/=+-@";

pub(crate) fn custom_tags(tags: &Cursor<'_>) -> Vec<(String, String)> {
    let entries = tags.entries();
    if entries.len() > PER_KEY - OURS {
        tags.fault(Problem::OutOfRange {
            value: format!("{} tags", entries.len()),
            expected: format!(
                "a key has at most {PER_KEY} and Cantle sets {OURS}, so write at most {}",
                PER_KEY - OURS
            ),
        });
    }
    let mut result = Vec::with_capacity(entries.len());
    for (key, cursor) in entries {
        let Some(value) = cursor.text() else { continue };
        if let Some(problem) = fault_of_key(key).or_else(|| fault_of_value(value)) {
            cursor.fault(problem);
        }
        if OUR_NAMES.contains(&key) {
            cursor
                .warn(format!("the tag {key} is Cantle's own and overwrites this one; rename or remove it"));
        }
        result.push((key.to_owned(), value.to_owned()));
    }
    result
}

fn fault_of_key(key: &str) -> Option<Problem> {
    let malformed = |expected: String| {
        Some(Problem::Malformed { value: crate::fault::shortened(key), expected, nearest: None })
    };
    if !(1..=LONGEST_KEY).contains(&key.chars().count()) {
        return malformed(format!("the key of a tag: 1 to {LONGEST_KEY} characters"));
    }
    if !key.chars().all(legal) {
        return malformed(format!("the key of a tag: letters, digits, spaces and {PUNCTUATION}"));
    }
    let reserved = key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:"));
    reserved.then(|| Problem::Refused {
        reason: "keys that start with aws: are AWS's own; rename the tag".to_owned(),
    })
}

fn fault_of_value(value: &str) -> Option<Problem> {
    let expected = if value.chars().count() > LONGEST_VALUE {
        format!("the value of a tag: at most {LONGEST_VALUE} characters")
    } else if !value.chars().all(legal) {
        format!("the value of a tag: letters, digits, spaces and {PUNCTUATION}")
    } else {
        return None;
    };
    Some(Problem::Malformed { value: crate::fault::shortened(value), expected, nearest: None })
}

fn legal(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || PUNCTUATION.contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_by_the_rules_have_no_fault() {
        for key in ["environment", "cost centre", "a:b/c=d+e-f@g_h.i", "Größe", "awsome"] {
            assert_eq!(fault_of_key(key), None, "{key}");
        }
        assert_eq!(fault_of_value(""), None);
        assert_eq!(fault_of_value(&"x".repeat(256)), None);
    }

    #[test]
    fn tags_against_the_rules_have_one() {
        for key in ["", &"x".repeat(129), "a*b", "aws:name", "AWS:name", "tab\there"] {
            assert!(fault_of_key(key).is_some(), "{key}");
        }
        assert!(fault_of_value(&"x".repeat(257)).is_some());
        assert!(fault_of_value("50%").is_some());
    }
}
