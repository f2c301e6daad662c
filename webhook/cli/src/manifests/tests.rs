mod explained;
mod lines;
mod origins;
mod properties;

use expect_test::Expect;
use serde_json::json;

use super::*;
use crate::tests::{config_file, prometheus, with_one_version};

/// The text afterwards; what it means is what the webhook would have made.
fn check(text: &str, expected: &Expect) -> Injected {
    let injected = inject(&config_file(), text).unwrap();
    expected.assert_eq(&with_one_version(&shortened(&injected.text)));
    assert_same_meaning(text, &injected.text);
    let again = inject(&config_file(), &injected.text).unwrap();
    assert_eq!(again.text, injected.text, "a second pass changes something");
    injected
}

/// Without the inside of our container, which the golden pods show.
fn shortened(text: &str) -> String {
    let mut inside = None;
    let mut lines = String::new();
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start().len();
        if line.trim_start().starts_with("- env:") {
            inside = Some(indent);
            lines = lines + &" ".repeat(indent) + "- SIDECAR\n";
        } else if inside.is_none_or(|column| indent <= column) {
            inside = None;
            lines.push_str(line);
        }
    }
    lines
}

fn assert_same_meaning(before: &str, after: &str) {
    let (before, after) = (documents(before), documents(after));
    assert_eq!(before.len(), after.len());
    for (before, after) in before.into_iter().zip(after) {
        let before: Value = serde_saphyr::from_str(before).unwrap();
        let mut expected = before.clone();
        for workload in workloads(&before) {
            let pod = Pod::new(&workload.pod);
            let decision = decide(&config_file().config, pod);
            let patch = review::patch_for(&decision, &mut pod.raw().clone()).unwrap();
            if let Some(patch) = patch {
                json_patch::patch(&mut expected, &below(&workload, patch)).unwrap();
            }
        }
        assert_eq!(serde_saphyr::from_str::<Value>(after).unwrap(), expected);
    }
}

#[test]
fn a_denied_pod_is_reported_and_stays() {
    let text = "kind: Pod\nmetadata: {name: a, annotations: {prom-remotewrite/inject: ja}}\n";
    let injected = inject(&config_file(), text).unwrap();
    assert!(injected.has_denials());
    assert_eq!(injected.text, text);
    let error = inject(&config_file(), "a: 1\n---\n{prom-remotewrite/: [").unwrap_err();
    assert!(error.to_string().starts_with("document 2: "), "{error}");
}
