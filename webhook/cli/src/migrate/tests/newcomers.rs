//! What somebody tries who has read nothing: files that are broken, that have
//! been through the webhook, or that say things in rare ways.

use serde_json::json;

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
fn an_injected_sidecar_stays_and_is_called_so() {
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
fn a_file_that_is_not_yaml_is_an_error_in_plain_words() {
    let error =
        |text: &str| migrate(text, Profiles::new("default", "").unwrap()).unwrap_err().to_string();
    for (text, place) in [
        ("a: [1, 2\nb: 3", "document 1: line 2"),
        ("a: 1\n---\nname: prom-remotewrite\nb: [", "document 2: line"),
        ("a: prom-remotewrite\na: 2", "document 1: line 2 column 1: duplicate mapping key: a"),
        ("a:\n\tb: prom-remotewrite", "document 1: line 2 column 2: a tab, but YAML is indented"),
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
        assert_eq!(migrated(text).text, text);
    }
}

/// What is no Kubernetes YAML is called what it is, with the next step.
#[test]
fn other_languages_are_called_by_their_names() {
    let spec = "prometheus:\n  prometheusSpec:\n    containers:\n    - name: prom-remotewrite\n      env:\n      - {name: INGESTION_URL, value: a}\n";
    for (text, language) in [
        (format!("resource \"helm_release\" \"kps\" {{\n  values = [<<EOF\n{spec}EOF\n  ]\n}}\n"), "Terraform (HCL)"),
        ("module \"kps\" {\n  values = [yamlencode({ env = [{ name = \"INGESTION_URL\" }] })]\n}\n".to_owned(), "Terraform (HCL)"),
        ("param id string\nresource kps 'Microsoft.App/a@2023-05-01' = {\n  name: 'INGESTION_URL'\n}\n".to_owned(), "Bicep"),
        (format!("# How to\n\n```yaml\n{spec}```\n"), "Markdown"),
        (format!("#!/bin/sh\ncat <<EOF | kubectl apply -f -\n{spec}EOF\n"), "a script"),
        (format!("resource \"helm_release\" \"kps\" {{\n  values = [<<-EOF\n%{{ if var.azure }}\n{spec}%{{ endif }}\nEOF\n  ]\n}}\n"), "Terraform (HCL)"),
        ("azure = {\n  env = [{ name = \"INGESTION_URL\", value = var.url }]\n}\n".to_owned(), "Terraform (HCL)"),
        (format!("locals {{\n  values = <<EOF\n---\n{spec}EOF\n}}\n"), "Terraform (HCL)"),
        (format!("%{{ if azure ~}}\n{spec}%{{ endif ~}}\n"), "a template of Terraform"),
        (spec.replace("    containers", "    %{ for one in all ~}\n    containers"), "a template of Terraform"),
        (format!("import * as k8s from 'k8s';\nconst a = `\n{spec}`;\n"), "TypeScript or JavaScript"),
        ("export const env = [{ name: 'INGESTION_URL', value: url }];\n".to_owned(), "TypeScript or JavaScript"),
        ("new k8s.helm.v3.Release('kps', {\n  env: [{ name: 'INGESTION_URL', value: url }],\n});\n".to_owned(), "TypeScript or JavaScript"),
        ("from cdk8s import Chart\nENV = {\"INGESTION_URL\": url}\n".to_owned(), "a program"),
        ("local kp = import 'main.libsonnet';\nkp { env: [{ name: 'INGESTION_URL', value: 'x' }] }\n".to_owned(), "Jsonnet"),
        ("{\n  prometheus+:: {\n    env: [{ name: 'INGESTION_URL', value: $.url }],\n  },\n}\n".to_owned(), "Jsonnet"),
        (format!("{{prometheusSpec+: {{containers: [{}]}}}}\n", container()), "Jsonnet"),
        (format!("{{{{- if .Values.azure }}}}\n{spec}{{{{- end }}}}\n"), "a template"),
        (format!("{{% if azure %}}\n{spec}{{% endif %}}\n"), "a template"),
        (spec.replace("value: a", "value: {{ url }}"), "a template"),
        (spec.replace("value: a", "value: %URL%"), "a template"),
    ] {
        let said = match migrate(&text, Profiles::new("default", "").unwrap()) {
            Err(error) => error.to_string(),
            Ok(migration) => {
                assert_eq!(migration.text, text);
                assert!(!migration.is_whole());
                said(&migration)
            }
        };
        assert!(said.contains(&format!("this is {language}")), "{text}\n{said}");
    }
}

/// Terraform is a text to YAML, and a comment says nothing.
#[test]
fn a_sidecar_in_another_language_is_never_nothing() {
    let text = "resource \"helm_release\" \"kps\" {\n  env = [\n    { name = \"INGESTION_URL\", value = var.url },\n  ]\n}\n";
    let migration = migrated(text);
    assert_eq!(migration.text, text);
    assert!(!migration.is_whole());
    assert!(said(&migration).contains("Terraform"), "{}", said(&migration));
}

/// A comment is not in use, and what is encoded is.
#[test]
fn marks_where_nobody_looks_are_named() {
    let text = "---\na: 1\n---\nprometheusSpec:\n  retention: 1d\n  # containers:\n  # - env: [{name: INGESTION_URL, value: a}]\n";
    let migration = migrated(text);
    assert_eq!(migration.text, text);
    assert!(migration.is_whole());
    let notes = migration.notes.join("\n");
    assert!(notes.starts_with("document 2, line 5: \"INGESTION_URL\" is there, but"), "{notes}");
    // - env: [{name: INGESTION_URL}]
    for encoded in [
        "LSBlbnY6IFt7bmFtZTogSU5HRVNUSU9OX1VSTH1dCg==",
        "|\n    LSBlbnY6IFt7bmFtZTog\n    SU5HRVNUSU9OX1VSTH1dCg==\n",
    ] {
        let text =
            format!("kind: Secret\ndata:\n  password: aHVudGVyMg==\n  values.yaml: {encoded}\n");
        let migration = migrated(&text);
        assert_eq!(migration.text, text);
        let said = said(&migration);
        assert!(said.contains("text at data.values.yaml stays as it is"), "{said}");
        assert!(said.contains("decoded if it is base64"), "{said}");
    }
}

/// As tools write values into a string: on one line, in quotes.
#[test]
fn json_in_a_quoted_string_is_a_file_as_well() {
    let values = format!("{{\"prometheusSpec\": {{\"containers\": [{}]}}}}", container());
    let values: Value = serde_saphyr::from_str(&values).unwrap();
    let folded = serde_json::to_string_pretty(&values).unwrap().replace('\n', "\n    ");
    for quoted in [format!("'{values}'"), format!("'{folded}'"), Value::from(folded).to_string()] {
        let text = format!("kind: Application\nspec: # of ours\n  values: {quoted}\n  a: b # c\n");
        let migration = migrated(&text);
        assert!(migration.is_whole(), "{}", said(&migration));
        let document = read(&migration.text).unwrap();
        let inner = read(document["spec"]["values"].as_str().unwrap()).unwrap();
        let annotations = json!({"prom-remotewrite/inject": "true"});
        let expected = json!({"prometheusSpec": {"podMetadata": {"annotations": annotations}}});
        assert_eq!(inner, expected);
        assert!(migration.text.starts_with("kind: Application\nspec: # of ours\n  values: "));
        assert!(migration.text.ends_with("\n  a: b # c\n"), "{}", migration.text);
    }
}

/// What an `OpenShift` Template fills in is filled in by no one in a profile.
#[test]
fn a_parameter_of_a_template_is_to_be_filled_in() {
    let template = |url: &str| {
        let container = container().replace(URL, url);
        format!(
            "kind: Template\nobjects:\n- apiVersion: monitoring.coreos.com/v1\n  kind: Prometheus\n  metadata: {{name: a}}\n  spec:\n    containers:\n    - {container}\nparameters:\n- {{name: URL, value: '{URL}'}}\n"
        )
    };
    let migration = migrated(&template("${URL}"));
    assert!(migration.is_whole(), "{}", said(&migration));
    let expected = "note     fill in the profile's ingestionUrl\n";
    assert!(said(&migration).contains(expected), "{}", said(&migration));
    assert!(
        migration.profiles.values().contains("ingestionUrl: \"${URL}\"\n"),
        "{}",
        migration.profiles.values()
    );
    assert!(!said(&migrated(&template(URL))).contains("fill in"));
}

/// In other words than YAML's, and in an image whose name shows nothing.
#[test]
fn a_block_in_any_language_is_never_nothing() {
    let alloy = "kind: ConfigMap\ndata:\n  config.alloy: |\n    prometheus.remote_write \"a\" {\n      endpoint {\n        azuread {\n          managed_identity { client_id = \"a\" }\n        }\n      }\n    }\n";
    for (text, expected) in [
        (
            "resource \"helm_release\" \"a\" {\n  values = [yamlencode({ remoteWrite = [{ azureAd = { sdk = {} } }] })]\n}\n",
            "this is Terraform (HCL)",
        ),
        (
            "resource \"helm_release\" \"a\" {\n  set {\n    name = \"p.remoteWrite[0].azureAd.sdk.tenantId\"\n  }\n}\n",
            "this is Terraform (HCL)",
        ),
        (
            "helm upgrade kps a/b \\\n  --set 'p.containers[0].name=prom-remotewrite'\n",
            "this is a script",
        ),
        (
            "kind: ConfigMap\ndata:\n  a: |\n    local x = 1;\n    { remoteWrite: [{ \"azureAd\": {} }] }\n",
            "this is Jsonnet",
        ),
        (
            "spec:\n  parameters:\n  - {name: 'p.remoteWrite[0].azureAd.sdk.tenantId', value: a}\n",
            "\"azuread\" in a form that is not known",
        ),
        (alloy, "this is Grafana Alloy's configuration"),
    ] {
        let migration = migrated(text);
        assert_eq!(migration.text, text);
        assert!(!migration.is_whole(), "{text}");
        assert!(said(&migration).contains(expected), "{text}\n{}", said(&migration));
    }
    // Grafana signs its users in with Entra.
    let grafana =
        "grafana:\n  grafana.ini:\n    auth.azuread: {enabled: true}\n    role: azuread\n";
    let migration = migrated(grafana);
    assert!(migration.attempts.is_empty() && migration.notes.is_empty(), "{:?}", migration.notes);
}
