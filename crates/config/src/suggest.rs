//! The known word that looks most like an unknown one.
//!
//! Distance is the number of inserted, removed, replaced and swapped letters; camelCase counts as kebab-case, so
//! that `adminApi` is `admin-api`. Nothing is suggested where too little is alike.

/// The nearest of the known words, if it is near enough to be meant.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A hostile key of a megabyte is like no key at all, and comparing it would take long.
    const LONGEST: usize = 100;
    // A shorter beginning says nothing.
    const SHORTEST: usize = 5;
    if word.len() > LONGEST {
        return None;
    }
    let known: Vec<&str> = known.into_iter().collect();
    let word = kebab(word);
    let cut = |a: &str, b: &str| a.len() >= SHORTEST && b.starts_with(a);
    if let Some(candidate) = known.iter().find(|known| cut(known, &word) || cut(&word, known)) {
        return Some(candidate);
    }
    let word: Vec<char> = word.chars().collect();
    let scored = known.into_iter().map(|candidate| {
        let letters: Vec<char> = candidate.chars().collect();
        (distance(&word, &letters), candidate)
    });
    let (distance, candidate) = scored.min_by_key(|(distance, _)| *distance)?;
    let tolerated = (word.len().max(candidate.chars().count()) / 3).clamp(1, 4);
    (distance <= tolerated).then_some(candidate)
}

/// `adminApi` and `admin_api` as `admin-api`.
pub(crate) fn kebab(word: &str) -> String {
    let mut out = String::with_capacity(word.len() + 4);
    let mut after_lower = false;
    for c in word.chars() {
        if c.is_uppercase() && after_lower {
            out.push('-');
        }
        after_lower = c.is_lowercase() || c.is_ascii_digit();
        if matches!(c, '_' | ' ') {
            out.push('-');
        } else {
            out.extend(c.to_lowercase());
        }
    }
    out
}

/// The restricted Damerau-Levenshtein distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let replaced = last[j] + usize::from(x != y);
            let mut best = replaced.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before_last[j - 1] + 1);
            }
            row.push(best);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] = ["admin-api", "public-api", "storage", "init", "crypto"];

    #[test]
    fn nearest_finds_typos_and_swaps() {
        assert_eq!(nearest("storgae", KEYS), Some("storage"));
        assert_eq!(nearest("admin-ap", KEYS), Some("admin-api"));
        assert_eq!(nearest("cripto", KEYS), Some("crypto"));
    }

    #[test]
    fn nearest_finds_longer_and_shorter_forms() {
        assert_eq!(nearest("crypto-config", KEYS), Some("crypto"));
        assert_eq!(nearest("publi", KEYS), Some("public-api"));
        assert_eq!(nearest("adm", KEYS), None);
    }

    #[test]
    fn nearest_reads_camel_case_as_kebab_case() {
        assert_eq!(nearest("adminApi", KEYS), Some("admin-api"));
        assert_eq!(nearest("admin_api", KEYS), Some("admin-api"));
    }

    #[test]
    fn nearest_is_silent_when_nothing_is_alike() {
        assert_eq!(nearest("replication", KEYS), None);
        assert_eq!(nearest("x", KEYS), None);
        assert_eq!(nearest("", KEYS), None);
        assert_eq!(nearest(&"s".repeat(1 << 20), KEYS), None);
    }

    #[test]
    fn distance_counts_edits() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("kitten"), &chars("sitting")), 3);
        assert_eq!(distance(&chars("ab"), &chars("ba")), 1);
        assert_eq!(distance(&chars(""), &chars("abc")), 3);
    }
}
