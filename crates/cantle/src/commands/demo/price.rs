//! What AWS would have asked for the requests: us-east-1's list prices.
//!
//! Cryptographic requests and GetPublicKey cost by the key's spec, all others alike.
//! Source: <https://aws.amazon.com/kms/pricing/>

use std::collections::BTreeMap;

use cantle_kms_server::RequestCounts;
use comfy_table::{Table, presets};

use crate::commands::keys::OwnedKey;

/// USD for a request with an ECC key.
const ASYMMETRIC: f64 = 0.15 / 10_000.0;
/// USD for any other request, with an RSA_2048 key too.
const OTHER: f64 = 0.03 / 10_000.0;

/// USD for all the requests counted.
pub(super) fn of_requests<'a>(counts: &RequestCounts, keys: impl IntoIterator<Item = &'a OwnedKey>) -> f64 {
    let specs: BTreeMap<&str, &str> =
        keys.into_iter().map(|owned| (owned.key.kms_key_arn.as_str(), owned.key.key_spec.as_str())).collect();
    let all: u64 = counts.outcomes.values().flat_map(BTreeMap::values).sum();
    let mut asymmetric = 0;
    for (key, operations) in &counts.keys {
        let ecc = specs.get(key.as_str()).is_some_and(|spec| spec.starts_with("ECC_"));
        for (operation, count) in operations {
            if ecc && matches!(operation.as_str(), "Sign" | "Verify" | "GetPublicKey") {
                asymmetric += count;
            }
        }
    }
    money(all.saturating_sub(asymmetric)) * OTHER + money(asymmetric) * ASYMMETRIC
}

/// The requests as people read them.
pub(super) fn table(requests: &BTreeMap<String, u64>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["KMS REQUEST", "COUNT"]);
    for (operation, count) in requests {
        table.add_row([operation.clone(), count.to_string()]);
    }
    table.trim_fmt()
}

/// A demo asks far fewer than the 2^32 requests that this holds exactly.
fn money(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use cantle_proto::cantle::admin::v1::NodeKey;

    use super::*;

    #[test]
    fn signatures_cost_by_key_spec_and_the_rest_alike() {
        let key = |arn: &str, spec: &str| OwnedKey {
            node: String::new(),
            key: NodeKey { kms_key_arn: arn.to_owned(), key_spec: spec.to_owned(), ..NodeKey::default() },
        };
        let one = |name: &str, count| BTreeMap::from([(name.to_owned(), count)]);
        let counts = RequestCounts {
            outcomes: BTreeMap::from([
                ("CreateKey".to_owned(), one("Success", 10_000)),
                ("Sign".to_owned(), one("Success", 10_000)),
                ("Decrypt".to_owned(), one("Success", 10_000)),
            ]),
            keys: BTreeMap::from([
                ("ecc".to_owned(), one("Sign", 10_000)),
                ("rsa".to_owned(), one("Decrypt", 10_000)),
            ]),
        };
        let usd = of_requests(&counts, &[key("ecc", "ECC_NIST_P256"), key("rsa", "RSA_2048")]);
        assert!((usd - 0.21).abs() < 1e-9, "{usd}");
    }
}
