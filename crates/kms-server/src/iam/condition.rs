//! Conditions of a policy statement: operators, set operators, `IfExists`, and policy variables.
//!
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>

use std::{borrow::Cow, net::IpAddr};

use serde_json::Value;

use super::{pattern, policy::PolicyError};

/// What is known of a request, by condition key. Keys are asked for in lower case up to the first `/` or `:` behind
/// the service's prefix; what follows (a tag's key, an encryption context's key) is as written in the policy.
pub(crate) trait Context {
    /// The values of a key; `None` if the request has no such key.
    fn values(&self, key: &str) -> Option<Vec<Cow<'_, str>>>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Arn,
    Numeric(Comparison),
    Date(Comparison),
    Bool,
    Binary,
    IpAddress,
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Equals,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    One,
    ForAll,
    ForAny,
}

/// One operator with one key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    operator: Operator,
    negated: bool,
    if_exists: bool,
    quantifier: Quantifier,
    key: String,
    values: Vec<String>,
}

/// Reads a `Condition` block.
pub(crate) fn parse(value: &Value) -> Result<Vec<Condition>, PolicyError> {
    let wrong = |what: &str| PolicyError::Element { element: format!("Condition {what}") };
    let mut conditions = Vec::new();
    for (name, keys) in value.as_object().ok_or_else(|| wrong("block"))? {
        let (quantifier, rest) = match name.split_once(':') {
            Some(("ForAllValues", rest)) => (Quantifier::ForAll, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::ForAny, rest),
            Some(_) => return Err(wrong(name)),
            None => (Quantifier::One, name.as_str()),
        };
        let (bare, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |bare| (bare, true));
        let (operator, negated) = operator(bare).ok_or_else(|| wrong(name))?;
        for (key, values) in keys.as_object().ok_or_else(|| wrong(name))? {
            let values = match values {
                Value::Array(list) => list.iter().map(|one| scalar(one).ok_or_else(|| wrong(key))).collect(),
                one => scalar(one).ok_or_else(|| wrong(key)).map(|one| vec![one]),
            }?;
            let key = normalized(key);
            conditions.push(Condition { operator, negated, if_exists, quantifier, key, values });
        }
    }
    Ok(conditions)
}

fn operator(name: &str) -> Option<(Operator, bool)> {
    use Comparison::{Equals, Greater, GreaterOrEqual, Less, LessOrEqual};
    Some(match name {
        "StringEquals" => (Operator::StringEquals, false),
        "StringNotEquals" => (Operator::StringEquals, true),
        "StringEqualsIgnoreCase" => (Operator::StringEqualsIgnoreCase, false),
        "StringNotEqualsIgnoreCase" => (Operator::StringEqualsIgnoreCase, true),
        "StringLike" => (Operator::StringLike, false),
        "StringNotLike" => (Operator::StringLike, true),
        "ArnEquals" | "ArnLike" => (Operator::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Operator::Arn, true),
        "NumericEquals" => (Operator::Numeric(Equals), false),
        "NumericNotEquals" => (Operator::Numeric(Equals), true),
        "NumericLessThan" => (Operator::Numeric(Less), false),
        "NumericLessThanEquals" => (Operator::Numeric(LessOrEqual), false),
        "NumericGreaterThan" => (Operator::Numeric(Greater), false),
        "NumericGreaterThanEquals" => (Operator::Numeric(GreaterOrEqual), false),
        "DateEquals" => (Operator::Date(Equals), false),
        "DateNotEquals" => (Operator::Date(Equals), true),
        "DateLessThan" => (Operator::Date(Less), false),
        "DateLessThanEquals" => (Operator::Date(LessOrEqual), false),
        "DateGreaterThan" => (Operator::Date(Greater), false),
        "DateGreaterThanEquals" => (Operator::Date(GreaterOrEqual), false),
        "Bool" => (Operator::Bool, false),
        "BinaryEquals" => (Operator::Binary, false),
        "IpAddress" => (Operator::IpAddress, false),
        "NotIpAddress" => (Operator::IpAddress, true),
        "Null" => (Operator::Null, false),
        _ => return None,
    })
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Lower case but for the part that names a tag or a context entry.
pub(crate) fn normalized(key: &str) -> String {
    let prefixed = key.find(':').map_or(0, |colon| colon + 1);
    let named = key[prefixed..].find(['/', ':']).map_or(key.len(), |at| prefixed + at);
    let mut normalized = key[..named].to_ascii_lowercase();
    normalized.push_str(&key[named..]);
    normalized
}

/// Puts in what `${…}` stands for. An unknown variable matches nothing, so it is left as it is.
pub(crate) fn substitute<'a>(text: &'a str, variables: bool, context: &dyn Context) -> Cow<'a, str> {
    if !variables || !text.contains("${") {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start..].find('}') else { break };
        let name = &rest[start + 2..start + length];
        result.push_str(&rest[..start]);
        match name {
            "*" | "?" | "$" => result.push_str(name),
            _ => {
                let (key, default) = name.split_once(',').map_or((name, None), |(key, default)| {
                    (key.trim(), Some(default.trim().trim_matches('\'')))
                });
                match context.values(&normalized(key)) {
                    Some(values) if values.len() == 1 => result.push_str(&values[0]),
                    _ => match default {
                        Some(default) => result.push_str(default),
                        None => result.push_str(&rest[start..=start + length]),
                    },
                }
            }
        }
        rest = &rest[start + length + 1..];
    }
    result.push_str(rest);
    Cow::Owned(result)
}

