//! How each tool is recognised and built: data only.

mod addons;
mod kubernetes;
mod versions;

pub use self::{
    addons::{ADDONS, CONTAINERD, KUBE_ROUTER, LOCAL_PATH, MESH},
    kubernetes::{KIND, KUBECTL, KUBERNETES, NODE},
    versions::{
        CERT_MANAGER, COLLECTOR, ISTIO, KUBERNETES_1_29, KUBERNETES_1_32, KUBERNETES_1_34,
        KUBERNETES_1_36, PROMETHEUS_2_42, PROMETHEUS_2_53, PROMETHEUS_3_5, TELEGRAF, VMAGENT,
    },
};

/// Tools that one Go module holds.
#[derive(Clone, Copy, Debug)]
pub struct Recipe {
    /// The folder below `tests/tools` with its `go.mod` and `go.sum`.
    pub folder: &'static str,
    /// The argument of `go build`: `tool` for every tool of the module.
    pub packages: &'static [&'static str],
    /// Build tags.
    pub tags: &'static str,
    /// Flags for the linker.
    pub ldflags: &'static str,
    /// Programs that Go names otherwise than everyone: from, to.
    pub renames: &'static [(&'static str, &'static str)],
    /// How long the build takes, for a person who waits.
    pub takes: &'static str,
    /// What to install instead.
    pub instead: &'static str,
    /// What is built.
    pub tools: &'static [Tool],
}

/// One program.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// The variable that names it, or the folder it lies in.
    pub variable: Variable,
    /// How it is asked for its version.
    pub asked: &'static [&'static str],
    /// The expected output.
    pub version_line: &'static str,
    /// The output of one that is taken if its variable names it: that version was chosen.
    pub accepted: &'static str,
}

/// An environment variable with the path of a tool.
#[derive(Clone, Copy, Debug)]
pub enum Variable {
    /// It names the program.
    File(&'static str),
    /// It names a folder with the program in it.
    Folder(&'static str),
}

impl Variable {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::File(name) | Self::Folder(name) => name,
        }
    }
}

/// What most recipes have: every tool of the module, without the tables of debuggers.
const MODULE: Recipe = Recipe {
    folder: "",
    packages: &["tool"],
    tags: "",
    ldflags: "-s -w",
    renames: &[],
    takes: "",
    instead: "",
    tools: &[],
};

/// Prometheus, without the service discoveries that no one here asks for and without the
/// web interface's assets.
pub const PROMETHEUS: Recipe = Recipe {
    folder: "prometheus",
    packages: &["github.com/prometheus/prometheus/cmd/prometheus"],
    tags: "remove_all_sd,enable_kubernetes_sd,netgo",
    ldflags: "-s -w -X github.com/prometheus/common/version.Version=3.16.0 -X github.com/prometheus/common/version.Revision=module-v0.316.0 -X github.com/prometheus/common/version.Branch=module",
    takes: "about 5 minutes on 2 cores",
    instead: "put `prometheus` of Prometheus 3, from https://prometheus.io/download, on PATH, or its path into PROMETHEUS",
    tools: &[Tool {
        name: "prometheus",
        variable: Variable::File("PROMETHEUS"),
        asked: &["--version"],
        version_line: "prometheus, version 3.",
        accepted: "prometheus, version ",
    }],
    ..MODULE
};

/// promtool, which the demo does not wait for: the same packages, but for a few.
pub const PROMTOOL: Recipe = Recipe {
    packages: &["github.com/prometheus/prometheus/cmd/promtool"],
    takes: "a minute, once Prometheus is built",
    instead: "put `promtool` of Prometheus 3, from https://prometheus.io/download, on PATH, or its path into PROMTOOL",
    tools: &[Tool {
        name: "promtool",
        variable: Variable::File("PROMTOOL"),
        asked: &["--version"],
        version_line: "promtool, version 3.",
        accepted: "promtool, version 3.",
    }],
    ..PROMETHEUS
};

/// Helm, for the chart. Version 3 does as well.
pub const HELM: Recipe = Recipe {
    folder: "helm",
    takes: "about 4 minutes on 2 cores",
    instead: "put Helm 3.18 or newer, from https://helm.sh/docs/intro/install, on PATH, or its path into HELM",
    tools: &[Tool {
        name: "helm",
        variable: Variable::File("HELM"),
        asked: &["version"],
        version_line: "version.BuildInfo{Version:\"v",
        accepted: "version.BuildInfo{Version:\"v",
    }],
    ..MODULE
};
