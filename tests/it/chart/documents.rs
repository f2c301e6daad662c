//! What is made from the chart: `manifests/install.yaml` and the table of values.
//! `UPDATE_EXPECT=1` makes them again.

use std::{fmt::Write, fs};

use serde_json::Value;
use tests::machine::environment;

use super::helm::{Helm, chart};

const INSTALL: &str = "\
# Rendered from manifests/chart with default values; a test compares them.
#
#   kubectl apply --server-side -f manifests/install.yaml
#
# Before: replace the registry of the images, and add profiles to the ConfigMap
# (manifests/README.md#without-helm). For Kubernetes 1.30 and newer; 1.29 rejects the last
# two objects, and everything else works.
apiVersion: v1
kind: Namespace
metadata:
  name: prom-remotewrite-webhook
  labels:
    pod-security.kubernetes.io/enforce: restricted
";
const NAMESPACE: &str = "prom-remotewrite-webhook";
const BEGIN: &str = "<!-- values: begin -->\n";
const END: &str = "<!-- values: end -->\n";

/// Compares a file in `manifests` with what it should be.
fn check(name: &str, expected: &str) {
    let file = environment::crate_folder().join("../manifests").join(name);
    if environment::variable("UPDATE_EXPECT").is_some() {
        fs::write(&file, expected).unwrap();
    }
    let text = fs::read_to_string(&file).unwrap();
    if text != expected {
        let differs = text.lines().zip(expected.lines()).find(|(one, other)| one != other);
        panic!("{name} differs, first at {differs:#?}; UPDATE_EXPECT=1 writes it anew");
    }
}

#[tokio::test]
async fn the_plain_yaml_is_the_chart_with_its_own_values() {
    let Some(helm) = Helm::find("the_plain_yaml_is_the_chart_with_its_own_values") else { return };
    let chart = chart().display().to_string();
    let arguments = ["template", "prom-remotewrite", &chart, "--namespace", NAMESPACE];
    let version = ["--kube-version", "1.30.0", "--skip-tests"];
    let rendered = helm.run(&[arguments.as_slice(), &version].concat()).await.unwrap();
    // Each Helm puts empty lines elsewhere.
    let lines = rendered.lines().filter(|line| !line.is_empty());
    let text: String = lines.flat_map(|line| [line, "\n"]).collect();
    check("install.yaml", &format!("{INSTALL}{text}"));
}

#[test]
fn the_table_of_values_is_what_their_comments_say() {
    let values = fs::read_to_string(chart().join("values.yaml")).unwrap();
    let readme = environment::crate_folder().join("../manifests/chart/README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    check("chart/README.md", &format!("{before}{BEGIN}{}{END}{after}", table(&values)));
}

/// One row for each value that can be set; a comment stands above its key.
fn table(yaml: &str) -> String {
    let values: Value = serde_saphyr::from_str(yaml).unwrap();
    let mut table = "| value | default | meaning |\n|---|---|---|\n".to_owned();
    let mut path: Vec<&str> = Vec::new();
    let mut comment: Vec<&str> = Vec::new();
    for line in yaml.lines() {
        let content = line.trim_start();
        if let Some(text) = content.strip_prefix("# ") {
            comment.push(text);
            continue;
        }
        let Some((key, _)) = content.split_once(':') else {
            comment.clear();
            continue;
        };
        path.truncate((line.len() - content.len()) / 2);
        if path.last() == Some(&"resources") {
            continue;
        }
        let whole = [&path[..], &[key]].concat().join("/");
        let default = values.pointer(&format!("/{whole}")).unwrap();
        let inline = !line.ends_with(':');
        if inline || key == "resources" {
            assert!(!comment.is_empty(), "{whole} has no comment");
            let (name, meaning) = (whole.replace('/', "."), comment.join(" "));
            writeln!(table, "| `{name}` | `{default}` | {meaning} |").unwrap();
        }
        path.push(key);
        comment.clear();
    }
    table
}
