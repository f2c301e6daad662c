//! What somebody tries who has read nothing: files that are broken, that have
//! been through the webhook, or that say things in rare ways.

use super::*;

const URL: &str = "https://team-a-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";

/// A hand-written container in braces.
fn container() -> String {
    format!(
        "{{name: prom-remotewrite, restartPolicy: Always, image: i, env: [{{name: INGESTION_URL, value: '{URL}'}}, {{name: IDENTITY_TYPE, value: systemAssigned}}]}}"
    )
}

fn said(migration: &Migration) -> String {
    migration.attempts.iter().map(ToString::to_string).collect()
}

#[test]
fn a_native_sidecar_is_migrated_as_one_beside_prometheus() {
    let text = format!(
        "kind: Pod\nmetadata: {{name: p}}\nspec:\n  initContainers:\n  - {}\n  containers:\n  - {{name: prometheus, image: p}}\n",
        container()
    );
    let migration = migrated(&text);
    assert!(migration.is_whole(), "{}", said(&migration));
    let value = read(&migration.text).unwrap();
    assert_eq!(value["spec"]["initContainers"], Value::Null);
    assert_eq!(value["metadata"]["annotations"]["prom-remotewrite/inject"], "true");
    let alone = text.replace("  - {name: prometheus, image: p}\n", "").replace("containers:\n", "");
    assert!(!migrated(&alone).is_whole());
}

#[test]
fn what_the_webhook_injected_stays_and_is_called_so() {
    let config =
        "image: a/b:1\nprofiles:\n  default:\n    identityType: systemAssigned\n    ingestionUrl: ";
    let config = Config::parse(&format!("{config}{URL}\n")).unwrap();
    let pod = "kind: Pod\nmetadata: {name: p, annotations: {prom-remotewrite/inject: 'true'}}\nspec:\n  containers:\n  - {name: prometheus, image: p}\n";
    let injected = manifests::inject(&config.into(), pod).unwrap().text;
    let migration = migrated(&injected);
    assert_eq!(migration.text, injected);
    assert!(said(&migration).contains("injected it already"), "{}", said(&migration));
}

#[test]
fn what_is_no_yaml_is_an_error_in_plain_words() {
    let error = |text: &str| migrate(text, "default").unwrap_err().to_string();
    for (text, place) in [
        ("a: [1, 2\nb: 3", "document 1: line 2"),
        ("a: 1\n---\nname: prom-remotewrite\nb: [", "document 2: line"),
        ("a: prom-remotewrite\na: 2", "document 1: line 2 column 1: duplicate mapping key: a"),
        ("a:\n\tb: prom-remotewrite", "document 1: line 2 column 2: a tab, and YAML is indented"),
        (
            "a: .inf\nb: prom-remotewrite",
            "document 1: line 1 column 4: neither JSON nor Kubernetes has the number `.inf`",
        ),
    ] {
        let error = error(text);
        assert!(error.starts_with(place), "{error}");
        assert!(!error.contains("olicy"), "{error}");
    }
    for text in ["", "# nothing\n", "%YAML 1.2\n---\na: 1\n"] {
        assert_eq!(migrate(text, "default").unwrap().text, text);
    }
}

#[test]
fn a_document_written_anew_is_called_so_and_keeps_its_numbers() {
    let text = format!(
        "# header\nbig: 17\nid: &id a   # one\nprometheus:\n  prometheusSpec:\n    nodeSelector: &shared {{a: b}}\n    podMetadata: {{labels: *shared, annotations: *shared}}\n    containers:\n    - {}\n",
        container()
    );
    let said_of = said(&migrated(&text));
    let note = "because of an alias, the first at line 7, and with it go anchors, layout and all comments: 2";
    assert!(said_of.contains(note), "{said_of}");
    let long = text.replace("17", "12345678901234567890123");
    let migration = migrated(&long);
    assert_eq!(migration.text, long);
    assert!(said(&migration).contains("the number at line 2 is too long"), "{}", said(&migration));
    let quoted = text.replace("17", "'12345678901234567890123'");
    assert!(migrated(&quoted).is_whole(), "a text is no number");
}

#[test]
fn an_encoded_secret_is_named_however_it_is_written() {
    for text in [
        "kind: Secret\ndata: {values.yaml: bmFtZTogeApJTkdFU1RJT05fVVJMOiB5Cg==, a: aHVudGVyMg==}\n",
        "{\"kind\":\"Secret\",\"data\":{\"values.yaml\":\"SU5HRVNUSU9OX1VSTA==\",\"a\":\"/w==\"}}",
    ] {
        let migration = migrated(text);
        assert_eq!(migration.text, text);
        let said_of = said(&migration);
        assert!(said_of.contains("data.values.yaml stays"), "{said_of}");
        assert!(!said_of.contains("data.a "), "{said_of}");
    }
}
