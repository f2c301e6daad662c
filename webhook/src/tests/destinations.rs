//! Several profiles in one pod: each destination is to the sidecar what it would be
//! alone, whatever the first one says and other webhooks add.

use std::collections::{BTreeMap, BTreeSet};

use contract::{Certificate, DestinationName, Destinations, Identity, Settings};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{admit, prometheus};
use crate::config::Config;

const ZERO: &str = "00000000-0000-0000-0000-00000000000";

prop_compose! {
    /// A profile that can be used alone; its ids end with `number`.
    fn profiles()(
        kind in prop::sample::select(vec!["userAssigned", "systemAssigned", "aadApplication", "workloadIdentity"]),
        cloud in prop::option::of(prop::sample::select(vec!["AzurePublic", "AzureGovernment", "AzureChina", "Custom", "INT"])),
        audience in prop::option::of(prop::sample::select(vec!["https://monitor.azure.com", "https://one.example"])),
        authority in prop::option::of(prop::sample::select(vec!["https://login.one.example", "https://login.microsoftonline.com"])),
        mode in prop::option::of(prop::sample::select(vec!["protective", "transparent"])),
        chain in prop::option::of(any::<bool>()),
        source in 0_usize..3,
        number in 0_usize..3,
    ) -> Value {
        let is_custom = cloud == Some("Custom");
        let signs = kind == "aadApplication";
        let mut profile = json!({
            "ingestionUrl": format!("https://dce-{number}.westeurope-1.metrics.ingest.monitor.azure.com/x"),
            "identityType": kind,
            "cloud": cloud,
            "audience": audience.or(is_custom.then_some("https://custom.example")),
            "authorityHost": authority.or(is_custom.then_some("https://login.custom.example")),
            "responseMode": mode,
            "sendCertificateChain": chain.filter(|_| signs),
            "clientId": (kind != "systemAssigned").then(|| format!("{ZERO}{number}")),
        });
        if ["aadApplication", "workloadIdentity"].contains(&kind) {
            profile["tenantId"] = json!(format!("{ZERO}{}", 3 + number));
        }
        if signs {
            let key = ["secretProviderClass", "secretProviderClass", "certificateSecret"][source];
            profile[key] = json!(format!("source-{source}"));
            profile["certificateName"] = json!(format!("certificate-{number}"));
        }
        profile
    }
}

/// Names that are easily taken for something else.
const NAMES: [&str; 8] = ["ops", "us-east", "a", "id", "file", "0", "client-id", "sni-name"];

/// The variables of a sidecar.
fn variables(pod: &Value) -> BTreeMap<String, String> {
    let all = sidecar(pod)["env"].as_array().unwrap().iter();
    let text = |one: &Value| one.as_str().unwrap().replace("$$", "$");
    let pairs: Vec<_> = all.map(|one| (text(&one["name"]), text(&one["value"]))).collect();
    let map: BTreeMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(map.len(), pairs.len(), "a variable is there twice: {pairs:?}");
    map
}

fn sidecar(pod: &Value) -> &Value {
    let all = pod["spec"]["initContainers"].as_array().unwrap();
    all.iter().find(|one| one["name"] == "prom-remotewrite").unwrap()
}

/// What azure-workload-identity's webhook adds afterwards where it is absent.
fn with_azures(mut variables: BTreeMap<String, String>) -> BTreeMap<String, String> {
    for (name, value) in [
        ("AZURE_CLIENT_ID", format!("{ZERO}9")),
        ("AZURE_TENANT_ID", format!("{ZERO}9")),
        ("AZURE_FEDERATED_TOKEN_FILE", "/var/run/secrets/azure/tokens/x".to_owned()),
        ("AZURE_AUTHORITY_HOST", "https://login.azwi.example/".to_owned()),
    ] {
        variables.entry(name.to_owned()).or_insert(value);
    }
    variables
}

/// The settings of a destination as its sidecar reads them.
fn settings(variables: &BTreeMap<String, String>, name: Option<&str>) -> Settings {
    let read = Destinations::from_env(variables.clone()).unwrap();
    let found = read.iter().find(|one| one.name.as_ref().map(DestinationName::as_str) == name);
    found.unwrap().settings.clone()
}

