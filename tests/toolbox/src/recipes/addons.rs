//! What a cluster needs besides Kubernetes, for its nodes and as images. Each is built as
//! pinned: a program that happens to be installed may be linked dynamically, and would
//! not run in its own image.

use super::{MODULE, Recipe};

/// The operator of Prometheus, the Secrets Store CSI driver with a provider
/// for tests, `CoreDNS`, and small programs that nodes and images need.
pub const ADDONS: Recipe = Recipe {
    folder: "addons",
    packages: &[
        "tool",
        "./coredns",
        "./crictl",
        "./csi-provider",
        "./csi-registrar",
        "./mount",
        "./pause",
    ],
    takes: "about 8 minutes on 2 cores",
    instead: "nothing else: its images are not pulled",
    ..MODULE
};

/// The container runtime of a node.
pub const CONTAINERD: Recipe = Recipe {
    folder: "containerd",
    tags: "no_btrfs,no_zfs,no_devmapper",
    takes: "about 3 minutes on 2 cores",
    instead: "have a registry at hand that serves kindest/node",
    ..MODULE
};

/// What makes volumes in the folders of a node.
pub const LOCAL_PATH: Recipe = Recipe {
    folder: "local-path",
    takes: "about 4 minutes on 2 cores",
    instead: "have a registry at hand that serves kindest/node",
    ..MODULE
};

/// What enforces network policies on a cluster whose pod network does not: kube-router,
/// of which only the firewall is used.
pub const KUBE_ROUTER: Recipe = Recipe {
    folder: "kube-router",
    takes: "about 3 minutes on 2 cores",
    instead: "nothing else: its image is not pulled",
    ..MODULE
};

/// What a service mesh does to a pod: the rules of Istio's init container, and a proxy for
/// the connections that they redirect.
pub const MESH: Recipe = Recipe {
    folder: "mesh",
    packages: &["./istio-iptables", "./mesh-proxy"],
    takes: "about 2 minutes on 2 cores",
    instead: "nothing else: its image is not pulled",
    ..MODULE
};
