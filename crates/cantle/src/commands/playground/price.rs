//! What AWS would have asked for the requests: us-east-1's list prices.
//!
//! Signatures and GetPublicKey cost by the key's spec, all others alike.
//! Source: <https://aws.amazon.com/kms/pricing/>

use std::collections::BTreeMap;

use cantle_kms_server::RequestCounts;
use comfy_table::{CellAlignment, Table, presets};

/// USD for a request with an ECC key.
const ASYMMETRIC: f64 = 0.15 / 10_000.0;
/// USD for any other request, with an RSA_2048 key too.
const OTHER: f64 = 0.03 / 10_000.0;

/// How often an operation was asked for, and what that costs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Priced {
    pub(crate) operation: String,
    pub(crate) count: u64,
    pub(crate) usd: f64,
}

/// USD for one request of an operation with a key of that spec, if it was about a key.
pub(crate) fn of_one(operation: &str, key_spec: Option<&str>) -> f64 {
    let ecc = key_spec.is_some_and(|spec| spec.starts_with("ECC_"));
    if ecc && matches!(operation, "Sign" | "Verify" | "GetPublicKey") { ASYMMETRIC } else { OTHER }
}

/// What was counted, by operation; `spec_of` tells the spec of a key by its ARN.
pub(crate) fn by_operation(counts: &RequestCounts, spec_of: impl Fn(&str) -> Option<String>) -> Vec<Priced> {
    let mut dearer: BTreeMap<&str, f64> = BTreeMap::new();
    for (key, operations) in &counts.keys {
        let spec = spec_of(key);
        for (operation, count) in operations {
            let more = of_one(operation, spec.as_deref()) - OTHER;
            *dearer.entry(operation).or_default() += number(*count) * more;
        }
    }
    let priced = counts.outcomes.iter().map(|(operation, outcomes)| {
        let count = outcomes.values().sum();
        let usd = number(count) * OTHER + dearer.get(operation.as_str()).copied().unwrap_or_default();
        Priced { operation: operation.clone(), count, usd }
    });
    priced.collect()
}

/// The price of all together.
pub(crate) fn sum(requests: &[Priced]) -> f64 {
    requests.iter().map(|priced| priced.usd).sum()
}

/// The requests as people read them.
pub(crate) fn table(requests: &[Priced]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["KMS REQUEST", "COUNT", "USD AT AWS"]);
    for Priced { operation, count, usd } in requests {
        table.add_row([operation.clone(), count.to_string(), format!("{usd:.6}")]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.trim_fmt()
}

/// Nobody asks for more than the 2^32 requests that this holds exactly.
fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_cost_by_key_spec_and_the_rest_alike() {
        let one = |name: &str, count| BTreeMap::from([(name.to_owned(), count)]);
        let counts = RequestCounts {
            outcomes: BTreeMap::from([
                ("CreateKey".to_owned(), one("Success", 10_000)),
                ("Decrypt".to_owned(), one("Success", 10_000)),
                ("Sign".to_owned(), one("Success", 10_000)),
            ]),
            keys: BTreeMap::from([
                ("ecc".to_owned(), one("Sign", 10_000)),
                ("rsa".to_owned(), one("Decrypt", 10_000)),
            ]),
        };
        let spec = |key: &str| Some(if key == "ecc" { "ECC_NIST_P256" } else { "RSA_2048" }.to_owned());
        let priced = by_operation(&counts, spec);
        let near = |priced: &Priced, usd: f64| (priced.usd - usd).abs() < 1e-9;
        assert!(near(&priced[0], 0.03) && near(&priced[1], 0.03) && near(&priced[2], 0.15), "{priced:?}");
        assert!((sum(&priced) - 0.21).abs() < 1e-9, "{priced:?}");
        assert!(table(&priced).contains("0.150000"), "{}", table(&priced));
    }
}
