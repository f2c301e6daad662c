//! `manifests/azure`: what it prints is a profile that works, and both ways of
//! making it say the same. Azure itself is not asked.

mod bicep;

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use cli::manifests;
use contract::{IngestionUrl, Key, names};
use serde_json::{Value, json};
use tests::{
    kubernetes::control_plane::say_skipped,
    machine::{environment, process::Program},
};
use webhook::{
    config::{Config, IDENTITY_BINDING, PROFILE_ONLY},
    decide::Decision,
};

use crate::chart::{helm::Helm, objects};

const PATIENCE: Duration = Duration::from_mins(1);
const ENDPOINT: &str = "https://prom-rw-ab12.westeurope-1.metrics.ingest.monitor.azure.com";
const RULE: &str = "dcr-00000000000000000000000000000000";
const ISSUER: &str = "https://oic.example/";
/// Monitoring Metrics Publisher, as Azure numbers it in every tenant.
const PUBLISHER: &str = "3913510d-42f4-4e42-8a64-420c390055eb";

fn folder() -> PathBuf {
    environment::crate_folder().join("../manifests/azure")
}

fn template() -> String {
    fs::read_to_string(folder().join("main.bicep")).unwrap()
}

/// An `az` that answers what the script asks, and notes how it was called; a
/// command that it does not know fails.
fn az(folder: &Path) {
    let script = format!(
        r#"#!/bin/sh
printf '%s\n' "$*" | tr '\n' ' ' >> {log}; echo >> {log}
case "$*" in
  "group show "*"--query location "*) echo westeurope ;;
  "group show "*"--query id "*) echo /subscriptions/S/resourceGroups/G ;;
  "monitor account create "*) echo /subscriptions/S/resourceGroups/G/providers/Microsoft.Monitor/accounts/W ;;
  "rest --method put --url "*"/dataCollectionEndpoints/"*) echo {ENDPOINT} ;;
  "rest --method put --url "*"/dataCollectionRules/"*) echo {RULE} ;;
  "identity create "* | "aks update "*) ;;
  "identity show "*clientId*) echo 22223333-cccc-4444-dddd-5555eeee6666 ;;
  "identity show "*principalId*) echo 33334444-dddd-5555-eeee-6666ffff7777 ;;
  "identity show "*tenantId*) echo aaaabbbb-0000-cccc-1111-dddd2222eeee ;;
  "aks show "*issuerUrl*) echo {ISSUER} ;;
  "identity federated-credential create "* | "role assignment create "*) ;;
  "cloud show "*) echo AzureUSGovernment ;;
  "monitor metrics alert create "*) ;;
  *) echo "az $*: unexpected" >&2; exit 1 ;;
esac
"#,
        log = folder.join("log").display(),
    );
    let file = folder.join("az");
    fs::write(&file, script).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What the commands print, and how they called `az`.
async fn run_commands(more: &[(&'static str, &str)]) -> (String, String) {
    let here = tempfile::tempdir().unwrap();
    az(here.path());
    let path = environment::variable("PATH").unwrap();
    let printed = Program::new("commands.sh", folder().join("commands.sh"))
        .env("PATH", format!("{}:{path}", here.path().display()))
        .envs([("GROUP", "g"), ("CLUSTER", "aks-1"), ("NAMESPACE", "monitoring")])
        .env("SERVICE_ACCOUNT", "prometheus")
        .envs(more.iter().copied())
        .run(PATIENCE)
        .await
        .unwrap();
    (printed, fs::read_to_string(here.path().join("log")).unwrap())
}

#[tokio::test]
async fn the_commands_print_values_that_work() {
    const REGISTRY: &str = "one.azurecr.io";
    let (printed, log) = run_commands(&[("IMAGES_REGISTRY", REGISTRY)]).await;
    let call = |start: &str| log.lines().find(|line| line.starts_with(start)).unwrap();
    let role = call("role assignment create");
    assert!(
        role.contains(PUBLISHER) && role.contains("/dataCollectionRules/prom-remotewrite-aks-1")
    );
    let federation = call("identity federated-credential create");
    assert!(federation.contains("system:serviceaccount:monitoring:prometheus"), "{federation}");
    assert!(federation.contains(names::FEDERATED_TOKEN_AUDIENCE), "{federation}");
    assert!(federation.contains(ISSUER), "{federation}");
    let put = log.lines().find(|line| line.contains("/dataCollectionRules/")).unwrap();
    let body = put.split_once(" --body ").unwrap().1.split_once(" --query ").unwrap().0;
    let body: Value = serde_json::from_str(body).unwrap();
    let stream = json!(["Microsoft-PrometheusMetrics"]);
    assert_eq!(body["properties"]["dataSources"]["prometheusForwarder"][0]["streams"], stream);
    assert_eq!(body["properties"]["dataFlows"][0]["streams"], stream);

    let Some(helm) = Helm::find("the_commands_print_values_that_work") else { return };
    let values: Value = serde_saphyr::from_str(&printed).unwrap();
    let rendered = helm.template(("one", "two"), &values, &[]).await.unwrap();
    let config = objects::text(objects::of_kind(&rendered, "ConfigMap"), "/data/config.yaml");
    assert!(config.contains(&format!("{REGISTRY}/prom-remotewrite:")), "{config}");
    let config = Config::parse(config).unwrap();
    let cloud = config.profiles["default"].overrides.get(Key::Cloud);
    assert_eq!(cloud.as_deref(), Some("AzureGovernment"));
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "one", "annotations": {contract::annotations::INJECT: "true"}},
        "spec": {"containers": [{"name": "prometheus", "image": "prometheus"}]},
    });
    let outcomes = manifests::inject(&config.into(), &pod.to_string()).unwrap().outcomes;
    assert!(matches!(&outcomes[0].decision, Decision::Inject(_)), "{:?}", outcomes[0].decision);
}

