//! Where certificates are mounted.

use contract::{InvalidValue, Key, MountPath, names};

use super::{CertificateSource, Destination, Merge, place};

/// What a container needs as it is: no runtime mounts over the first three, and
/// without the system's roots no token would be got.
const SYSTEM_PATHS: [&str; 4] = ["/proc", "/sys", "/dev", "/etc/ssl"];

impl Merge<'_> {
    /// A certificate of a further destination has its own place.
    pub(super) fn mount_path(&self) -> Option<MountPath> {
        let usual = names::DEFAULT_MOUNT_PATH;
        self.merged.mount_path.clone().or_else(|| match self.destination {
            Some(name) => format!("{usual}-{name}").parse().ok(),
            None => usual.parse().ok(),
        })
    }

    /// Two volumes cannot be mounted into each other read-only.
    pub(super) fn check_mount_paths(
        &mut self,
        certificate: Option<&CertificateSource>,
        further: &[Destination],
    ) {
        if certificate.is_none() && further.is_empty() {
            return;
        }
        let mut reserved = vec![names::API_TOKEN_MOUNT_PATH];
        reserved.extend(SYSTEM_PATHS);
        reserved.extend(self.profile.trust.as_ref().map(|_| names::TRUST_MOUNT_PATH));
        // An identity has either a certificate or this; several may have both.
        reserved.extend((!further.is_empty()).then_some(names::TOKEN_MOUNT_PATH));
        let own_path = self.mount_path();
        let own = certificate.zip(own_path.as_ref()).map(|(source, path)| (None, source, path));
        let others = further
            .iter()
            .filter_map(|one| Some((Some(&one.name), one.certificate.as_ref()?, &one.mount_path)));
        let mut mounted: Vec<(&CertificateSource, &str)> = Vec::new();
        for (destination, source, path) in own.into_iter().chain(others) {
            let text = path.as_str().trim_end_matches('/');
            // The same certificate may be mounted there already.
            let elsewhere = mounted.iter().filter(|one| **one != (source, text));
            let mut taken = reserved.iter().copied().chain(elsewhere.map(|(_, path)| *path));
            if let Some(other) = taken.find(|other| overlap(text, other)) {
                let expected = format!("a path that does not overlap {other}");
                let rejected = InvalidValue::expected(expected);
                self.errors.push(rejected.at(place(Key::MountPath, destination), path.as_str()));
            }
            mounted.push((source, text));
        }
    }
}

fn overlap(one: &str, other: &str) -> bool {
    let within = |inner: &str, outer: &str| {
        inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(one, other) || within(other, one)
}
