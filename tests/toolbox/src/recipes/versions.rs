//! Other versions than the pinned ones, for `just matrix`. Each is a module of its own in
//! `tests/tools/matrix`: what Dependabot updates has only the newest.

use super::{KUBERNETES, MODULE, PROMETHEUS, Recipe, Tool};

macro_rules! kubernetes {
    ($minor:literal, $patch:literal, tags $tags:literal, $($tool:literal),+) => {
        Recipe {
            folder: concat!("matrix/kubernetes-1.", $minor),
            tags: $tags,
            ldflags: concat!(
                "-s -w -X k8s.io/component-base/version.gitVersion=v1.", $minor, ".", $patch,
                " -X k8s.io/component-base/version.gitMajor=1",
                " -X k8s.io/component-base/version.gitMinor=", $minor,
                " -X k8s.io/component-base/version.gitTreeState=clean",
            ),
            takes: "about 6 minutes on 2 cores",
            instead: KUBERNETES.instead,
            tools: &[$(Tool {
                name: $tool,
                variable: super::Variable::Folder("KUBEBUILDER_ASSETS"),
                asked: &["--version"],
                version_line: concat!("Kubernetes v1.", $minor, "."),
                accepted: concat!("Kubernetes v1.", $minor, "."),
            }),+],
            ..MODULE
        }
    };
}

macro_rules! prometheus {
    ($folder:literal, $version:literal) => {
        Recipe {
            folder: concat!("matrix/prometheus-", $folder),
            tags: PROMETHEUS.tags,
            ldflags: concat!(
                "-s -w -X github.com/prometheus/common/version.Version=",
                $version,
                " -X github.com/prometheus/common/version.Revision=module",
                " -X github.com/prometheus/common/version.Branch=module",
            ),
            takes: "about 5 minutes on 2 cores",
            instead: PROMETHEUS.instead,
            tools: &[Tool {
                name: "prometheus",
                variable: super::Variable::File("PROMETHEUS"),
                asked: &["--version"],
                version_line: concat!("prometheus, version ", $version),
                accepted: concat!("prometheus, version ", $version),
            }],
            ..MODULE
        }
    };
}

/// The oldest Kubernetes that the chart supports: its API server, without cloud providers.
/// The controller manager beside it is the pinned one.
pub const KUBERNETES_1_29: Recipe = kubernetes!("29", "6", tags "providerless", "kube-apiserver");
/// Kubernetes 1.32.
pub const KUBERNETES_1_32: Recipe =
    kubernetes!("32", "2", tags "", "kube-apiserver", "kube-controller-manager");
/// Kubernetes 1.34.
pub const KUBERNETES_1_34: Recipe =
    kubernetes!("34", "4", tags "", "kube-apiserver", "kube-controller-manager");
/// Kubernetes 1.36, the first with `MutatingAdmissionPolicy` v1.
pub const KUBERNETES_1_36: Recipe =
    kubernetes!("36", "3", tags "", "kube-apiserver", "kube-controller-manager");

/// Prometheus 2.42, which Debian 12 has.
pub const PROMETHEUS_2_42: Recipe = prometheus!("2.42", "2.42.0");
/// Prometheus 2.53, the last of version 2 with long-term support.
pub const PROMETHEUS_2_53: Recipe = prometheus!("2.53", "2.53.3");
/// Prometheus 3.5, with long-term support.
pub const PROMETHEUS_3_5: Recipe = prometheus!("3.5", "3.5.1");

/// vmagent, which scrapes and writes as Prometheus does, with a queue on disk.
pub const VMAGENT: Recipe = Recipe {
    folder: "matrix/vmagent",
    tags: "netgo",
    ldflags: "-s -w -X github.com/VictoriaMetrics/VictoriaMetrics/lib/buildinfo.Version=vmagent-v1.151.0",
    takes: "about 2 minutes on 2 cores",
    instead: "put vmagent, from https://docs.victoriametrics.com/vmagent, on PATH, or its path into VMAGENT",
    tools: &[Tool {
        name: "vmagent",
        variable: super::Variable::File("VMAGENT"),
        asked: &["-version"],
        version_line: "vmagent-v1.",
        accepted: "vmagent-",
    }],
    ..MODULE
};

/// An OpenTelemetry Collector that takes OTLP and writes to Prometheus' remote write.
pub const COLLECTOR: Recipe = Recipe {
    folder: "matrix/collector",
    packages: &["."],
    renames: &[("collector", "otelcol")],
    takes: "about 5 minutes on 2 cores",
    instead: "put `otelcol` with the OTLP receiver and the prometheusremotewrite exporter on PATH, or its path into OTELCOL",
    tools: &[Tool {
        name: "otelcol",
        variable: super::Variable::File("OTELCOL"),
        asked: &["--version"],
        version_line: "otelcol version 0.",
        accepted: "version 0.",
    }],
    ..MODULE
};

/// Telegraf, with what the test needs: it takes lines over HTTP, and writes them to
/// Prometheus' remote write.
pub const TELEGRAF: Recipe = Recipe {
    folder: "matrix/telegraf",
    packages: &["."],
    ldflags: "-s -w -X main.version=1.37.2",
    takes: "about 3 minutes on 2 cores",
    instead: "put telegraf, from https://docs.influxdata.com/telegraf, on PATH, or its path into TELEGRAF",
    tools: &[Tool {
        name: "telegraf",
        variable: super::Variable::File("TELEGRAF"),
        asked: &["--version"],
        version_line: "Telegraf 1.",
        accepted: "Telegraf ",
    }],
    ..MODULE
};

/// The part of Istio's control plane that injects its proxy into pods: Istio's own webhook,
/// of a snapshot, since no release is served as a module.
pub const ISTIO: Recipe = Recipe {
    folder: "matrix/istio",
    packages: &["."],
    ldflags: "-s -w -X istio.io/istio/pkg/version.buildVersion=1.31.0-eed52ebb66ad",
    renames: &[("istio", "istio-injector")],
    takes: "about 6 minutes on 2 cores",
    instead: "nothing else: Istio releases no program that is only its injector",
    tools: &[Tool {
        name: "istio-injector",
        variable: super::Variable::File("ISTIO_INJECTOR"),
        asked: &["--version"],
        version_line: "istio version 1.",
        accepted: "istio version 1.",
    }],
    ..MODULE
};

/// cert-manager's controller; its injector is not needed, since certs keeps the trust.
pub const CERT_MANAGER: Recipe = Recipe {
    folder: "matrix/cert-manager",
    packages: &["."],
    ldflags: "-s -w -X github.com/cert-manager/cert-manager/pkg/util.AppVersion=1.11.5",
    renames: &[("cert-manager", "cert-manager-controller")],
    takes: "about 4 minutes on 2 cores",
    instead: "nothing else: cert-manager releases its controller as an image only",
    tools: &[Tool {
        name: "cert-manager-controller",
        variable: super::Variable::File("CERT_MANAGER"),
        asked: &["--version"],
        version_line: "cert-manager version 1.",
        accepted: "cert-manager version 1.",
    }],
    ..MODULE
};
