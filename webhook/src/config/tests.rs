use contract::{Key, Port, annotations::PREFIX};
use expect_test::expect_file;

use super::*;
use crate::{VERSION, tests::CONFIG};

fn errors(yaml: &str) -> Vec<String> {
    Config::parse(yaml).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn values_of_the_chart_are_read_at_their_config() {
    let values = "images: {registry: a}\nconfig:\n  sidecarMode: auto\n  profiles:\n    default: {clinetId: x}\n";
    let errors = ConfigFile::parse(values).unwrap_err();
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].starts_with("config.profiles.default.clinetId"), "{texts:?}");
    let fine = values.replace("{clinetId: x}", "{}");
    let fine = ConfigFile::parse(&fine).unwrap();
    assert!(fine.is_values && fine.config.native_sidecar);
    assert!(fine.config.profiles.contains_key("default"));
    assert_eq!(fine.config.image.as_str(), format!("a/prom-remotewrite:{VERSION}"));
    let image = ConfigFile::parse("config: {image: a}\n").unwrap_err();
    assert!(image[0].to_string().starts_with("config.image="), "{image:?}");
    assert!(!ConfigFile::parse("image: a\nprofiles: {}\n").unwrap().is_values);
    assert!(ConfigFile::parse("[").is_err());
    let list = ConfigFile::parse("config: [a]\n").unwrap_err();
    assert!(list[0].to_string().contains("a mapping"), "{list:?}");
}

#[test]
fn values_of_the_chart_mean_what_helm_makes_of_them() {
    let few = ConfigFile::parse("webhook: {excludedNamespaces: [batch]}\n").unwrap();
    assert_eq!(few.config.image.as_str(), format!("{CHARTS_IMAGE}:{VERSION}"));
    assert_eq!((few.config.resources, few.explicit), (Resources::default(), Explicit::default()));
    assert_eq!(few.excluded_namespaces, ["batch"]);
    let config = |yaml: &str| ConfigFile::parse(yaml).unwrap().config;
    let digest = format!("sha256:{}", "a".repeat(64));
    let pinned = config(&format!(
        "images: {{tag: '2', sidecar: {{name: b, digest: '{digest}'}}}}\nconfig: {{resources: {{requests: {{cpu: null}}, limits: {{memory: 1Gi}}}}}}\n"
    ));
    assert_eq!(pinned.image.as_str(), format!("ghcr.io/prom-remotewrite/b@{digest}"));
    assert_eq!(pinned.resources.cpu_request, None);
    assert_eq!(pinned.resources.memory_request, Resources::default().memory_request);
    assert_eq!(pinned.resources.memory_limit.unwrap().as_str(), "1Gi");
    let removed = config("config: {profiles: {old: null, new: {}}}").profiles;
    assert!(removed.contains_key("new") && !removed.contains_key("old"));
    assert_eq!(config("images: {tag: '2'}").image.as_str(), format!("{CHARTS_IMAGE}:2"));
    let own = "images: {registry: a, tag: '2', sidecar: {registry: b/, repository: c/d, tag: '3'}}";
    assert_eq!(config(own).image.as_str(), "b/c/d:3");
}

#[test]
fn an_image_that_values_take_out_is_missed() {
    for path in ["images", "images.registry", "images.sidecar", "images.sidecar.name"] {
        let values =
            path.rsplit('.').fold("null".to_owned(), |inner, key| format!("{{{key}: {inner}}}"));
        let found = ConfigFile::parse(&values).unwrap_err();
        let expected = format!("{path}=\"null\": expected a value; null removes");
        assert!(found.len() == 1 && found[0].to_string().starts_with(&expected), "{found:?}");
    }
}

#[test]
fn values_of_the_chart_are_not_the_file() {
    let errors = errors("config: {profiles: {}}\n");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("these are values of the chart"), "{errors:?}");
}

