//! What is tested with what: data only.

use ::tests::{
    product::architecture::Architecture,
    tools::{
        CERT_MANAGER, COLLECTOR, HELM, ISTIO, KUBERNETES, KUBERNETES_1_29, KUBERNETES_1_32,
        KUBERNETES_1_34, KUBERNETES_1_36, PROMETHEUS, PROMETHEUS_2_42, PROMETHEUS_2_53,
        PROMETHEUS_3_5, PROMTOOL, Recipe, TELEGRAF, VMAGENT,
    },
};

/// A part that the product works with.
#[derive(Debug)]
pub(crate) struct Row {
    /// As on the command line.
    pub(crate) name: &'static str,
    /// Whose `--version` is reported.
    pub(crate) program: &'static str,
    /// Modules and names of `cargo test --test it`.
    pub(crate) tests: &'static [&'static str],
    /// Whether those of them that are ignored without `just matrix` run, too. Other rows'
    /// are among the tests of a whole module.
    pub(crate) ignored: bool,
    /// What these tests start besides the part, built before they are timed.
    pub(crate) needs: &'static [&'static Recipe],
    /// What these tests prove, for the page.
    pub(crate) proves: &'static str,
    /// The versions: what they are called, and what each is.
    pub(crate) versions: &'static [(&'static str, Part)],
}

/// What differs from cell to cell.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// A tool that is built.
    Tool(&'static Recipe),
    /// The product itself for another architecture.
    Product(Architecture),
}

/// One part in one version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    pub(crate) row: &'static Row,
    pub(crate) version: &'static str,
    pub(crate) part: Part,
}

/// Everything that can be chosen, in the order of the page.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "kubernetes",
        program: "kube-apiserver",
        tests: &["admission::", "chart::", "control_plane::", "policy::", "rotation::", "status::"],
        ignored: false,
        needs: &[&KUBERNETES, &HELM, &PROMTOOL],
        proves: "the chart is installed, upgraded and removed, pods get their sidecar, certificates are rotated, policies do what the webhook does, and `kubectl prom-remotewrite status` finds what is broken. There are no nodes, and the controller manager next to 1.29 is that of 1.37",
        versions: &[
            ("1.29", Part::Tool(&KUBERNETES_1_29)),
            ("1.32", Part::Tool(&KUBERNETES_1_32)),
            ("1.34", Part::Tool(&KUBERNETES_1_34)),
            ("1.36", Part::Tool(&KUBERNETES_1_36)),
            ("1.37", Part::Tool(&KUBERNETES)),
        ],
    },
    Row {
        name: "prometheus",
        program: "prometheus",
        tests: &[
            "journey::",
            "sidecar::prometheus::",
            "sidecar::versions::",
            "harness::prometheus_",
        ],
        ignored: true,
        needs: &[],
        proves: "every sample that Prometheus has is in the mock of Azure, through two injected sidecars and through every fault, also with an agent and with remote write 2.0",
        versions: &[
            ("2.42", Part::Tool(&PROMETHEUS_2_42)),
            ("2.53", Part::Tool(&PROMETHEUS_2_53)),
            ("3.5", Part::Tool(&PROMETHEUS_3_5)),
            ("3.16", Part::Tool(&PROMETHEUS)),
        ],
    },
    Row {
        name: "vmagent",
        program: "vmagent",
        tests: &["sidecar::senders::vmagent_"],
        ignored: true,
        needs: &[],
        proves: "every sample that vmagent received is in the mock of Azure after 503, 429, 403, 500, no answer, broken connections, and a sidecar that is killed and one that is stopped",
        versions: &[("1.151", Part::Tool(&VMAGENT))],
    },
    Row {
        name: "collector",
        program: "otelcol",
        tests: &["sidecar::senders::an_opentelemetry_collector_"],
        ignored: true,
        needs: &[],
        proves: "the same holds for an OpenTelemetry Collector with the OTLP receiver and the prometheusremotewrite exporter",
        versions: &[("0.165", Part::Tool(&COLLECTOR))],
    },
    Row {
        name: "telegraf",
        program: "telegraf",
        tests: &["sidecar::senders::telegraf_"],
        ignored: true,
        needs: &[],
        proves: "the same holds for Telegraf with the output http and the data format prometheusremotewrite",
        versions: &[("1.37", Part::Tool(&TELEGRAF))],
    },
    Row {
        name: "istio",
        program: "istio-injector",
        tests: &["chart::istio::"],
        ignored: true,
        needs: &[&KUBERNETES, &HELM],
        proves: "pods that go through Istio's own injector, before and after this webhook, with its proxy as a container and as a native sidecar, have both sidecars, complete and correct, on the pinned API server. Istio publishes no release as a Go module, so this is a snapshot of its main branch",
        versions: &[("1.31", Part::Tool(&ISTIO))],
    },
    Row {
        name: "cert-manager",
        program: "cert-manager-controller",
        tests: &["chart::cert_manager::"],
        ignored: true,
        needs: &[&KUBERNETES, &HELM],
        proves: "cert-manager issues and renews the webhook's certificate and its CA as the chart's resources specify, API servers trust the webhook all the time, and no pod is denied. Later versions are not available as Go modules, but the chart's resources fit their definitions, too",
        versions: &[("1.11", Part::Tool(&CERT_MANAGER))],
    },
    Row {
        name: "architecture",
        program: "prom-remotewrite",
        tests: &["rotation::", "sidecar::"],
        ignored: false,
        needs: &[&KUBERNETES, &HELM, &PROMETHEUS, &PROMTOOL],
        proves: "sidecar, webhook and certs do the same when they are compiled for that architecture and emulated by QEMU",
        versions: &[("arm64", Part::Product(Architecture::Arm64))],
    },
];

