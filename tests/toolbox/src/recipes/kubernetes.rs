//! Kubernetes itself, and kind, which makes clusters of it.

use super::{MODULE, Recipe, Tool, Variable};

/// The version that the programs report: a module does not know its own.
const KUBERNETES_STAMP: &str = "-s -w -X k8s.io/component-base/version.gitVersion=v1.37.2 -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=37 -X k8s.io/component-base/version.gitTreeState=clean";

/// A control plane: etcd, which Go names after the last part of its path, the
/// API server and the controller manager, stamped with their version.
pub const KUBERNETES: Recipe = Recipe {
    folder: "kubernetes",
    packages: &[
        "go.etcd.io/etcd/server/v3",
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ],
    ldflags: KUBERNETES_STAMP,
    renames: &[("server", "etcd")],
    takes: "about 12 minutes on 2 cores",
    instead: "put `etcd`, `kube-apiserver` and `kube-controller-manager` of Kubernetes 1.29 or newer into the folder that KUBEBUILDER_ASSETS names, or on PATH",
    tools: &[
        Tool {
            name: "etcd",
            variable: Variable::Folder("KUBEBUILDER_ASSETS"),
            asked: &["--version"],
            version_line: "etcd Version: 3.",
            accepted: "etcd Version: 3.",
        },
        Tool {
            name: "kube-apiserver",
            variable: Variable::Folder("KUBEBUILDER_ASSETS"),
            asked: &["--version"],
            version_line: "Kubernetes v1.",
            accepted: "Kubernetes v1.",
        },
        Tool {
            name: "kube-controller-manager",
            variable: Variable::Folder("KUBEBUILDER_ASSETS"),
            asked: &["--version"],
            version_line: "Kubernetes v1.",
            accepted: "Kubernetes v1.",
        },
    ],
    ..MODULE
};

/// What runs on a node, and sets one up. It must be the very version of the
/// control plane in the same node image: nothing that is installed is taken.
pub const NODE: Recipe = Recipe {
    folder: "kubernetes",
    packages: &[
        "k8s.io/kubernetes/cmd/kube-proxy",
        "k8s.io/kubernetes/cmd/kube-scheduler",
        "k8s.io/kubernetes/cmd/kubeadm",
        "k8s.io/kubernetes/cmd/kubelet",
    ],
    ldflags: KUBERNETES_STAMP,
    takes: "about 4 minutes on 2 cores",
    instead: "have a registry at hand that serves kindest/node",
    ..MODULE
};

/// kubectl, for the cluster and inside its nodes.
pub const KUBECTL: Recipe = Recipe {
    folder: "kubernetes",
    packages: &["k8s.io/kubernetes/cmd/kubectl"],
    ldflags: KUBERNETES_STAMP,
    takes: "about 3 minutes on 2 cores",
    instead: "put kubectl, from https://kubernetes.io/docs/tasks/tools, on PATH, or its path into KUBECTL",
    tools: &[Tool {
        name: "kubectl",
        variable: Variable::File("KUBECTL"),
        asked: &["version", "--client"],
        version_line: "Client Version: v1.",
        accepted: "Client Version: v1.",
    }],
    ..MODULE
};

/// kind, which makes a cluster of containers.
pub const KIND: Recipe = Recipe {
    folder: "kind",
    takes: "about a minute on 2 cores",
    instead: "put kind 0.33, from https://kind.sigs.k8s.io, on PATH, or its path into KIND",
    tools: &[Tool {
        name: "kind",
        variable: Variable::File("KIND"),
        asked: &["version"],
        version_line: "kind v0.33.",
        accepted: "kind v0.33.",
    }],
    ..MODULE
};
