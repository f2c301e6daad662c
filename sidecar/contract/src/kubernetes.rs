//! Values of a pod's specification that an annotation or a profile may set.

#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr};

use crate::{InvalidValue, names, options::words, text::checked_text};

words! {
    /// As which kind of container the sidecar is injected.
    SidecarMode {
        /// An init container that keeps running (`restartPolicy: Always`): it
        /// starts before Prometheus and stops after it. `auto` was for clusters
        /// older than 1.29, which have no native sidecars.
        Native = "native" | "auto",
        /// An ordinary container.
        Container = "container",
    }
}

words! {
    /// How the kubelet checks that the sidecar is alive.
    LivenessProbe {
        /// By `GET /health`.
        Http = "http",
        /// By running `prom-remotewrite health` in the container, which a
        /// service mesh does not intercept.
        Exec = "exec",
        /// Not at all.
        None = "none",
    }
}

words! {
    /// How the kubelet checks that the sidecar is ready. The check is that of the
    /// liveness probe: if it depended on a token, an outage of the identity
    /// service would take Prometheus out of its Service.
    ReadinessProbe {
        /// Not at all.
        None = "none",
        /// By `GET /health`, or by the command in a pod that shows a mesh.
        Http = "http",
        /// By running `prom-remotewrite health` in the container.
        Exec = "exec",
    }
}

/// When the kubelet pulls the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImagePullPolicy {
    /// At every start.
    Always,
    /// When it is not on the node.
    IfNotPresent,
    /// Never.
    Never,
}

impl ImagePullPolicy {
    /// As Kubernetes writes it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

impl FromStr for ImagePullPolicy {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let all = [Self::Always, Self::IfNotPresent, Self::Never];
        all.into_iter()
            .find(|policy| policy.word().eq_ignore_ascii_case(text))
            .ok_or_else(|| InvalidValue::one_of(text, &all.map(Self::word)))
    }
}

impl fmt::Display for ImagePullPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

checked_text!(
    /// The name of a Secret, `ConfigMap` or `SecretProviderClass`: a DNS subdomain.
    ///
    /// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/>
    ObjectName,
    is_dns_subdomain,
    "an object's name: lower-case letters, digits, - and ., at most 253"
);

checked_text!(
    /// The certificate's file below the mount path: the object's name or alias
    /// in the `SecretProviderClass`, or the key in the Secret.
    CertificateName,
    |text| text.len() <= 253 && text.split('/').all(is_file_name),
    "the certificate's file name in the SecretProviderClass or Secret: letters, digits, -, _ and ."
);

checked_text!(
    /// Where a volume is mounted: an absolute path.
    MountPath,
    is_mount_path,
    "an absolute path such as /mnt/secrets-store, without . and .. and :"
);

checked_text!(
    /// A container image.
    Image,
    |text| text.len() <= 512
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._/:@+".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric()),
    "an image such as ghcr.io/example/prom-remotewrite:1.0.0"
);

fn is_dns_subdomain(text: &str) -> bool {
    let is_label = |label: &str| {
        let alphanumeric = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        label.starts_with(alphanumeric)
            && label.ends_with(alphanumeric)
            && label.chars().all(|c| alphanumeric(c) || c == '-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_file_name(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !matches!(text, "" | "." | "..") && text.bytes().all(allowed)
}

fn is_mount_path(text: &str) -> bool {
    let segments = text.strip_prefix('/').unwrap_or("").trim_end_matches('/');
    text.len() <= 253
        && segments.split('/').all(is_file_name)
        && text.trim_end_matches('/') != names::API_TOKEN_MOUNT_PATH
}

/// An amount of CPU or memory, as Kubernetes writes it.
///
/// <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity {
    text: String,
    thousandths: u128,
}

/// Suffixes of powers of ten, with the exponent.
const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
/// Suffixes of powers of two, with the exponent.
const BINARY: [(&str, u32); 6] =
    [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
/// Of an exponent that is written out: no amount below 2^63 needs more.
const MAX_EXPONENT: i32 = 30;

impl Quantity {
    /// The text, as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Nothing at all, which no text may ask for.
    #[must_use]
    pub fn none() -> Self {
        Self { text: "0".to_owned(), thousandths: 0 }
    }

    /// The amount in thousandths, rounded up, for comparing a request with
    /// its limit.
    pub const fn thousandths(&self) -> u128 {
        self.thousandths
    }

    /// This amount divided by `divisor` and rounded up to whole units (bytes of
    /// memory); in `Mi` or `Ki` where that is exact.
    #[must_use]
    pub fn divided(&self, divisor: u128) -> Self {
        Self::of_units(self.thousandths.div_ceil(divisor.max(1).saturating_mul(1000)))
    }

    /// This amount times `factor`, rounded up to whole units (bytes of memory).
    #[must_use]
    pub fn times(&self, factor: u128) -> Self {
        Self::of_units(self.thousandths.saturating_mul(factor).div_ceil(1000))
    }

    fn of_units(units: u128) -> Self {
        let (suffix, factor) = [("Mi", 1 << 20), ("Ki", 1 << 10)]
            .into_iter()
            .find(|(_, factor)| units.is_multiple_of(*factor))
            .unwrap_or(("", 1));
        let text = format!("{}{suffix}", units / factor);
        Self { text, thousandths: units.saturating_mul(1000) }
    }
}

impl FromStr for Quantity {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, InvalidValue> {
        let rejected =
            || InvalidValue::expected("a quantity above 0 such as 10m, 0.5, 64Mi or 1Gi");
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        // The API server writes 1.1Gi as 1181116006400m, and at most nine places.
        if whole.len() > 19 || fraction.len() > 9 || fraction.contains('.') {
            return Err(rejected());
        }
        // These are digits alone, and an u128 has room for 38.
        let digits = whole.bytes().chain(fraction.bytes()).map(|digit| u128::from(digit - b'0'));
        let scaled = digits.fold(0, |number, digit| 10 * number + digit);
        let places = i32::try_from(fraction.len()).map_err(|_| rejected())?;
        let (twos, tens) = exponents(suffix).ok_or_else(rejected)?;
        let thousandths = scaled
            .checked_mul(1 << twos)
            .and_then(|amount| times_ten_to_the(tens + 3 - places, amount))
            .ok_or_else(rejected)?;
        if number.is_empty() || thousandths == 0 {
            return Err(rejected());
        }
        Ok(Self { text: text.to_owned(), thousandths })
    }
}

/// The powers of two and of ten that a suffix stands for.
fn exponents(suffix: &str) -> Option<(u32, i32)> {
    if let Some((_, twos)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((*twos, 0));
    }
    if let Some((_, tens)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((0, *tens));
    }
    let written: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    (-MAX_EXPONENT..=MAX_EXPONENT).contains(&written).then_some((0, written))
}

/// Rounded up, as the API server does with amounts below one thousandth.
fn times_ten_to_the(exponent: i32, amount: u128) -> Option<u128> {
    let power = 10_u128.checked_pow(exponent.unsigned_abs())?;
    if exponent < 0 { Some(amount.div_ceil(power)) } else { amount.checked_mul(power) }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
