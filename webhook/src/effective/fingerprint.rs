//! A hash that distinguishes sidecars of one configuration from those of another.

use aws_lc_rs::digest;
use contract::{LivenessProbe, ReadinessProbe};

use super::{CertificateSource, Effective};
use crate::config::Resources;

/// Enough to distinguish a cluster's configurations: 2⁴⁸.
const FINGERPRINT_BYTES: usize = 6;
/// The usual size of names and values.
const USUAL_BYTES: usize = 1 << 10;

/// The short hash of what is configured of a sidecar: its variables, the shape of its
/// container, and `resources` and probes before the rest of the pod has its say.
pub(super) fn fingerprint(
    effective: &Effective,
    resources: &Resources,
    liveness: Option<LivenessProbe>,
    readiness: ReadinessProbe,
) -> String {
    let mut text = String::with_capacity(USUAL_BYTES);
    let mut add = |name: &str, value: &str| text.extend([name, "=", value, "\n"]);
    add("image", effective.image.as_str());
    add("policy", effective.image_pull_policy.word());
    for secret in &effective.image_pull_secrets {
        add("secret", secret.as_str());
    }
    add("kind", if effective.native { "native" } else { "container" });
    for (name, amount) in [
        ("cpu-request", &resources.cpu_request),
        ("cpu-limit", &resources.cpu_limit),
        ("memory-request", &resources.memory_request),
        ("memory-limit", &resources.memory_limit),
    ] {
        add(name, amount.as_ref().map_or("", |amount| amount.as_str()));
    }
    for destination in effective.destinations() {
        match destination.certificate {
            Some(CertificateSource::Csi(class)) => add("class", class.as_str()),
            Some(CertificateSource::Secret(secret)) => add("certificate", secret.as_str()),
            None => {}
        }
    }
    if let Some(trust) = &effective.trust {
        add("trust", trust.name.as_str());
        add("key", trust.key.as_str());
    }
    add("liveness", liveness.map_or("", LivenessProbe::word));
    add("readiness", readiness.word());
    for (name, value) in effective.all_variables() {
        add(name, value);
    }
    hash(&text)
}

fn hash(text: &str) -> String {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let start = hash.as_ref().iter().take(FINGERPRINT_BYTES);
    let number = start.fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    format!("{number:0width$x}", width = 2 * FINGERPRINT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_six_bytes_of_hexadecimal_digits() {
        assert_eq!(hash("abc"), "ba7816bf8f01");
        // SHA-256 of this begins with a zero.
        assert_eq!(hash("39"), "0b918943df09");
    }
}
