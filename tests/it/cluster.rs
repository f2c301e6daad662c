//! What tests on the control plane share.

use tests::kubernetes::control_plane::{Availability, ControlPlane, say_skipped};

/// The control plane, or nothing where it cannot be had, which is said.
pub(crate) async fn control_plane(test: &str) -> Option<&'static ControlPlane> {
    match ControlPlane::shared().await.unwrap() {
        Availability::Running(plane) => Some(plane),
        Availability::Missing(reason) => {
            say_skipped(test, &reason);
            None
        }
    }
}

/// Whether the control plane is of Kubernetes 1.`minor` or newer, which has `what`; where it
/// is not, says that the test was skipped.
pub(crate) fn has(plane: &ControlPlane, minor: u32, test: &str, what: &str) -> bool {
    let has = plane.is_since(minor);
    if !has {
        let version = plane.version();
        say_skipped(test, &format!("Kubernetes {version} has no {what}; 1.{minor} has"));
    }
    has
}
