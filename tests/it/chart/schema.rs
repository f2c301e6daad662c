//! `values.schema.json` finds errors before anything is installed.
//!
//! Its part for the webhook's configuration is that program's own schema, narrowed by
//! what the contract's parsers accept, so that the two cannot drift apart.
//! `UPDATE_EXPECT=1` writes it again.

use std::fs;

use serde_json::{Value, json};
use tests::machine::environment;
use webhook::config::{self, Config};

use super::helm::{Helm, chart};
use crate::monitoring::alerts;

/// Above 0: one of its numbers is.
const DURATION: &str = "^([0-9]+(ms|s|m|h))*0*[1-9][0-9]*(ms|s|m|h)([0-9]+(ms|s|m|h))*$";
const HOST: &str = "^\\.?[-0-9A-Za-z]+(\\.[-0-9A-Za-z]+)*$|^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$";
const SIZE: &str = "^[1-9][0-9]*(k|M|G|Ki|Mi|Gi)?$";
/// Above 0, in all of Kubernetes' notation.
const QUANTITY: &str = "^(0*[1-9][0-9]*\\.?[0-9]*|0*\\.0*[1-9][0-9]*)([eE][-+]?[0-9]+|n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$";
const NAME: &str = "^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$";
const GUID: &str = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$";

/// What a profile's texts look like.
const SHAPES: &[(&str, &str)] = &[
    ("ingestionUrl", "^(https://|http://(localhost|127\\.|\\[::1\\]))[^\\s<>@#]+$"),
    ("authorityHost", "^https://[^\\s]+$"),
    ("podIdentityAuthorityHost", "^https?://[^\\s]+$"),
    ("httpsProxy", "^https?://[^\\s@]+$"),
    ("clientId", GUID),
    ("tenantId", "^[0-9A-Za-z]([-.0-9A-Za-z]*[0-9A-Za-z])?$"),
    ("certificateName", "^[-_.A-Za-z0-9]+(/[-_.A-Za-z0-9]+)*$"),
    ("secretProviderClass", NAME),
    ("certificateSecret", NAME),
    ("mountPath", "^/[^\\s:]+$"),
    ("image", "^[^\\s<>]+$"),
    ("cpuRequest", QUANTITY),
    ("cpuLimit", QUANTITY),
    ("memoryRequest", QUANTITY),
    ("memoryLimit", QUANTITY),
    ("maxInFlightBytes", SIZE),
    ("maxRequestBytes", SIZE),
    ("maxDecompressedBytes", SIZE),
    ("headerTimeout", DURATION),
    ("idleTimeout", DURATION),
    ("upstreamTimeout", DURATION),
    ("shutdownTimeout", DURATION),
];

