//! What tells sidecars of one configuration from those of another.

use std::fmt::{Debug, Write as _};

use aws_lc_rs::digest;

/// Enough to tell a cluster's configurations apart: 2⁴⁸.
const FINGERPRINT_BYTES: usize = 6;

/// The short hash of a container's shape and variables.
pub(super) fn fingerprint(shape: &impl Debug, variables: &[(&'static str, String)]) -> String {
    let mut text = format!("{shape:?}");
    for (name, value) in variables {
        text.extend(["\n", name, "=", value]);
    }
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let start = hash.as_ref().iter().take(FINGERPRINT_BYTES);
    start.fold(String::with_capacity(2 * FINGERPRINT_BYTES), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
