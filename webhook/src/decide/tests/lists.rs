//! Pods that name several profiles.

use super::*;

fn named(profiles: &str) -> Value {
    prometheus(&[("inject", "true"), ("profile", profiles)])
}

/// The denial's text behind the number of errors.
fn errors(config: &Config, pod: &Value, count: usize) -> String {
    let Decision::Deny(denial) = decide(config, Pod::new(pod)) else { panic!("{pod}") };
    let expected = format!("{count} error{}: ", if count == 1 { "" } else { "s" });
    let (_, list) = denial.message.split_once(&expected).unwrap_or_else(|| panic!("{denial:?}"));
    list.to_owned()
}

#[test]
fn blanks_around_commas_are_forgiven() {
    let injected = |profiles: &str| admit(&config(), &named(profiles)).1["spec"].clone();
    let usual = injected("application,tenants");
    for other in ["application, tenants", " application ,\ttenants\n"] {
        assert_eq!(injected(other), usual, "{other:?}");
    }
    assert_ne!(injected("tenants,application"), usual, "the order counts");
}

#[test]
fn a_list_is_checked_as_a_whole() {
    let text = errors(&config(), &named("aplication,tenants,,tenants,stak"), 4);
    for part in [
        r#"profile="aplication": expected a profile of the webhook's configuration: application, "#,
        r#"(did you mean "application"?)"#,
        r#"profile="aplication,tenants,,tenants,stak": expected the name of a profile before and after each comma"#,
        r#"profile="tenants": expected each profile once"#,
        r#"profile="stak": expected a profile of the webhook's configuration (did you mean "stack"?)"#,
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    for bad in [",", "default,", ",default", "default,,tenants"] {
        let text = errors(&config(), &named(bad), 1);
        assert!(text.contains("before and after each comma"), "{bad}: {text}");
    }
    check(&named(" "), "deny", "bad_annotations", "expected the name of a profile");
}

#[test]
fn a_list_of_any_length_is_one_error() {
    let profiles: Vec<String> = (0..9).map(|i| format!("p{i}: {{}}")).collect();
    let yaml = format!("image: a\nprofiles: {{{}}}\n", profiles.join(", "));
    let config = Config::parse(&yaml).unwrap();
    let list = |count: usize| (0..count).map(|i| format!("p{i}")).collect::<Vec<_>>().join(",");
    let too_many = |count| {
        let Decision::Deny(denial) = decide(&config, Pod::new(&named(&list(count)))) else {
            panic!("{count}")
        };
        denial.message.contains("expected at most 8 profiles")
    };
    assert!(!too_many(8) && too_many(9));
    let long = named(&"x,".repeat(100_000));
    let Decision::Deny(denial) = decide(&config, Pod::new(&long)) else { panic!() };
    assert!(denial.message.len() < 1024, "{}", denial.message);
}

#[test]
fn only_a_further_profile_needs_a_destinations_name() {
    let config = format!("{}  Ops_1: {{identityType: systemAssigned}}\n", crate::tests::CONFIG);
    let config = Config::parse(&config).unwrap();
    let url = ("ingestion-url", "https://a.westeurope-1.metrics.ingest.monitor.azure.com/x");
    let pod = prometheus(&[("inject", "true"), ("profile", "Ops_1,tenants"), url]);
    assert_eq!(decide(&config, Pod::new(&pod)).word(), "inject");
    let text = errors(&config, &named("tenants,Ops_1"), 1);
    assert!(text.contains("profile=\"Ops_1\": expected a further profile by a name"), "{text}");
    assert!(text.contains("lower case letters"), "{text}");
}

#[test]
fn missing_settings_of_each_profile_are_named() {
    let config = Config::parse(
        "image: a\nprofiles:\n  ops: {identityType: workloadIdentity}\n  tenants: {identityType: aadApplication, cloud: Custom}\n",
    )
    .unwrap();
    let pod = prometheus(&[
        ("inject", "true"),
        ("profile", "ops,tenants,nobody"),
        ("client-id", "x"),
        ("tenant-id", "contoso.com"),
    ]);
    let text = errors(&config, &pod, 10);
    for part in [
        "prom-remotewrite/client-id=\"x\"",
        "prom-remotewrite/profile=\"nobody\"",
        "prom-remotewrite/ingestion-url is missing: expected the metrics ingestion URL with the data collection rule in its path, here or as ingestionUrl of profile \"ops\"",
        "ingestionUrl of profile \"tenants\" is missing",
        "secretProviderClass of profile \"tenants\" is missing",
        "clientId of profile \"tenants\" is missing: expected the application's client id;",
        "tenantId of profile \"tenants\" is missing: expected the application's tenant;",
        "authorityHost of profile \"tenants\" is missing",
        "certificateName of profile \"tenants\" is missing",
        "audience of profile \"tenants\" is missing",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    // An annotation goes before the first profile, and never before another.
    assert!(!text.contains("prom-remotewrite/tenant-id"), "{text}");
}

/// The sidecar would end with exit code 78.
#[test]
fn limits_for_one_destination_may_be_too_large_for_several() {
    let yaml = format!("{}    maxRequestBytes: 12Mi\n", crate::tests::CONFIG);
    let config = Config::parse(&yaml).unwrap();
    assert_eq!(decide(&config, Pod::new(&named("tenants"))).word(), "inject");
    assert_eq!(decide(&config, Pod::new(&named("tenants,default"))).word(), "inject");
    let text = errors(&config, &named("tenants,default,federated"), 1);
    let expected = "maxRequestBytes of profile \"tenants\"=\"12Mi\": expected at most ";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.contains("the share of MAX_IN_FLIGHT_BYTES=32Mi"), "{text}");
}

#[test]
fn certificates_do_not_hide_each_other() {
    let with = |path: &str| {
        let yaml = crate::tests::CONFIG.replace(
            "certificateName: tenants-cert",
            &format!("certificateName: c\n    mountPath: {path}"),
        );
        Config::parse(&yaml).unwrap()
    };
    for (path, other) in [
        ("/mnt/secrets-store", "/mnt/secrets-store"),
        ("/mnt/secrets-store/tenants", "/mnt/secrets-store"),
        ("/mnt", "/mnt/secrets-store"),
        ("/var/run/secrets/prom-remotewrite", "/var/run/secrets/prom-remotewrite/token"),
    ] {
        let text = errors(&with(path), &named("application,tenants"), 1);
        let expected = format!(
            "mountPath of profile \"tenants\"={path:?}: expected a path that does not overlap {other}"
        );
        assert!(text.contains(&expected), "{text}");
    }
    let pod = named("application,tenants");
    assert_eq!(decide(&with("/mnt/secrets-store-2"), Pod::new(&pod)).word(), "inject");
}

#[test]
fn the_same_certificate_is_one_volume() {
    let twin = |more: &str| {
        let yaml = format!(
            "{}  twin: {{ingestionUrl: 'https://b-1.westeurope-1.metrics.ingest.monitor.azure.com/dataCollectionRules/dcr-00000000000000000000000000000000/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24', identityType: aadApplication, clientId: 44445555-eeee-6666-ffff-7777aaaa8888, tenantId: contoso.com, secretProviderClass: azure-kvname-user-msi, certificateName: twin{more}}}\n",
            crate::tests::CONFIG
        );
        let (decision, pod) = admit(&Config::parse(&yaml).unwrap(), &named("application,twin"));
        assert_eq!((decision.word(), decision.warnings()), ("inject", [].as_slice()));
        let volumes = pod["spec"]["volumes"].as_array().unwrap().iter();
        let count = volumes.filter(|one| one["csi"].is_object()).count();
        let sidecar = pod["spec"]["initContainers"].as_array().unwrap().last().unwrap();
        let mounts = sidecar["volumeMounts"].as_array().unwrap().iter();
        let paths = mounts
            .filter(|mount| mount["name"] == "prom-remotewrite-cert")
            .map(|mount| mount["mountPath"].as_str().unwrap().to_owned());
        (count, paths.collect::<Vec<_>>())
    };
    assert_eq!(twin(""), (1, ["", "-twin"].map(|end| format!("/mnt/secrets-store{end}")).into()));
    let same = ", mountPath: /mnt/secrets-store";
    assert_eq!(twin(same), (1, vec!["/mnt/secrets-store".to_owned()]));
}

#[test]
fn settings_of_further_profiles_without_effect_cause_a_warning() {
    check(
        &named("default,stack"),
        "inject",
        "asked_for",
        "memoryLimit, sidecarMode, podIdentityAuthorityHost, logFormat, httpsProxy, noProxy, maxInFlightBytes, upstreamTimeout, trustConfigMap of profile \"stack\" have no effect: the first profile, \"default\", decides for the whole sidecar",
    );
    check(&named("stack,tenants"), "inject", "asked_for", "");
}
