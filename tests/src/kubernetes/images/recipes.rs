//! What is in which image.

use std::path::Path;

use super::Image;
use crate::{failure::Outcome, product::architecture::Architecture};

/// Where the product's images are by default.
const REGISTRY: &str = "ghcr.io/prom-remotewrite";
/// The product's user, as distroless has it.
const NONROOT: u32 = 65532;
/// Prometheus' own images run as this user; for a pod that only connects, any but root does.
pub(super) const NOBODY: u32 = 65534;

/// The stand-in for Azure.
pub const AZURE: &str = "local/azure:1";
/// Prometheus.
pub const PROMETHEUS: &str = "local/prometheus:v3.16.0";
/// Prometheus Operator.
pub const OPERATOR: &str = "local/prometheus-operator:v0.93.1";
/// What the operator puts next to Prometheus.
pub const RELOADER: &str = "local/prometheus-config-reloader:v0.93.1";
/// The cluster's name server.
pub const DNS: &str = "local/coredns:v1.14.4";
/// The Secrets Store CSI driver.
pub const CSI_DRIVER: &str = "local/secrets-store-csi-driver:v1.6.1";
/// What tells the kubelet of the driver.
pub const CSI_REGISTRAR: &str = "local/csi-registrar:1";
/// What gives the driver its secrets.
pub const CSI_PROVIDER: &str = "local/csi-provider:1";

/// One of the product's three images: a program of the workspace at the root,
/// and the certificate roots, for an endpoint on the internet.
pub fn product(
    program: &str,
    version: &str,
    file: &Path,
    architecture: Architecture,
) -> Outcome<Image> {
    let path = format!("/{program}");
    Image::new(format!("{REGISTRY}/{program}:{version}"), NONROOT, &path)
        .of(architecture)
        .program(&path, file)?
        .certificate_roots()
}

/// The stand-in for Azure.
pub fn azure(file: &Path) -> Outcome<Image> {
    Image::new(AZURE, NONROOT, "/azure").program("/azure", file)
}

/// Prometheus, with the folder that the operator mounts its data below.
pub fn prometheus(file: &Path) -> Outcome<Image> {
    let image = Image::new(PROMETHEUS, NOBODY, "/bin/prometheus");
    image
        .folder("/prometheus", NOBODY)
        .folder("/etc/prometheus", 0)
        .program("/bin/prometheus", file)
}

/// The Secrets Store CSI driver, which runs as root, and runs `mount` and
/// `umount`: busybox does both, and must be static.
pub fn csi_driver(file: &Path, busybox: &Path) -> Outcome<Image> {
    let entrypoint = "/bin/secrets-store-csi-driver";
    Image::new(CSI_DRIVER, 0, entrypoint)
        .link("/bin/mount", "busybox")
        .link("/bin/umount", "busybox")
        .program("/bin/busybox", busybox)?
        .program(entrypoint, file)
}

/// Any other single program, named like its file: Prometheus Operator and its
/// reloader as nobody, the driver's helpers as root, since sockets of the
/// kubelet are root's.
pub fn foreign(name: &str, user: Option<u32>, file: &Path) -> Outcome<Image> {
    let program = file.file_name().and_then(|name| name.to_str()).unwrap_or("program");
    let path = format!("/bin/{program}");
    Image::new(name, user.unwrap_or(NOBODY), &path).program(&path, file)
}