impl Condition {
    /// Whether the request satisfies it.
    pub(crate) fn holds(&self, context: &dyn Context, variables: bool) -> bool {
        let found = context.values(&self.key);
        if self.operator == Operator::Null {
            let wanted_absent = self.values.iter().any(|value| value.eq_ignore_ascii_case("true"));
            return found.is_none() == wanted_absent;
        }
        let Some(found) = found else {
            // A missing key fails a plain operator, passes a negated one, passes IfExists and ForAllValues.
            return self.if_exists || self.quantifier == Quantifier::ForAll || self.negated;
        };
        let listed: Vec<Cow<'_, str>> =
            self.values.iter().map(|value| substitute(value, variables, context)).collect();
        let one = |value: &str| {
            let matches = listed.iter().any(|wanted| self.operator.matches(wanted, value));
            matches != self.negated
        };
        match self.quantifier {
            Quantifier::ForAll => found.iter().all(|value| one(value)),
            Quantifier::ForAny => found.iter().any(|value| one(value)),
            Quantifier::One if self.negated => found.iter().all(|value| one(value)),
            Quantifier::One => found.iter().any(|value| one(value)),
        }
    }
}

impl Operator {
    fn matches(self, wanted: &str, value: &str) -> bool {
        match self {
            Self::StringEquals | Self::Binary => wanted == value,
            Self::StringEqualsIgnoreCase => wanted.to_lowercase() == value.to_lowercase(),
            Self::StringLike => pattern::matches(wanted, value),
            Self::Arn => arn_matches(wanted, value),
            Self::Bool => wanted.eq_ignore_ascii_case(value),
            Self::Numeric(comparison) => match (wanted.parse::<f64>(), value.parse::<f64>()) {
                (Ok(wanted), Ok(value)) => comparison.holds(value.partial_cmp(&wanted)),
                _ => false,
            },
            Self::Date(comparison) => match (seconds(wanted), seconds(value)) {
                (Some(wanted), Some(value)) => comparison.holds(value.partial_cmp(&wanted)),
                _ => false,
            },
            Self::IpAddress => in_range(wanted, value),
            Self::Null => false,
        }
    }
}

impl Comparison {
    fn holds(self, ordering: Option<std::cmp::Ordering>) -> bool {
        ordering.is_some_and(|ordering| match self {
            Self::Equals => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        })
    }
}

/// Each of the six parts of an ARN is matched by itself.
fn arn_matches(wanted: &str, value: &str) -> bool {
    let (wanted, value): (Vec<&str>, Vec<&str>) =
        (wanted.splitn(6, ':').collect(), value.splitn(6, ':').collect());
    wanted.len() == value.len()
        && wanted.iter().zip(&value).all(|(wanted, value)| pattern::matches(wanted, value))
}

#[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double for millions of years")]
fn seconds(text: &str) -> Option<f64> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Some(seconds);
    }
    if let Ok(timestamp) = text.parse::<jiff::Timestamp>() {
        return Some(timestamp.as_millisecond() as f64 / 1000.0);
    }
    let date = text.parse::<jiff::civil::Date>().ok()?;
    let midnight =
        jiff::tz::Offset::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()?;
    Some(midnight.as_second() as f64)
}