impl Row {
    /// Its cells, oldest first.
    pub(crate) fn cells(&'static self) -> impl Iterator<Item = Cell> {
        let cell = move |&(version, part)| Cell { row: self, version, part };
        self.versions.iter().map(cell)
    }
}

impl Cell {
    /// As on the command line: `kubernetes=1.32`.
    pub(crate) fn name(self) -> String {
        format!("{}={}", self.row.name, self.version)
    }
}

/// Every cell.
pub(crate) fn all() -> impl Iterator<Item = Cell> {
    ROWS.iter().flat_map(Row::cells)
}

/// The cells that `word` chooses: `prometheus=2.42`, or `prometheus` for the whole row.
pub(crate) fn chosen(word: &str) -> Result<Vec<Cell>, String> {
    let found: Vec<Cell> =
        all().filter(|cell| cell.name() == word || cell.row.name == word).collect();
    if found.is_empty() {
        let names: Vec<String> = all().map(Cell::name).collect();
        return Err(format!("expected one of {}, or the word before =", names.join(", ")));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_chooses_a_cell_or_a_row() {
        let names = |word| chosen(word).unwrap().into_iter().map(Cell::name).collect::<Vec<_>>();
        assert_eq!(names("kubernetes=1.32"), ["kubernetes=1.32"]);
        assert_eq!(names("prometheus").len(), ROWS[1].versions.len());
        for unknown in ["", "kubernetes=1.28", "kubernetes=", "Prometheus", "=1.32"] {
            assert!(chosen(unknown).unwrap_err().contains("kubernetes=1.29"), "{unknown}");
        }
    }

    #[test]
    fn every_cell_is_run_at_night() {
        let file =
            ::tests::machine::environment::crate_folder().join("../.github/workflows/nightly.yml");
        let workflow = std::fs::read_to_string(file).unwrap();
        let workflow: serde_json::Value = serde_saphyr::from_str(&workflow).unwrap();
        let cells = workflow["jobs"]["versions"]["strategy"]["matrix"]["cell"].clone();
        let cells: Vec<String> = serde_json::from_value(cells).unwrap();
        assert_eq!(cells, all().map(Cell::name).collect::<Vec<_>>());
    }

    #[test]
    fn every_version_is_pinned_and_recognised() {
        let folder = ::tests::machine::environment::crate_folder().join("tools");
        for Cell { row, version, part } in all() {
            let Part::Tool(recipe) = part else { continue };
            for file in ["go.mod", "go.sum"] {
                assert!(folder.join(recipe.folder).join(file).exists(), "{}", recipe.folder);
            }
            let tool = recipe.tools.iter().find(|tool| tool.name == row.program).unwrap();
            assert!(!tool.accepted.is_empty());
            // A module does not know its own version: what it reports is set by hand.
            let stamps =
                ["=", "=v", "=vmagent-v"].map(|before| format!("ersion{before}{version}."));
            let is_stamped = stamps.iter().any(|stamp| recipe.ldflags.contains(stamp));
            assert!(is_stamped || row.name == "collector", "{}", recipe.ldflags);
        }
    }
}
