//! Several sources in one pod, which become destinations of one sidecar.

use std::fmt::Write as _;

use super::*;

/// A container for the workspace of this name.
fn container(name: &str, workspace: &str, port: u16, more: &str) -> String {
    format!(
        "  - name: {name}
    env:
    - {{name: INGESTION_URL, value: 'https://{workspace}-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24'}}
    - {{name: IDENTITY_TYPE, value: systemAssigned}}
    - {{name: LISTENING_PORT, value: '{port}'}}
{more}"
    )
}

/// A `Prometheus` with these containers, which writes to these ports.
fn prometheus(annotations: &str, containers: &[String], ports: &[u16]) -> String {
    let mut text = format!(
        "apiVersion: monitoring.coreos.com/v1\nkind: Prometheus\nmetadata: {{name: main}}\nspec:\n  podMetadata: {{annotations: {{{annotations}}}}}\n  remoteWrite:\n"
    );
    for port in ports {
        let _ = writeln!(text, "  - url: http://localhost:{port}/api/v1/write");
    }
    text + "  containers:\n" + &containers.concat()
}

fn said(migration: &Migration) -> String {
    migration.attempts.iter().map(ToString::to_string).collect()
}

fn stays(text: &str, because: &str) {
    let migration = migrated(text);
    assert_eq!(migration.text, text);
    assert!(said(&migration).contains(because), "{because:?} is not in {}", said(&migration));
}

/// Where Prometheus writes to afterwards, and the profiles that the pod names.
fn outcome(migration: &Migration) -> (Vec<String>, String) {
    let value = read(&migration.text).unwrap();
    let entries = value["spec"]["remoteWrite"].as_array().unwrap();
    let urls = entries.iter().map(|entry| entry["url"].as_str().unwrap().to_owned()).collect();
    let profile = &value["spec"]["podMetadata"]["annotations"]["prom-remotewrite/profile"];
    (urls, profile.as_str().unwrap_or_default().to_owned())
}

#[test]
fn two_with_equal_settings_are_one_destination() {
    let both = [container("a", "ops", 8081, ""), container("b", "ops", 8082, "")];
    let migration = migrated(&prometheus("", &both, &[8081, 8082]));
    let url = "http://localhost:8081/api/v1/write".to_owned();
    assert_eq!(outcome(&migration), (vec![url.clone(), url], String::new()));
    assert!(migration.is_whole(), "{}", report(&migration));
}

#[test]
fn as_many_as_a_sidecar_has_destinations() {
    let all = |count: u16| {
        let ports: Vec<u16> = (0..count).map(|number| 8081 + number).collect();
        let containers: Vec<String> = ports
            .iter()
            .map(|port| container(&format!("w{port}"), &format!("w{port}"), *port, ""))
            .collect();
        prometheus("", &containers, &ports)
    };
    let migration = migrated(&all(8));
    assert!(migration.is_whole(), "{}", report(&migration));
    let (urls, profile) = outcome(&migration);
    assert_eq!(profile, "default,w8082,w8083,w8084,w8085,w8086,w8087,w8088");
    assert_eq!(urls[7], "http://localhost:8081/w8088/api/v1/write");
    stays(&all(9), "at most 8 profiles");
}