#[test]
fn an_image_is_enough() {
    let config = Config::parse("image: a").unwrap();
    assert!(config.native_sidecar);
    assert_eq!(config.resources, Resources::default());
    assert_eq!(config.resources.memory_limit.unwrap().as_str(), "128Mi");
    assert_eq!(config.policy, Policy::default());
    assert!(!config.policy.overridable.contains(&Key::Image));
    assert_eq!(config.policy.overridable.len(), Key::ALL.len() - 1);
}

#[test]
fn a_whole_file() {
    let config = Config::parse(CONFIG).unwrap();
    assert_eq!(config.image_pull_secrets.len(), 1);
    assert_eq!(config.profiles.len(), 7);
    let stack = &config.profiles["stack"];
    let value = |key| stack.only.iter().find(|(name, _)| *name == key).unwrap().1.as_str();
    assert_eq!((value("upstreamTimeout"), value("noProxy")), ("20s", ".svc"));
    assert_eq!(stack.trust.as_ref().unwrap().key.as_str(), "ca.crt");
}

#[test]
fn an_identity_binding_is_for_workload_identities() {
    let of = |keys: &str| {
        let yaml = format!("image: a\nprofiles: {{p: {{{keys}}}}}");
        Config::parse(&yaml).map(|config| config.profiles["p"].binding.clone())
    };
    let texts = |keys: &str| -> Vec<String> {
        of(keys).unwrap_err().iter().map(ToString::to_string).collect()
    };
    assert_eq!(of("identityBinding: false"), Ok(None));
    assert_eq!(of("identityBinding: true"), Ok(Some(Binding::default())));
    let keys = "identityType: workloadIdentity, identityBinding: true, tokenProxy: 'https://a/b', tokenProxySniName: c.d";
    let binding = of(keys).unwrap().unwrap();
    assert_eq!(binding.address.unwrap().to_string(), "https://a/b");
    assert_eq!(binding.server_name.unwrap().as_str(), "c.d");
    assert_eq!(
        texts("identityType: userAssigned, identityBinding: true"),
        [
            r#"profiles.p.identityBinding="true": expected identityType workloadIdentity with it, not userAssigned"#
        ]
    );
    assert_eq!(
        texts("tokenProxy: 'https://a', tokenProxySniName: c.d, tokenProxyCaData: '-----s3cret'"),
        [
            r#"profiles.p.tokenProxy="https://a": expected identityBinding: true with it"#,
            r#"profiles.p.tokenProxySniName="c.d": expected identityBinding: true with it"#,
            r#"profiles.p.tokenProxyCaData="…": expected identityBinding: true with it"#,
        ]
    );
    let wrong = "identityBinding: perhaps, tokenProxy: 'http://a', cluster: b";
    assert!(texts(wrong)[0].starts_with("profiles.p.identityBinding=\"perhaps\""));
    let wrong = "identityBinding: true, tokenProxy: 'http://a', tokenProxySniName: 'a b', tokenProxyCaData: a";
    assert_eq!(texts(wrong).len(), 3);
}

#[test]
fn scalars_are_read_whatever_yaml_makes_of_them() {
    let yaml = "image: a\nimagePullSecrets: [{name: b}, c]\nresources: {limits: {cpu: 1}}\nprofiles: {default: {listeningPort: 9000, sendCertificateChain: true, clientId: '', cloud: }}";
    let config = Config::parse(yaml).unwrap();
    let profile = &config.profiles["default"];
    assert_eq!(profile.overrides.listening_port.map(Port::get), Some(9000));
    assert!(profile.sends_chain);
    assert_eq!((&profile.overrides.client_id, profile.overrides.cloud), (&None, None));
    assert_eq!(config.resources.cpu_limit.unwrap().as_str(), "1");
    assert_eq!(config.resources.memory_limit, None, "what is given replaces the defaults");
    assert_eq!(config.image_pull_secrets.len(), 2);
    let zeros = "image: a\nprofiles: {default: {secretProviderClass: 0815, cluster: 0123}}";
    let profile = &Config::parse(zeros).unwrap().profiles["default"];
    assert_eq!(profile.overrides.secret_provider_class.as_ref().unwrap().as_str(), "0815");
    assert_eq!(profile.only, [("cluster", "0123".to_owned())]);
}

