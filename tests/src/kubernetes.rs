//! Real Kubernetes: a control plane without nodes, the kubelet's part for one container, a
//! whole cluster of kind, and what is installed there.

pub mod control_plane;
pub mod deployment;
pub mod images;
pub mod kind;
pub mod kubelet;