/// The name of a further profile is in a path and in variables.
#[test]
fn further_names_are_free_and_those_of_destinations() {
    let both = |name: &str| {
        prometheus(
            "",
            &[container("a", "ops", 8081, ""), container(name, "dev", 8082, "")],
            &[8081, 8082],
        )
    };
    let name = |migration: &Migration| outcome(migration).1;
    assert_eq!(name(&migrated(&both("prom-remotewrite-dev"))), "default,dev");
    let underscore = both("Dev_2").replace("{name: main}", "{name: Team_A}");
    assert_eq!(name(&migrated(&underscore)), "default,default-2");
    // In the release, both are others.
    let other = "config: {profiles: {default: {cluster: a}, dev: {cluster: a}}}\n";
    assert_eq!(name(&with_release(&both("dev"), "default", other)), "main,default-2");
    // A name as long as names can be has no room for a number.
    let long = "a".repeat(63);
    let taken = format!("config: {{profiles: {{{long}: {{cluster: a}}}}}}\n");
    let text = both(&long).replace("{name: main}", &format!("{{name: {long}}}"));
    assert_eq!(name(&with_release(&text, "default", &taken)), "default,default-2");
    // Two objects with the same two workspaces name the same two profiles.
    let twice = migrated(&format!("{}---\n{}", both("dev"), both("dev").replace("main", "again")));
    assert_eq!(twice.profiles.new.len(), 2);
    // What one pod has as its first, another has as its second.
    let reverse = [container("a", "dev", 8081, ""), container("b", "ops", 8082, "")];
    let reverse = prometheus("", &reverse, &[8081, 8082]);
    let migration = migrated(&format!("{}---\n{reverse}", both("dev")));
    assert_eq!(migration.text.matches("dev,default").count(), 1, "{}", migration.text);
}

#[test]
fn a_pod_that_names_its_profiles_stays() {
    let both = [container("a", "ops", 8081, ""), container("b", "dev", 8082, "")];
    let text = prometheus("prom-remotewrite/profile: 'ops, dev'", &both, &[8081, 8082]);
    stays(&text, "prom-remotewrite/profile is \"ops, dev\", and this needs profile \"default,b\"");
}

/// An entry that authenticates itself, for the workspace `dev`.
const NATIVE: &str = "    - url: https://dev-ab12.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-0/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24\n      azureAd: {cloud: AzurePublic, managedIdentity: {clientId: 22223333-cccc-4444-dddd-5555eeee6666}}\n";

/// What is sent to one workspace must not go to another.
#[test]
fn a_workspace_that_the_pod_writes_to_already_keeps_its_sidecar() {
    let values = |annotations: &str, entries: &str| {
        format!(
            "prometheusSpec:\n  podMetadata: {{annotations: {{{annotations}}}}}\n  remoteWrite:\n{entries}"
        )
    };
    let local = |path: &str| format!("    - url: http://localhost:8081{path}\n");
    let (inject, same) = ("prom-remotewrite/inject: 'true'", local("/api/v1/write"));
    let named = "prom-remotewrite/inject: 'true', prom-remotewrite/profile: default";
    let elsewhere = "for a sidecar that is not described here";
    for entries in [format!("{same}{NATIVE}"), format!("{NATIVE}{same}")] {
        stays(&values("", &entries), elsewhere);
        assert_eq!(migrated(&values(inject, &entries)).text, values(inject, &entries));
    }
    let release = "config: {profiles: {default: {cluster: a}}}\n";
    for (annotations, given) in
        [(inject, "prom-remotewrite/inject is \"true\""), (named, "profile is \"default\"")]
    {
        let text = values(annotations, NATIVE);
        let migration = with_release(&text, "default", release);
        assert_eq!(migration.text, text);
        let expected = format!("{given}, and this needs");
        assert!(said(&migration).contains(&expected), "{}", said(&migration));
    }
    // Another path is another destination's, and another port another sidecar's.
    let entries = format!("{}{}{NATIVE}", local("/ops/api/v1/write"), same.replace("8081", "9"));
    assert!(migrated(&values("", &entries)).is_whole());
}

#[test]
fn an_annotation_that_moves_the_listener_is_named() {
    let both = [container("a", "ops", 8081, "")];
    let text = prometheus("prom-remotewrite/listening-port: '9099'", &both, &[8081]);
    stays(&text, "remove the annotation prom-remotewrite/listening-port");
}

/// As the webhook asks for where its port is taken.
#[test]
fn an_annotation_sets_the_port_where_no_container_does() {
    let text = |annotations: &str| {
        format!(
            "prometheusSpec:\n  podMetadata: {{annotations: {{{annotations}}}}}\n  containers:\n  - {{name: a, ports: [{{containerPort: 8081}}]}}\n  remoteWrite:\n{NATIVE}"
        )
    };
    stays(&text(""), "port 8081 is taken by container \"a\": set prom-remotewrite/listening-port");
    let migration = migrated(&text("prom-remotewrite/listening-port: '8089'"));
    assert!(migration.is_whole(), "{}", report(&migration));
    assert!(migration.text.contains("http://localhost:8089/api/v1/write"), "{}", migration.text);
    assert!(
        migration.profiles.values().contains("listeningPort: 8089\n"),
        "{}",
        migration.profiles.values()
    );
}

