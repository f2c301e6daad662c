//! Where the certificate is mounted.

use contract::{Key, MountPath, Rejected, names};

use super::{CertificateSource, Merge, annotation};

/// What a container needs as it is: no runtime mounts over the first three, and
/// without the system's roots no token would be got.
const SYSTEM_PATHS: [&str; 4] = ["/proc", "/sys", "/dev", "/etc/ssl"];

impl Merge<'_> {
    pub(super) fn mount_path(&self) -> Option<MountPath> {
        self.merged.mount_path.clone().or_else(|| names::DEFAULT_MOUNT_PATH.parse().ok())
    }

    /// Two volumes cannot be mounted into each other read-only.
    pub(super) fn check_mount_path(&mut self, certificate: Option<&CertificateSource>) {
        let Some(path) = self.mount_path().filter(|_| certificate.is_some()) else { return };
        let mut reserved = vec![names::API_TOKEN_MOUNT_PATH];
        reserved.extend(SYSTEM_PATHS);
        reserved.extend(self.profile.trust.as_ref().map(|_| names::TRUST_MOUNT_PATH));
        let text = path.as_str().trim_end_matches('/');
        let within = |inner: &str, outer: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if let Some(other) =
            reserved.into_iter().find(|other| within(text, other) || within(other, text))
        {
            let expected = format!("a path that does not overlap {other}");
            self.mistakes
                .push(Rejected::expected(expected).at(annotation(Key::MountPath), path.as_str()));
        }
    }
}
