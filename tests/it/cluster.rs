//! What tests on the control plane share.

use tests::control_plane::{Availability, ControlPlane, say_skipped};

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
