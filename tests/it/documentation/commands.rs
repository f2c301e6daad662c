//! The commands of the READMEs exist, with every subcommand and flag.

use std::{collections::BTreeSet, fs, time::Duration};

use tests::{
    machine::process::Program,
    product::binaries::{self, CERTS, CLI, SIDECAR, WEBHOOK},
};

use super::{pages, root};
use crate::chart::helm::Helm;

const PATIENCE: Duration = Duration::from_mins(1);

/// What is not run, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("az", "asks Azure; `azure.rs` runs manifests/azure/commands.sh against a played one"),
    ("cosign", "asks a registry and Sigstore"),
    ("curl", "asks what runs on the kind cluster only"),
    ("docker", "asks an engine and a registry; `release.rs` looks at the Dockerfile"),
    ("eval", "sets variables for what follows; the command in it is one of just's"),
    ("export", "sets a variable for what follows"),
    ("go", "fetches a tool from the network"),
    ("kubectl", "asks a cluster; its names are looked at, and what it runs in a pod is parsed"),
    ("manifests/azure/commands.sh", "asks Azure; `azure.rs` runs it against a played one"),
];

/// Subcommands of Cargo itself that pages use.
const CARGO: &[&str] = &["build", "fuzz", "install", "run", "test"];

/// The commands of a block: one a line, continued by a backslash; what follows a
/// pipe or a redirection is left out, and comments.
fn commands(block: &str) -> Vec<Vec<String>> {
    let joined = block.replace("\\\n", " ");
    let lines = joined.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let line =
                [" | ", " > "].iter().fold(line, |line, end| line.split(end).next().unwrap());
            let words =
                line.split_whitespace().map(|word| word.trim_matches(['\'', '"']).to_owned());
            words.skip_while(|word| is_assignment(word)).collect()
        })
        .collect()
}

/// `NAME=value` before a command.
fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map(|(name, _)| name);
    name.is_some_and(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
}

/// Every command of every page, with its place.
fn all() -> Vec<(String, Vec<String>)> {
    let mut all = Vec::new();
    for block in pages().into_iter().flat_map(|page| page.blocks) {
        if ["sh", "bash", "console"].contains(&block.language.as_str()) {
            all.extend(commands(&block.text).into_iter().map(|words| (block.place.clone(), words)));
        }
    }
    assert!(all.len() > 15, "{all:?}");
    all
}

#[tokio::test]
async fn every_command_exists() {
    let mut unused: BTreeSet<&str> = NOT_RUN.iter().map(|(name, _)| *name).collect();
    for (place, words) in all() {
        let Some((program, arguments)) = words.split_first() else { continue };
        match program.as_str() {
            "just" => recipe(&place, arguments),
            "cargo" => cargo(&place, arguments),
            ".ci/run" => steps(&place, arguments),
            "helm" => helm(&place, arguments).await,
            "promtool" => assert!(["check", "test"].contains(&arguments[0].as_str()), "{place}"),
            SIDECAR | WEBHOOK | CERTS | CLI => parses(&place, program, arguments).await,
            other => {
                let found = NOT_RUN.iter().any(|(name, _)| *name == other);
                assert!(found, "{place}: nobody knows whether `{}` works", words.join(" "));
                unused.remove(other);
                if other == "kubectl" {
                    kubectl(&place, arguments).await;
                }
            }
        }
    }
    assert!(unused.is_empty(), "no page uses {unused:?}");
}

/// The program takes the arguments: `--help` at their end is reached only if
/// nothing before it is refused.
async fn parses(place: &str, program: &str, arguments: &[String]) {
    let file = binaries::find(program).unwrap();
    let said = Program::new(program, file).args(arguments).arg("--help").run(PATIENCE).await;
    let said = said.unwrap_or_else(|failure| panic!("{place}: {failure}"));
    assert!(said.contains("Usage:"), "{place}: {said}");
}

fn recipe(place: &str, arguments: &[String]) {
    let justfile = fs::read_to_string(root().join("justfile")).unwrap();
    let Some(name) = arguments.first() else { return };
    let is_recipe = |line: &str| {
        let head = line.split(':').next().unwrap_or_default();
        line.contains(':') && !line.starts_with(' ') && head.split(' ').next() == Some(name)
    };
    assert!(justfile.lines().any(is_recipe), "{place}: just has no {name}");
}