#[test]
fn settings_that_cannot_work_are_errors() {
    let resources =
        "image: a\nresources: {requests: {cpu: 1, memory: 1Gi}, limits: {cpu: 2, memory: 8Mi}}";
    assert_eq!(
        errors(resources),
        [r#"resources.requests.memory="1Gi": expected at most the limit, which is 8Mi"#]
    );
    let profiles = "image: a\nprofiles: {p: {cpuRequest: 2, cpuLimit: 1500m, memoryRequest: 1Gi, memoryLimit: 8Mi}, q: {memoryRequest: 1Gi, cpuLimit: 1}}";
    assert_eq!(
        errors(profiles),
        [
            r#"profiles.p.cpuRequest="2": expected at most the limit, which is 1500m"#,
            r#"profiles.p.memoryRequest="1Gi": expected at most the limit, which is 8Mi"#,
        ]
    );
    let sources = "image: a\nprofiles: {p: {certificateSecret: a, secretProviderClass: b}}";
    assert_eq!(
        errors(sources),
        [
            r#"profiles.p.certificateSecret="a": expected only one of certificateSecret and secretProviderClass"#
        ]
    );
    let comma = "image: a\nprofiles: {'a,b': {}, c: {}}";
    assert_eq!(
        errors(comma),
        [
            r#"profiles.a,b="a,b": expected a name without a comma, which separates profiles in an annotation"#
        ]
    );
    let key = "image: a\nprofiles: {p: {trustConfigMap: {name: roots, key: a/b}}}";
    assert_eq!(
        errors(key),
        [r#"profiles.p.trustConfigMap.key="a/b": expected a ConfigMap's key, which has no /"#]
    );
    let rules = ["dce.example.", "dce.example:443", ".dce.", ".", "..a", "a..b", "*.a", "[::1]"];
    let hosts = format!("image: a\npolicy: {{ingestionHosts: {rules:?}}}");
    assert_eq!(errors(&hosts).len(), rules.len(), "{:?}", errors(&hosts));
    let fine = "image: a\npolicy: {ingestionHosts: ['::1', 1.2.3.4, DCE.example, .example]}";
    assert_eq!(Config::parse(fine).unwrap().policy.ingestion_hosts.len(), 4);
}

#[test]
fn all_errors_at_once_each_with_its_path() {
    let yaml = "
imagePullPolicy: Sometimes
imagePullSecret: [a]
imagePullSecrets: [A]
sidecarMode: init
resources: {request: {}, limits: [1]}
profiles:
  default: {clientID: x, identityType: userasigned, maxConnections: 0}
  proxied: {httpsProxy: 'http://user:secret@proxy'}
  broken: 5
policy: {overridable: [image-pul-policy], ingestionHosts: ['https://x']}
";
    let expected = [
        "image is missing: expected the sidecar's image",
        r#"imagePullPolicy="Sometimes": expected one of Always, IfNotPresent, Never"#,
        r#"imagePullSecrets[0]="A": expected an object's name: lower-case letters, digits, - and ., at most 253"#,
        r#"sidecarMode="init": expected one of native, container"#,
        r#"resources.limits="a list": expected a mapping of keys to values"#,
        r#"resources.request="…": expected a key that exists (did you mean "requests"?)"#,
        r#"profiles.broken="a single value": expected a mapping of keys to values"#,
        r#"profiles.default.identityType="userasigned": expected one of userAssigned, systemAssigned, aadApplication, workloadIdentity (did you mean "userAssigned"?)"#,
        r#"profiles.default.maxConnections="0": expected a whole number above 0"#,
        r#"profiles.default.clientID="…": expected a key that exists (did you mean "clientId"?)"#,
        r#"profiles.proxied.httpsProxy="…": expected a proxy's address without user and password, which every pod would show"#,
        r#"policy.overridable[0]="image-pul-policy": expected one of"#,
        r#"policy.ingestionHosts[0]="https://x": expected a host such as dce.example, or .example for all hosts below it"#,
        r#"imagePullSecret="…": expected a key that exists (did you mean "imagePullSecrets"?)"#,
    ];
    let found = errors(yaml);
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found}\n{expected}");
    }
}