/// The webhook's schema without the image, which `images` says, and with `auto`,
/// the default of earlier charts, which `--reuse-values` brings along.
fn expected_config() -> Value {
    let schema = config::schema();
    let mut properties = schema["properties"].clone();
    properties.as_object_mut().unwrap().remove("image");
    properties["sidecarMode"]["enum"] = json!(["native", "container", "auto"]);
    for one in properties["imagePullSecrets"]["items"]["anyOf"].as_array_mut().unwrap() {
        if one["type"] == "string" {
            one["pattern"] = json!(NAME);
        }
    }
    for kind in ["requests", "limits"] {
        for name in ["cpu", "memory"] {
            let amounts = &mut properties["resources"]["properties"][kind];
            amounts["properties"][name]["pattern"] = json!(QUANTITY);
        }
    }
    properties["policy"]["properties"]["ingestionHosts"]["items"]["pattern"] = json!(HOST);
    let profile = &mut properties["profiles"]["additionalProperties"]["properties"];
    for (key, shape) in SHAPES {
        assert!(profile[key]["type"].to_string().contains("string"), "{key}");
        profile[key]["pattern"] = json!(shape);
    }
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

/// What may be changed of an alert.
fn expected_alert(has_threshold: bool) -> Value {
    let mut properties = json!({
        "enabled": {"type": "boolean"},
        "for": {"$ref": "#/definitions/for"},
        "severity": {"type": "string", "minLength": 1},
    });
    if has_threshold {
        properties["threshold"] = json!({"type": "number", "minimum": 0});
    }
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

/// All alerts, those with a threshold apart.
fn expected_alerts() -> Value {
    let all = alerts().into_iter().map(|one| {
        let kind = if one.threshold().is_some() { "alertWithThreshold" } else { "alert" };
        (one.name, json!({"$ref": format!("#/definitions/{kind}")}))
    });
    let all: serde_json::Map<String, Value> = all.collect();
    json!({"type": "object", "additionalProperties": false, "properties": all})
}

#[test]
fn the_schema_knows_the_webhooks_configuration_and_the_alerts() {
    let file = chart().join("values.schema.json");
    let text = fs::read_to_string(&file).unwrap();
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    schema["properties"]["config"] = expected_config();
    schema["definitions"]["alert"] = expected_alert(false);
    schema["definitions"]["alertWithThreshold"] = expected_alert(true);
    schema["properties"]["prometheusRule"]["properties"]["alerts"] = expected_alerts();
    let expected = format!("{schema:#}\n");
    if environment::variable("UPDATE_EXPECT").is_some() {
        fs::write(&file, &expected).unwrap();
    }
    assert!(fs::read_to_string(&file).unwrap() == expected, "UPDATE_EXPECT=1 writes it anew");
}

#[test]
fn every_value_has_a_place_in_the_schema() {
    let text = fs::read_to_string(chart().join("values.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let text = fs::read_to_string(chart().join("values.yaml")).unwrap();
    check_place(&schema, &schema, &serde_saphyr::from_str(&text).unwrap(), "");
}

fn check_place(root: &Value, schema: &Value, value: &Value, path: &str) {
    let schema = match schema["$ref"].as_str() {
        Some(name) => root.pointer(name.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    let Some(properties) = schema["properties"].as_object() else { return };
    assert_eq!(schema["additionalProperties"], false, "{path} takes any key");
    for (key, value) in value.as_object().into_iter().flatten() {
        let schema = properties.get(key).unwrap_or_else(|| panic!("{path}.{key} has no schema"));
        check_place(root, schema, value, &format!("{path}.{key}"));
    }
}

/// `value` at a dotted path, as values.
pub(super) fn at(path: &str, value: &Value) -> Value {
    path.rsplit('.').fold(value.clone(), |inner, key| json!({key: inner}))
}

/// Errors in the programs' values, by path.
fn errors_of_programs() -> Vec<(&'static str, Value)> {
    vec![
        ("webhok", json!({})),
        ("webhook.replica", json!(2)),
        ("webhook.replicas", json!(0)),
        ("webhook.port", json!(70_000)),
        ("webhook.adminPort", json!(8443)),
        ("webhook.failurePolicy", json!("fail")),
        ("webhook.timeoutSeconds", json!(31)),
        ("webhook.logLevel", json!("verbose")),
        ("webhook.resources.limits.memory", json!("lots")),
        ("webhook.resources.requests.memory", json!("0.2Gi")),
        ("webhook.resources.limits.memory", json!(33_554_431)),
        ("config.resources.requests.memory", json!("1E")),
        ("config.resources.limits.cpu", json!("9999u")),
        ("config.resources.limits.memory", json!("lots")),
        ("webhook.nodeSelector.arch", json!(64)),
        ("webhook.excludedNamespaces", json!(["Kube_System"])),
        ("webhook.namespaceSelector", json!([{"key": "team"}])),
        ("images.tag", json!("1.0 beta")),
        ("images.sidecar.digest", json!("sha256:00")),
        ("images.webhook.repo", json!("x")),
        ("images.certs.tag", json!("1.0 beta")),
        ("webhook.hostNetwork", json!("yes")),
        ("webhook.clientCA.configMap", json!("ca")),
        ("webhook.extraEnv", json!([{"value": "x"}])),
        ("webhook.serviceAnnotations.note", json!(1)),
        ("webhook.updateStrategy.type", json!("OnDelete")),
        ("webhook.extraEnv", json!([{"name": "A", "value": 1}])),
        ("webhook.dnsPolicy", json!("None")),
        ("commonLabels.team", json!("the metrics team")),
        ("images.registry", json!("https://registry.example")),
        ("config.image", json!("x")),
        ("config.sidecarMode", json!("init")),
        ("config.profile", json!({})),
        ("config.profiles.one.ingestionUrl", json!("http://dce.example/x")),
        ("config.profiles.one", json!({"certificateSecret": "a", "secretProviderClass": "b"})),
        ("config.policy.overridable", json!(["image", "images"])),
        ("config.policy.ingestionHosts", json!(["*.x"])),
        ("config.policy.ingestionHosts", json!(["https://x"])),
        ("config.imagePullSecrets", json!(["A_B"])),
        ("config.profiles.one.upstreamTimeout", json!("0s")),
        ("config.profiles.one.upstreamTimeout", json!("0m00s")),
    ]
}

/// Values that are right alone and not together, or not with what the chart has.
fn contradictions() -> Vec<(&'static str, Value)> {
    vec![
        ("webhook.updateStrategy", json!({"type": "Recreate", "rollingUpdate": {"maxSurge": 1}})),
        ("webhook.updateStrategy.rollingUpdate", json!({"maxSurge": 0, "maxUnavailable": "0%"})),
        ("webhook.namespaceSelector", json!([{"key": "team", "operator": "In"}])),
        ("webhook.namespaceSelector", json!([{"key": "a", "operator": "Exists", "values": ["b"]}])),
        ("webhook.tolerations", json!([{"key": "a", "operator": "Exists", "value": "b"}])),
        ("webhook.extraVolumes", json!([{"name": "config", "emptyDir": {}}])),
        ("webhook", json!({"hostNetwork": true, "port": 443})),
        ("webhook", json!({"hostNetwork": true, "adminPort": 10250})),
        ("config.profiles.one", json!({"cpuRequest": "1500m", "cpuLimit": 1})),
        ("config.profiles.one", json!({"memoryRequest": "1Gi", "memoryLimit": "8Mi"})),
        ("config.profiles", json!({"a,b": {}})),
        ("podDisruptionBudget.maxUnavailable", json!("51%")),
        ("podMonitor", json!({"enabled": true, "interval": "1m", "scrapeTimeout": "1m1s"})),
    ]
}

/// Errors in all other values, by path.
fn other_errors() -> Vec<(&'static str, Value)> {
    vec![
        ("validatingAdmissionPolicy.action", json!("audit")),
        ("podMonitor.sidecars", json!("no")),
        ("certificates.mode", json!("selfSigned")),
        ("certificates", json!({"mode": "provided"})),
        ("certificates.rotate.validity", json!("90 days")),
        ("certificates.rotate.validity", json!("1d")),
        ("certificates.rotate.resources.limits.cpu", json!("1e-3")),
        ("certificates.rotate.logLevel", json!("verbose")),
        ("certificates.rotate.podLabels.note", json!(1)),
        ("certificates.rotate.hostNetwork", json!(true)),
        ("podDisruptionBudget.maxUnavailable", json!(2)),
        ("podDisruptionBudget.maxUnavailable", json!(0)),
        ("networkPolicy.metricsFrom", json!([{}])),
        ("networkPolicy.webhookFrom", json!(["192.0.2.1/32"])),
        ("podMonitor.interval", json!(30)),
        ("prometheusRule.alerts.PromRemoteWriteNothing", json!({"enabled": false})),
        ("prometheusRule.alerts.PromRemoteWriteBehind.treshold", json!(60)),
        ("prometheusRule.alerts.PromRemoteWriteBehind.threshold", json!("10m")),
        ("prometheusRule.alerts.PromRemoteWriteBehind.for", json!("10 minutes")),
        ("prometheusRule.alerts.PromRemoteWriteWebhookDown.threshold", json!(1)),
        ("prometheusRule.runbook", json!("alerts.md")),
        ("dashboard.labels", json!({"grafana_dashboard": 1})),
        ("fullnameOverride", json!("My_Release")),
    ]
}

#[tokio::test]
async fn an_error_is_found_and_named() {
    let Some(helm) = Helm::find("an_error_is_found_and_named") else { return };
    for (path, bad) in
        errors_of_programs().into_iter().chain(contradictions()).chain(other_errors())
    {
        let failure = helm.template(("one", "two"), &at(path, &bad), &[]).await.err();
        let failure = failure.unwrap_or_else(|| panic!("{path}={bad} was accepted")).to_string();
        let last = path.rsplit('.').next().unwrap();
        assert!(failure.contains(last), "{path}={bad}: {failure}");
    }
}

/// Cut, two names that begin alike would become one, and no object would have the name
/// that was asked for.
#[tokio::test]
async fn a_name_that_was_chosen_is_taken_whole_or_refused() {
    const TEST: &str = "a_name_that_was_chosen_is_taken_whole_or_refused";
    let Some(helm) = Helm::find(TEST) else { return };
    for key in ["nameOverride", "fullnameOverride"] {
        let longest = "n".repeat(45);
        let rendered = helm.template(("one", "two"), &at(key, &json!(longest)), &[]).await.unwrap();
        let mut metadata = rendered.iter().map(|object| object["metadata"].to_string());
        assert!(metadata.any(|one| one.contains(&longest)), "{key}");
        for object in rendered.iter().filter(|object| object["kind"] == "Service") {
            assert!(object["metadata"]["name"].as_str().unwrap().len() <= 63, "{object:#}");
        }
        let long = format!("{longest}-46");
        let failure = helm.template(("one", "two"), &at(key, &json!(long)), &[]).await.err();
        let failure = failure.unwrap_or_else(|| panic!("{key}={long} was accepted")).to_string();
        let expected = format!("{key} is \"{long}\", which has 48 characters: expected at most 45");
        assert!(failure.contains(&expected), "{failure}");
    }
}

#[tokio::test]
async fn a_profiles_error_is_one_for_chart_and_webhook() {
    let Some(helm) = Helm::find("a_profiles_error_is_one_for_chart_and_webhook") else { return };
    for (key, good, bad) in [
        ("ingestionUrl", json!("https://dce.example/x"), json!("dce.example/x")),
        ("authorityHost", json!("https://login.example"), json!("http://login.example")),
        ("podIdentityAuthorityHost", json!("http://127.0.0.1:40342"), json!("127.0.0.1")),
        ("httpsProxy", json!("http://proxy.example:3128"), json!("http://me:word@proxy.example")),
        ("clientId", json!("00001111-aaaa-2222-bbbb-3333cccc4444"), json!("nobody")),
        ("tenantId", json!("contoso.onmicrosoft.com"), json!("a tenant")),
        ("certificateName", json!("certificate.pfx"), json!("/certificate.pfx")),
        ("secretProviderClass", json!("vault"), json!("Vault_1")),
        ("certificateSecret", json!("pfx"), json!("Pfx_1")),
        ("mountPath", json!("/mnt/x"), json!("mnt/x")),
        ("image", json!("ghcr.io/x/y:1"), json!("x y")),
        ("cpuRequest", json!("20m"), json!("20 m")),
        ("cpuLimit", json!(0.5), json!("half")),
        ("memoryRequest", json!("32Mi"), json!("32mi")),
        ("memoryLimit", json!(134_217_728), json!("-1Mi")),
        ("maxInFlightBytes", json!(33_554_432), json!("32mb")),
        ("maxConnections", json!(100), json!(0)),
        ("upstreamTimeout", json!("20s"), json!("20")),
        ("upstreamTimeout", json!("0m20s"), json!("0s")),
        ("cpuRequest", json!("0.00001"), json!("1e")),
        ("cpuLimit", json!("1E+0"), json!("0.0")),
        ("memoryRequest", json!("1.5e8"), json!("0Mi")),
        ("memoryLimit", json!(".5Ti"), json!(".")),
        ("listeningPort", json!(9201), json!(0)),
        ("identityType", json!("userAssigned"), json!("user")),
        ("sidecarMode", json!("container"), json!("init")),
        ("trustConfigMap", json!({"name": "roots", "key": "ca.crt"}), json!({"name": "roots"})),
        ("sendCertificateChain", json!(true), json!("perhaps")),
        ("clientID", Value::Null, json!("00001111-aaaa-2222-bbbb-3333cccc4444")),
    ] {
        let values = |value: &Value| at("config.profiles.one", &json!({key: value}));
        let config = |value: &Value| {
            let profiles = json!({"one": {key: value}});
            Config::parse(&json!({"image": "x", "profiles": profiles}).to_string())
        };
        assert!(config(&bad).is_err(), "the webhook takes {key}={bad}");
        let failure = helm.template(("one", "two"), &values(&bad), &[]).await.err();
        let failure = failure.unwrap_or_else(|| panic!("the chart takes {key}={bad}")).to_string();
        assert!(failure.contains(key), "{failure}");
        if !good.is_null() {
            config(&good).unwrap_or_else(|errors| panic!("{key}={good}: {errors:?}"));
            let rendered = helm.template(("one", "two"), &values(&good), &[]).await.unwrap();
            let parsed = super::objects::of_kind(&rendered, "ConfigMap");
            let text = super::objects::text(parsed, "/data/config.yaml");
            let profile = &Config::parse(text).unwrap().profiles["one"];
            assert_eq!(profile, &config(&good).unwrap().profiles["one"], "{key}={good}");
        }
    }
}