/// What counts of a destination, and the certificate's file.
fn of_destination(settings: &Settings) -> (Vec<String>, Option<String>) {
    let authority = settings.identity.authority();
    let texts = vec![
        settings.ingestion_url.to_string(),
        settings.identity.kind().to_string(),
        format!("{:?} {:?}", settings.identity.client_id(), settings.identity.tenant_id()),
        settings.cloud.to_string(),
        settings.audience.to_string(),
        format!("{authority:?} {}", settings.response_mode),
    ];
    let file = match &settings.identity {
        Identity::AadApplication { certificate, .. } => {
            let Certificate { path, password_file, send_chain } = certificate;
            assert_eq!(*password_file, None);
            Some(format!("{} {send_chain}", path.display()))
        }
        Identity::WorkloadIdentity { token_file, .. } => Some(token_file.display().to_string()),
        Identity::UserAssigned { .. } | Identity::SystemAssigned => None,
    };
    (texts, file)
}

/// The volume that delivers a file, without its name, and the file below its mount.
fn delivered(pod: &Value, file: &str) -> (Value, String) {
    let mounts = sidecar(pod)["volumeMounts"].as_array().unwrap();
    let below = |mount: &Value| {
        let rest = file.strip_prefix(mount["mountPath"].as_str().unwrap())?;
        rest.strip_prefix('/').map(str::to_owned)
    };
    let found: Vec<_> = mounts.iter().filter_map(|mount| Some((mount, below(mount)?))).collect();
    let [(mount, rest)] = found.as_slice() else { panic!("{file} is in {found:?}") };
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let mut volume = volumes.iter().find(|one| one["name"] == mount["name"]).unwrap().clone();
    volume.as_object_mut().unwrap().remove("name");
    (volume, rest.clone())
}

/// Each volume and each mount path once.
fn assert_unique(pod: &Value) {
    for (list, key) in
        [(&pod["spec"]["volumes"], "name"), (&sidecar(pod)["volumeMounts"], "mountPath")]
    {
        let texts: Vec<&str> =
            list.as_array().unwrap().iter().map(|one| one[key].as_str().unwrap()).collect();
        assert_eq!(texts.iter().collect::<BTreeSet<_>>().len(), texts.len(), "{texts:?}");
    }
    let csi =
        pod["spec"]["volumes"].as_array().unwrap().iter().filter(|one| one["csi"].is_object());
    let classes: Vec<String> =
        csi.map(|one| one["csi"]["volumeAttributes"]["secretProviderClass"].to_string()).collect();
    assert_eq!(classes.iter().collect::<BTreeSet<_>>().len(), classes.len(), "{classes:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn each_destination_is_what_it_is_alone(
        profiles in prop::collection::vec(profiles(), 2..=8),
        is_called_too in any::<bool>(),
    ) {
        let named: BTreeMap<&str, &Value> = NAMES.into_iter().zip(&profiles).collect();
        let config = json!({"image": "a/prom-remotewrite:1", "profiles": named}).to_string();
        let config = Config::parse(&config).unwrap();
        let names = NAMES.get(..profiles.len()).unwrap_or_default();
        let pod_of = |names: &[&str]| {
            let (decision, pod) =
                admit(&config, &prometheus(&[("inject", "true"), ("profile", &names.join(","))]));
            assert_eq!(decision.word(), "inject", "{decision:?}");
            pod
        };
        let pod = pod_of(names);
        assert_unique(&pod);
        let read = |pod: &Value| {
            let variables = variables(pod);
            if is_called_too { with_azures(variables) } else { variables }
        };
        for (index, name) in names.iter().enumerate() {
            let destination = (index > 0).then_some(*name);
            let together = of_destination(&settings(&read(&pod), destination));
            let alone_pod = pod_of(&[name]);
            let alone = of_destination(&settings(&read(&alone_pod), None));
            prop_assert_eq!(&together.0, &alone.0, "{}", name);
            let file = |pod: &Value, file: &Option<String>| {
                file.as_ref().map(|file| delivered(pod, file))
            };
            prop_assert_eq!(file(&pod, &together.1), file(&alone_pod, &alone.1), "{}", name);
        }
        let (again, unchanged) = admit(&config, &pod);
        prop_assert_eq!((again.reason(), again.warnings()), ("already_injected", [].as_slice()));
        prop_assert_eq!(unchanged, pod);
    }
}