#[test]
fn invalid_configurations() {
    assert_eq!(errors("[]"), [r#"the file="a list": expected a mapping of keys to values"#]);
    assert_eq!(errors(""), ["image is missing: expected the sidecar's image"]);
    for bad in ["image: [", "image: a\nimage: b", "a: b: c", "image: a\n---\nimage: b"] {
        let found = errors(bad);
        assert!(found[0].starts_with("the YAML=\"line 1") || bad.contains('\n'), "{found:?}");
        assert!(!found[0].contains("Options") && !found[0].contains("; use "), "{found:?}");
    }
}

#[test]
fn every_annotation_may_be_named_with_or_without_prefix() {
    let names: Vec<String> = Key::ALL.iter().map(|key| key.annotation().to_owned()).collect();
    let with_prefix: Vec<String> = names.iter().map(|name| format!("{PREFIX}{name}")).collect();
    for names in [names, with_prefix] {
        let yaml = format!("image: a\npolicy: {{overridable: [{}]}}", names.join(", "));
        assert_eq!(Config::parse(&yaml).unwrap().policy.overridable, Key::ALL);
    }
}

#[test]
fn the_schema_is_shipped() {
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    expect_file!["../../config.schema.json"].assert_eq(&text);
}

/// Where the reader refuses an unknown key, it lists those that it knows.
#[test]
fn the_schema_has_the_keys_that_the_reader_knows() {
    let schema = schema();
    let check = |yaml: &str, path: &str| {
        let unknown = errors(&format!("image: a\n{yaml}"));
        let (_, listed) = unknown[0].split_once("a key that exists: one of ").unwrap();
        let mut known: Vec<&str> = listed.split(", ").collect();
        known.sort_unstable();
        let place = schema.pointer(path).unwrap();
        let properties = place["properties"].as_object().unwrap();
        assert_eq!(properties.keys().collect::<Vec<_>>(), known, "{path}");
        assert_eq!(place["additionalProperties"], false, "{path}");
    };
    check("zzzzzzzzzz: 1", "");
    check("resources: {zzzzzzzzzz: 1}", "/properties/resources");
    check("resources: {limits: {zzzzzzzzzz: 1}}", "/properties/resources/properties/limits");
    check("resources: {requests: {zzzzzzzzzz: 1}}", "/properties/resources/properties/requests");
    check("policy: {zzzzzzzzzz: 1}", "/properties/policy");
    check("profiles: {a: {zzzzzzzzzz: 1}}", "/properties/profiles/additionalProperties");
    check(
        "profiles: {a: {trustConfigMap: {name: a, key: b, zzzzzzzzzz: 1}}}",
        "/properties/profiles/additionalProperties/properties/trustConfigMap",
    );
    let profile = &schema["properties"]["profiles"]["additionalProperties"]["properties"];
    let words = |yaml: &str| errors(&format!("image: a\nprofiles: {{a: {{{yaml}: zzzzzzzzzz}}}}"));
    for (key, property) in profile.as_object().unwrap() {
        let Some(listed) = property["enum"].as_array() else { continue };
        let listed: Vec<&str> = listed.iter().filter_map(|word| word.as_str()).collect();
        let refused = &words(key)[0];
        assert!(refused.ends_with(&format!("one of {}", listed.join(", "))), "{refused}");
    }
}