fn in_range(wanted: &str, value: &str) -> bool {
    let (network, bits) =
        wanted.split_once('/').map_or((wanted, None), |(network, bits)| (network, Some(bits)));
    let (Ok(network), Ok(value)) = (network.parse::<IpAddr>(), value.parse::<IpAddr>()) else { return false };
    let (network, value, width) = match (network, value) {
        (IpAddr::V4(network), IpAddr::V4(value)) => {
            (u128::from(network.to_bits()), u128::from(value.to_bits()), 32_u32)
        }
        (IpAddr::V6(network), IpAddr::V6(value)) => (network.to_bits(), value.to_bits(), 128),
        _ => return false,
    };
    let bits = match bits.map(str::parse::<u32>) {
        None => width,
        Some(Ok(bits)) if bits <= width => bits,
        Some(_) => return false,
    };
    let shift = width - bits;
    network.checked_shr(shift).unwrap_or(0) == value.checked_shr(shift).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    struct Fixed(BTreeMap<&'static str, Vec<&'static str>>);

    impl Context for Fixed {
        fn values(&self, key: &str) -> Option<Vec<Cow<'_, str>>> {
            self.0.get(key).map(|values| values.iter().map(|value| Cow::Borrowed(*value)).collect())
        }
    }

    fn holds(block: Value, values: &[(&'static str, &[&'static str])]) -> bool {
        let context = Fixed(values.iter().map(|(key, values)| (*key, values.to_vec())).collect());
        parse(&block).unwrap().iter().all(|condition| condition.holds(&context, true))
    }

    #[test]
    fn strings_compare_with_and_without_wildcards() {
        let values: &[(&str, &[&str])] = &[("kms:keyspec", &["ECC_NIST_P256"])];
        assert!(holds(json!({"StringEquals": {"kms:KeySpec": ["RSA_2048", "ECC_NIST_P256"]}}), values));
        assert!(!holds(json!({"StringEquals": {"kms:KeySpec": "ECC_*"}}), values));
        assert!(holds(json!({"StringLike": {"KMS:keyspec": "ECC_*"}}), values));
        assert!(!holds(json!({"StringNotEquals": {"kms:KeySpec": ["RSA_2048", "ECC_NIST_P256"]}}), values));
        assert!(holds(json!({"StringEqualsIgnoreCase": {"kms:KeySpec": "ecc_nist_p256"}}), values));
    }

    #[test]
    fn a_missing_key_fails_plain_and_passes_negated_and_if_exists() {
        assert!(!holds(json!({"StringEquals": {"aws:x": "y"}}), &[]));
        assert!(holds(json!({"StringNotEquals": {"aws:x": "y"}}), &[]));
        assert!(holds(json!({"StringEqualsIfExists": {"aws:x": "y"}}), &[]));
        assert!(holds(json!({"ForAllValues:StringEquals": {"aws:x": "y"}}), &[]));
        assert!(!holds(json!({"ForAnyValue:StringEquals": {"aws:x": "y"}}), &[]));
        assert!(holds(json!({"Null": {"aws:x": "true"}}), &[]));
        assert!(!holds(json!({"Null": {"aws:x": false}}), &[]));
        assert!(holds(json!({"Null": {"aws:x": false}}), &[("aws:x", &["1"])]));
    }

    #[test]
    fn sets_are_quantified() {
        let values: &[(&str, &[&str])] = &[("aws:tagkeys", &["a", "b"])];
        assert!(holds(json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b", "c"]}}), values));
        assert!(!holds(json!({"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}), values));
        assert!(holds(json!({"ForAnyValue:StringEquals": {"aws:TagKeys": ["a"]}}), values));
    }

    #[test]
    fn numbers_dates_booleans_arns_and_addresses_compare() {
        let values: &[(&str, &[&str])] = &[
            ("kms:rotationperiodindays", &["180"]),
            ("aws:currenttime", &["2026-01-02T03:04:05Z"]),
            ("kms:multiregion", &["true"]),
            ("aws:principalarn", &["arn:aws:iam::123456789012:role/a/b"]),
            ("aws:sourceip", &["10.1.2.3"]),
        ];
        assert!(holds(json!({"NumericLessThanEquals": {"kms:RotationPeriodInDays": "180"}}), values));
        assert!(!holds(json!({"NumericGreaterThan": {"kms:RotationPeriodInDays": 180}}), values));
        assert!(holds(json!({"DateGreaterThan": {"aws:CurrentTime": "2026-01-01"}}), values));
        assert!(holds(json!({"DateLessThan": {"aws:CurrentTime": "2026-01-02T03:04:06Z"}}), values));
        assert!(holds(json!({"Bool": {"kms:MultiRegion": true}}), values));
        assert!(holds(json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/*"}}), values));
        assert!(!holds(json!({"ArnLike": {"aws:PrincipalArn": "arn:aws:*"}}), values));
        assert!(holds(json!({"IpAddress": {"aws:SourceIp": ["192.168.0.0/16", "10.0.0.0/8"]}}), values));
        assert!(holds(json!({"NotIpAddress": {"aws:SourceIp": "10.1.2.4"}}), values));
        assert!(!holds(json!({"IpAddress": {"aws:SourceIp": "0.0.0.0/99"}}), values));
    }

    #[test]
    fn variables_are_put_in() {
        let values: &[(&str, &[&str])] = &[("aws:username", &["ann"]), ("aws:resourcetag/Owner", &["ann"])];
        assert!(holds(json!({"StringEquals": {"aws:ResourceTag/Owner": "${aws:username}"}}), values));
        assert!(holds(json!({"StringEquals": {"aws:ResourceTag/Owner": "${aws:nobody, 'ann'}"}}), values));
        assert!(!holds(json!({"StringEquals": {"aws:ResourceTag/Owner": "${aws:nobody}"}}), values));
        assert!(!holds(json!({"StringEquals": {"aws:ResourceTag/owner": "ann"}}), values));
    }
}