/// The four that Microsoft recommends, in both ways of creating them.
#[tokio::test]
async fn alerts_on_the_workspaces_limits_are_created_with_an_action_group() {
    let (_, without) = run_commands(&[]).await;
    assert!(!without.contains("alert create"), "{without}");
    let (_, log) = run_commands(&[("ACTION_GROUP", "/groups/one")]).await;
    let calls = log.lines().filter(|line| line.starts_with("monitor metrics alert create "));
    let option = |call: &str, name: &str| {
        let (_, rest) = call.split_once(&format!(" --{name} ")).unwrap();
        rest.split(" --").next().unwrap().trim().to_owned()
    };
    let created: BTreeSet<_> = calls
        .map(|call| {
            assert_eq!(option(call, "action"), "/groups/one");
            assert!(option(call, "scopes").ends_with("/accounts/W"), "{call}");
            let name = option(call, "name").strip_prefix("W-").unwrap().to_owned();
            let condition = option(call, "condition");
            let (metric, percent) =
                condition.strip_prefix("avg ").unwrap().split_once(" > ").unwrap();
            [name, metric.to_owned(), percent.to_owned(), option(call, "severity")]
        })
        .collect();
    let text = fs::read_to_string(folder().join("alerts.bicep")).unwrap();
    let listed = between(&text, "var alerts = [", "\n]\n");
    let templates: BTreeSet<_> = listed
        .split("  {\n")
        .skip(1)
        .map(|alert| {
            let value = |key: &str| between(alert, &format!(" {key}: "), "\n").replace('\'', "");
            ["name", "metric", "percent", "severity"].map(value)
        })
        .collect();
    assert_eq!(created.len(), 4, "{log}");
    assert_eq!(created, templates);
}

/// What is between `begin` and `end` in the template.
fn between<'a>(text: &'a str, begin: &str, end: &str) -> &'a str {
    text.split_once(begin).unwrap().1.split_once(end).unwrap().0
}

#[test]
fn the_templates_url_is_one_that_azure_takes() {
    let template = template();
    let url = between(&template, "ingestionUrl: '", "'")
        .replace("${endpoint.properties.metricsIngestion.endpoint}", ENDPOINT)
        .replace("${rule.properties.immutableId}", RULE)
        .replace("${stream}", between(&template, "var stream = '", "'"));
    let url: IngestionUrl = url.parse().unwrap();
    assert_eq!(url.warnings(), Vec::<String>::new());
}

#[test]
fn the_template_and_the_commands_agree() {
    let (template, commands) =
        (template(), fs::read_to_string(folder().join("commands.sh")).unwrap());
    for same in [
        PUBLISHER,
        names::FEDERATED_TOKEN_AUDIENCE,
        "Microsoft-PrometheusMetrics",
        "api-version=2023-04-24",
        "system:serviceaccount:",
        "prom-remotewrite-$",
    ] {
        assert!(template.contains(same) && commands.contains(same), "{same}");
    }
    let version = between(&template, "dataCollectionRules@", "'");
    assert_eq!(commands.matches(&format!("?api-version={version}")).count(), 2, "{version}");
}

#[test]
fn the_templates_values_are_keys_of_a_profile() {
    let known: BTreeSet<String> = Key::ALL
        .iter()
        .map(|key| key.profile().to_owned())
        .chain(PROFILE_ONLY.iter().map(|setting| setting.key.to_owned()))
        .chain(["trustConfigMap", IDENTITY_BINDING].map(str::to_owned))
        .collect();
    let template = template();
    let section =
        between(&template, "var profile = {", "@description('What goes into INGESTION_URL");
    let mut keys = BTreeSet::new();
    for line in section.lines() {
        let line = line.split_once(" ? ").map_or(line, |(_, rest)| rest);
        for word in line.split(['{', ' ']).filter_map(|word| word.strip_suffix(':')) {
            if word.chars().all(char::is_alphabetic) && !word.is_empty() {
                keys.insert(word.to_owned());
            }
        }
    }
    assert!(keys.contains("ingestionUrl") && keys.contains("authorityHost"), "{keys:?}");
    let unknown: Vec<_> = keys.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Where there is a Bicep compiler: nothing here can build one, so that even in CI its
/// absence is not a failure. GitHub's runners have one.
#[tokio::test]
async fn the_templates_compile() {
    let Some(bicep) =
        environment::variable("BICEP").map(PathBuf::from).or_else(|| environment::on_path("bicep"))
    else {
        return say_skipped("the_templates_compile", "there is no bicep");
    };
    for (command, file) in [
        ("build", "main.bicep"),
        ("build", "alerts.bicep"),
        ("build", "vault.bicep"),
        ("build-params", "main.bicepparam"),
    ] {
        let file = folder().join(file).display().to_string();
        let compiled = Program::new("bicep", &bicep)
            .args([command, "--stdout", &file])
            .envs(environment::variables())
            .run(PATIENCE)
            .await
            .unwrap();
        assert!(compiled.contains("$schema"), "{compiled}");
    }
}
