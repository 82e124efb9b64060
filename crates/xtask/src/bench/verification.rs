//! What it costs to verify a signature after the KMS has made it, as a share of a round trip of 5 ms.
//!
//! Not here: the way to the KMS, which `signature` measures. The work is done by C code that debug builds optimize, too.

use std::time::Instant;

use anyhow::Context;
use cantle_crypto::{HashPurpose, SigningKeyScheme, SigningPrivateKey, digest};

use super::{Figures, median};

const TIMES: u32 = 2000;
/// A round trip to AWS KMS within its Region, in microseconds.
const ROUND_TRIP: f64 = 5000.0;

pub(crate) fn measure(figures: &mut Figures) -> anyhow::Result<()> {
    let hash = digest(HashPurpose::TopologyTransactionSignature, b"what is signed");
    for (scheme, is_default) in [(SigningKeyScheme::EcDsaP256, true), (SigningKeyScheme::EcDsaP384, false)] {
        let key = SigningPrivateKey::generate(scheme)?;
        let signature = key.sign_hash(&hash)?;
        let public = key.public();
        // The first use of a key prepares it.
        public.verify_hash(&hash, &signature).context("a signature verifies")?;
        let mut took = Vec::new();
        for _ in 0..TIMES {
            let started = Instant::now();
            public.verify_hash(&hash, &signature).context("a signature verifies")?;
            took.push(started.elapsed().as_secs_f64() * 1e6);
        }
        let median = median(took);
        let share = median / ROUND_TRIP * 100.0;
        let name = format!("verification after Sign, {scheme}: share of a round trip of 5 ms");
        // P-384 is for whoever asks for it, and costs more at every step.
        if is_default {
            figures.at_most(&name, share, 2.0, "%");
        } else {
            figures.only(&name, share, "%");
        }
        figures.only("  median", median, "µs");
    }
    Ok(())
}
