//! What surrounds the sidecar: its resources, and where its certificate is.

use contract::{Key, MountPath, Quantity, Rejected, names};

use super::{CertificateSource, Merge, annotation};
use crate::config::Resources;

/// What a container needs as it is: no runtime mounts over the first three, and
/// without the system's roots no token would be got.
const SYSTEM_PATHS: [&str; 4] = ["/proc", "/sys", "/dev", "/etc/ssl"];

impl Merge<'_> {
    /// Amounts by source; a request above its limit is refused by Kubernetes.
    pub(super) fn resources(&mut self) -> Resources {
        let (given, usual) = (&self.merged, &self.config.resources);
        let or = |given: &Option<Quantity>, usual: &Option<Quantity>| {
            given.clone().or_else(|| usual.clone())
        };
        let resources = Resources {
            cpu_request: or(&given.cpu_request, &usual.cpu_request),
            cpu_limit: or(&given.cpu_limit, &usual.cpu_limit),
            memory_request: or(&given.memory_request, &usual.memory_request),
            memory_limit: or(&given.memory_limit, &usual.memory_limit),
        };
        let pairs = [
            (Key::CpuRequest, &resources.cpu_request, &resources.cpu_limit),
            (Key::MemoryRequest, &resources.memory_request, &resources.memory_limit),
        ];
        for (key, request, limit) in pairs {
            if let (Some(request), Some(limit)) = (request, limit)
                && request.thousandths() > limit.thousandths()
            {
                let expected = format!("at most the limit, which is {limit}");
                self.mistakes
                    .push(Rejected::expected(expected).at(annotation(key), request.as_str()));
            }
        }
        resources
    }

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