/// The profile has no variables.
#[test]
fn a_note_about_the_cloud_names_the_profiles_key() {
    let text = format!("prometheusSpec:\n  remoteWrite:\n{NATIVE}");
    let migration = migrated(&text.replace("AzurePublic", "AzureChina"));
    let expected = "the profile's cloud is AzureChina, whose tokens it refuses: set the profile's cloud to AzurePublic";
    assert!(said(&migration).contains(expected), "{}", said(&migration));
}

#[test]
fn settings_of_the_sidecar_are_not_missing_in_an_entry_of_prometheus() {
    let named = container("a", "ops", 8081, "    - {name: CLUSTER, value: aks-1}\n");
    let text = prometheus("", &[named], &[8081])
        .replace("  containers:", &(NATIVE.replace("    - url", "  - url") + "  containers:"));
    let text = text.replace("\n      azureAd", "\n    azureAd");
    let migration = migrated(&text);
    assert!(migration.is_whole(), "{}", report(&migration));
    let proxy = "    - {name: HTTPS_PROXY, value: 'http://proxy.example'}\n    - {name: CLUSTER";
    let proxied = text.replace("    - {name: CLUSTER", proxy);
    stays(&proxied, "a sidecar has one HTTPS_PROXY for all");
}

#[test]
fn an_entry_that_may_be_there_is_not_asked_for_twice() {
    let placeholder = prometheus("", &[container("a", "ops", 8081, "")], &[])
        .replace("  remoteWrite:\n", "  remoteWrite:\n  - url: ${remote_write_url}\n");
    let said_of = |text: &str| said(&migrated(text));
    let expected = "add http://localhost:8081/api/v1/write to remoteWrite, unless an entry that is filled in later has it";
    assert!(said_of(&placeholder).contains(expected), "{}", said_of(&placeholder));
    let all = [
        container("a", "ops", 8081, ""),
        container("b", "dev", 8082, ""),
        container("c", "dev", 8083, ""),
    ];
    let text = said_of(&prometheus("", &all, &[8081, 8082]));
    assert!(!text.contains("nothing here writes"), "{text}");
}

#[test]
fn settings_that_one_sidecar_cannot_have_stay() {
    let with = |more: &str| {
        let both = [container("a", "ops", 8081, ""), container("b", "dev", 8082, more)];
        prometheus("", &both, &[8081, 8082])
    };
    let variable = |name: &str, value: &str| format!("    - {{name: {name}, value: '{value}'}}\n");
    for (name, value) in
        [("HTTPS_PROXY", "http://proxy.example"), ("ACCEPT_FROM", "any"), ("LOG_LEVEL", "debug")]
    {
        stays(&with(&variable(name, value)), &format!("a sidecar has one {name} for all"));
    }
    assert!(migrated(&with(&variable("RESPONSE_MODE", "transparent"))).is_whole());
    let same_port = [container("a", "ops", 8081, ""), container("b", "dev", 8081, "")];
    stays(&prometheus("", &same_port, &[8081]), "listens on port 8081, too: give each its own");
    // What is wrong with both is said of both.
    let broken = with("").replace("systemAssigned", "nobody");
    stays(&broken, "container \"a\": IDENTITY_TYPE");
    stays(&broken, "container \"b\": IDENTITY_TYPE");
}

#[test]
fn a_service_in_front_of_the_second_is_named() {
    let both = [container("a", "ops", 8081, ""), container("b", "dev", 8082, "")];
    let service =
        "---\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80, targetPort: 8082}]}\n";
    let migration = migrated(&(prometheus("", &both, &[8081, 8082]) + service));
    let expected = "Service s leads to port 8082, and the sidecar listens at http://localhost:8081/b/api/v1/write:";
    assert!(said(&migration).contains(expected), "{}", said(&migration));
}