fn cargo(place: &str, arguments: &[String]) {
    let aliases = fs::read_to_string(root().join(".cargo/config.toml")).unwrap();
    let name = arguments.iter().find(|argument| !argument.starts_with('+')).unwrap();
    let alias = aliases.lines().any(|line| line.starts_with(&format!("{name} = ")));
    assert!(alias || CARGO.contains(&name.as_str()), "{place}: cargo {name}");
    let words = arguments.iter().zip(arguments.iter().skip(1));
    for (_, package) in words.filter(|(flag, _)| matches!(flag.as_str(), "-p" | "--package")) {
        let members = fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(
            members.contains(&format!("{package}\"")),
            "{place}: there is no package {package}"
        );
    }
}

fn steps(place: &str, arguments: &[String]) {
    let script = fs::read_to_string(root().join(".ci/run")).unwrap();
    for step in arguments {
        assert!(script.contains(&format!("\n{step}() {{")), "{place}: .ci/run has no {step}");
    }
}

/// What would be installed is rendered, with an example for `my-profiles.yaml`.
async fn helm(place: &str, arguments: &[String]) {
    match arguments[0].as_str() {
        "install" | "upgrade" => {}
        // These ask a cluster or a registry; the chart's tests run them.
        "get" | "test" | "rollback" | "history" | "uninstall" | "repo" | "pull" | "push" => return,
        other => panic!("{place}: helm {other}"),
    }
    let Some(helm) = Helm::find("every_command_exists") else { return };
    let dropped = ["--install", "--wait", "--create-namespace", "--atomic", "--force-conflicts"];
    let arguments = arguments[1..].iter().filter(|word| !dropped.contains(&word.as_str()));
    let profiles = crate::chart::helm::examples().join("profiles/workload-identity.yaml");
    let chart = root().join("manifests/chart").display().to_string();
    let words = arguments.map(|word| match word.as_str() {
        "my-profiles.yaml" => profiles.display().to_string(),
        "manifests/chart" => chart.clone(),
        file if file.starts_with("manifests/") => root().join(file).display().to_string(),
        oci if oci.starts_with("oci://") => chart.clone(),
        _ => word.clone(),
    });
    let words: Vec<String> = std::iter::once("template".to_owned()).chain(words).collect();
    // Someone else's chart is not here; the values are, and `examples.rs` has them.
    if words.iter().any(|word| word.starts_with("prometheus-community/")) {
        let (_, values) =
            words.iter().zip(words.iter().skip(1)).find(|(flag, _)| *flag == "--values").unwrap();
        assert!(root().join(values).exists(), "{place}: there is no {values}");
        // Without these flags an upgrade drops the reader's own values, and upgrades the chart.
        for flag in ["--reuse-values", "--version"] {
            assert!(words.iter().any(|word| word == flag), "{place}: without {flag}");
        }
        return;
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let said = helm.run(&words).await.unwrap_or_else(|failure| panic!("{place}: {failure}"));
    assert!(said.contains("MutatingWebhookConfiguration"), "{place}");
}

/// Containers and Deployments are named as they are, and a program that is run in
/// a pod takes its arguments, as our plugin does.
async fn kubectl(place: &str, arguments: &[String]) {
    if let [plugin, arguments @ ..] = arguments
        && plugin == "prom-remotewrite"
    {
        return parses(place, CLI, arguments).await;
    }
    for (flag, value) in arguments.iter().zip(arguments.iter().skip(1)) {
        if flag == "-c" {
            assert_eq!(value, contract::names::CONTAINER, "{place}");
        }
    }
    for name in arguments.iter().filter_map(|word| word.strip_prefix("deploy/")) {
        let plain = fs::read_to_string(root().join("manifests/install.yaml")).unwrap();
        assert!(plain.contains(&format!("  name: {name}\n")), "{place}: {name}");
    }
    let mut inner = arguments.iter().skip_while(|word| *word != "--").skip(1);
    if let Some(program) = inner.next() {
        let program = program.strip_prefix('/').unwrap_or(program);
        assert!([SIDECAR, WEBHOOK, CERTS].contains(&program), "{place}: {program}");
        let rest: Vec<String> = inner.cloned().collect();
        parses(place, program, &rest).await;
    }
}
