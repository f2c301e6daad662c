//! The chart as a package: what `helm lint` and Artifact Hub see of it.

use std::fs;

use serde_json::Value;

use super::{
    helm::{Helm, chart},
    objects::text,
};

fn chart_yaml() -> Value {
    serde_saphyr::from_str(&fs::read_to_string(chart().join("Chart.yaml")).unwrap()).unwrap()
}

#[tokio::test]
async fn helm_lint_has_nothing_to_say() {
    let Some(helm) = Helm::find("helm_lint_has_nothing_to_say") else { return };
    let chart = chart().display().to_string();
    let said = helm.run(&["lint", "--strict", &chart, "--kube-version", "1.37.2"]).await.unwrap();
    assert!(said.contains("1 chart(s) linted, 0 chart(s) failed"), "{said}");
    assert!(!said.contains("[WARNING]") && !said.contains("[ERROR]"), "{said}");
}

#[tokio::test]
async fn artifact_hub_lists_the_images_that_run() {
    let Some(helm) = Helm::find("artifact_hub_lists_the_images_that_run") else { return };
    let chart = chart_yaml();
    assert_eq!(chart["version"], chart["appVersion"]);
    let images = text(&chart, "/annotations/artifacthub.io~1images");
    let images: Vec<Value> = serde_saphyr::from_str(images).unwrap();
    let rendered = helm.template(("one", "two"), &serde_json::json!({}), &[]).await.unwrap();
    let rendered = Value::from(rendered).to_string();
    assert_eq!(images.len(), 3);
    for image in images {
        let image = text(&image, "/image");
        assert!(rendered.contains(image), "{image} is not what the chart runs");
    }
    for other in ["category", "license", "links"] {
        assert!(!text(&chart, &format!("/annotations/artifacthub.io~1{other}")).is_empty());
    }
}

/// NOTES of a release whose webhook is asked before azure-workload-identity's.
#[tokio::test]
async fn notes_warn_of_a_name_that_sorts_too_early() {
    let Some(helm) = Helm::find("notes_warn_of_a_name_that_sorts_too_early") else { return };
    let chart = chart().display().to_string();
    for (name, early) in [("aks-monitoring", true), ("azure-wi-x", false), ("prom", false)] {
        let arguments = ["install", name, &chart, "--dry-run=client"];
        let said = helm.run(&arguments).await.unwrap();
        assert_eq!(said.contains("comes before azure-wi-webhook"), early, "{name}: {said}");
    }
}

/// NOTES of a release whose name is too long for its objects.
#[tokio::test]
async fn notes_show_a_name_that_is_cut() {
    let Some(helm) = Helm::find("notes_show_a_name_that_is_cut") else { return };
    let chart = chart().display().to_string();
    let (short, long) = ("r".repeat(28), "r".repeat(29));
    for (name, set, cut) in [
        (&short, "webhook.replicas=2", false),
        (&long, "webhook.replicas=2", true),
        (&long, "fullnameOverride=short", false),
    ] {
        let arguments = ["install", name, &chart, "--dry-run=client", "--set", set];
        let said = helm.run(&arguments).await.unwrap();
        let expected = format!("begin with {name}-prom-remotewrit:\n{name}-prom-remotewrite is");
        assert_eq!(said.contains(&expected), cut, "{set}: {said}");
    }
}

/// NOTES list the next steps, which depend on values.
#[tokio::test]
async fn notes_say_what_a_mode_leaves_to_others() {
    const TEST: &str = "notes_say_what_a_mode_leaves_to_others";
    let Some(helm) = Helm::find(TEST) else { return };
    let chart = chart().display().to_string();
    let canary =
        "webhook.namespaceSelector[0].key=canary,webhook.namespaceSelector[0].operator=Exists";
    let scraped = format!("podMonitor.enabled=true,{canary}");
    let provided = "certificates.mode=provided,certificates.provided.secretName=own";
    for (set, said, log) in [
        (provided, "another tool must write caBundle", false),
        (scraped.as_str(), "selects namespaces by the label canary", true),
        (
            "validatingAdmissionPolicy.action=warn,webhook.failurePolicy=Ignore",
            "have no\nsidecar",
            true,
        ),
        ("webhook.failurePolicy=Ignore", "are denied while no webhook answers", true),
    ] {
        for (set, expected) in [(set, true), ("webhook.replicas=3", false)] {
            let arguments = ["install", "prom", &chart, "--dry-run=client", "--set", set];
            let notes = helm.run(&arguments).await.unwrap();
            let (_, notes) = notes.split_once("NOTES:").unwrap();
            assert_eq!(notes.contains(said), expected, "{set}: {notes}");
            let has_log = notes.contains("deploy/prom-prom-remotewrite-certs")
                || notes.contains("deploy/prom-remotewrite-certs");
            assert_eq!(has_log, log || !expected, "{set}: {notes}");
        }
    }
}
