//! What the sidecar may use, by what the pod has.

use super::*;

/// The sidecar's resources in `pod`, and the warnings.
fn resources(pod: &Value) -> (Value, Vec<String>) {
    let (decision, after) = admit(&config(), pod);
    assert_eq!(decision.word(), "inject", "{decision:?}");
    let sidecar = after["spec"]["initContainers"].as_array().unwrap().last().unwrap().clone();
    (sidecar["resources"].clone(), decision.warnings().to_vec())
}

fn with(annotations: &[(&str, &str)], spec: &Value) -> (Value, Vec<String>) {
    let mut pod = small(&json!({"spec": spec}));
    for (name, value) in annotations {
        pod["metadata"]["annotations"][format!("prom-remotewrite/{name}")] = json!(value);
    }
    resources(&pod)
}

fn prometheus_with(resources: &Value) -> Value {
    json!([{"name": "prometheus", "image": "prometheus", "resources": resources}])
}

#[test]
fn a_memory_limit_is_at_most_four_times_its_request() {
    let memory = |annotations: &[(&str, &str)]| {
        let (resources, warnings) = with(annotations, &json!({}));
        assert_eq!(warnings, [""; 0]);
        let amount = |kind: &str| resources[kind]["memory"].as_str().unwrap().to_owned();
        (amount("requests"), amount("limits"))
    };
    let pair = |request: &str, limit: &str| (request.to_owned(), limit.to_owned());
    assert_eq!(memory(&[]), pair("32Mi", "128Mi"));
    assert_eq!(memory(&[("memory-limit", "256Mi")]), pair("64Mi", "256Mi"));
    assert_eq!(memory(&[("memory-limit", "64Mi")]), pair("32Mi", "64Mi"));
    assert_eq!(memory(&[("memory-request", "16Mi")]), pair("16Mi", "64Mi"));
    assert_eq!(memory(&[("memory-request", "64Mi")]), pair("64Mi", "128Mi"));
    assert_eq!(memory(&[("memory-request", "256Mi")]), pair("256Mi", "256Mi"));
    let both = [("memory-request", "16Mi"), ("memory-limit", "1Gi")];
    assert_eq!(memory(&both), pair("16Mi", "1Gi"), "a pair is taken as it is");
}

#[test]
fn a_memory_limit_below_the_requests_in_flight_gets_a_warning() {
    let (resources, warnings) = with(&[("memory-limit", "24Mi")], &json!({}));
    assert_eq!(resources["requests"]["memory"], "24Mi");
    assert_eq!(resources["limits"]["memory"], "24Mi");
    let expected = "the memory limit is 24Mi, and requests in flight (maxInFlightBytes, 32Mi) can take twice their size: raise the limit to at least 64Mi, or lower maxInFlightBytes of the profile";
    assert_eq!(warnings, [expected]);
}

#[test]
fn requests_fit_the_pods_own_resources() {
    let pod = |own: Value, prometheus: Value| json!({"resources": own, "containers": prometheus_with(&json!({"requests": prometheus}))});
    let own = json!({"requests": {"cpu": "500m", "memory": "2Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}});
    let all = json!({"cpu": "500m", "memory": "2Gi"});
    let exhausted = with(&[], &pod(own.clone(), all.clone()));
    // Requests of nothing are written out, lest a LimitRange fills in its own.
    let nothing =
        json!({"requests": {"cpu": "0", "memory": "0"}, "limits": {"cpu": "1", "memory": "2Gi"}});
    assert_eq!(exhausted, (nothing.clone(), vec![]));
    let room = json!({"cpu": "490m", "memory": "2Gi"});
    let cpu_only = |limit: &str| json!({"requests": {"cpu": "10m", "memory": "0"}, "limits": {"memory": limit}});
    assert_eq!(with(&[], &pod(own.clone(), room)).0, cpu_only("2Gi"));
    let room = json!({"cpu": 0.4, "memory": "2016Mi"});
    let usual =
        json!({"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}});
    assert_eq!(with(&[], &pod(own.clone(), room)).0, usual);
    let small = json!({"limits": {"memory": "100Mi"}});
    let capped = json!({"requests": {"memory": "32Mi"}, "limits": {"memory": "100Mi"}});
    assert_eq!(with(&[], &pod(capped, json!({}))).0["limits"], json!({"memory": "100Mi"}));
    // The pod's request is then the sum of its containers'.
    let explicit = with(&[], &pod(small, json!({"memory": "20Mi"})));
    assert_eq!(explicit.0, cpu_only("100Mi"));
    let (resources, warnings) = with(&[("cpu-request", "20m")], &pod(own, all));
    assert_eq!(resources, nothing);
    assert!(warnings[0].contains("no room for cpu 20m"), "{warnings:?}");
    let exponents =
        pod(json!({"requests": {"cpu": "1e0", "memory": "2e9"}}), json!({"cpu": "5e-1"}));
    assert_eq!(with(&[], &exponents).0, usual);
    let unreadable = with(&[], &pod(json!({"requests": {"cpu": "much"}}), json!({})));
    assert_eq!(unreadable.0["requests"]["cpu"], "0");
}

/// Nothing is a limit as well: the API server rejects a container with a higher one.
#[test]
fn a_pod_level_limit_of_nothing_is_kept() {
    let without_cpu = json!({"requests": {"memory": "32Mi"}, "limits": {"memory": "128Mi"}});
    for zero in [json!("0"), json!("0.0"), json!(0)] {
        let of = |own: Value| with(&[], &json!({"resources": own})).0;
        assert_eq!(of(json!({"limits": {"cpu": zero}})), without_cpu, "{zero}");
        let both = of(json!({"limits": {"cpu": zero}, "requests": {"cpu": zero}}));
        let nothing = json!({
            "requests": {"cpu": "0", "memory": "32Mi"},
            "limits": {"cpu": "0", "memory": "128Mi"},
        });
        assert_eq!(both, nothing, "{zero}");
    }
}

/// The API server would make a request of the sidecar the pod's, which otherwise is the
/// limit.
#[test]
fn a_pod_level_limit_stays_the_request() {
    let limits = json!({"limits": {"cpu": "2", "memory": "2Gi"}});
    let pod = |own: &Value, prometheus: Value| json!({"resources": own, "containers": prometheus_with(&prometheus)});
    assert_eq!(with(&[], &pod(&limits, json!({}))), (json!({}), vec![]));
    let memory = json!({"limits": {"cpu": "2", "memory": "2Gi"}, "requests": {"memory": "1Gi"}});
    let only_memory = json!({"requests": {"memory": "32Mi"}, "limits": {"memory": "128Mi"}});
    assert_eq!(with(&[], &pod(&memory, json!({}))), (only_memory, vec![]));
    // A container's limit is a request, too.
    let by_container = with(&[], &pod(&limits, json!({"limits": {"cpu": "1"}}))).0;
    let no_cpu = json!({"requests": {"cpu": "0"}, "limits": {"cpu": "2"}});
    assert_eq!(by_container, no_cpu);
    let (resources, warnings) = with(&[("cpu-request", "20m")], &pod(&limits, json!({})));
    assert_eq!(resources, json!({}));
    assert!(warnings[0].contains("add a pod-level request of cpu"), "{warnings:?}");
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[test]
fn init_containers_that_end_take_no_room() {
    let init = |restart: Value| json!([{"name": "init", "image": "a", "restartPolicy": restart, "resources": {"requests": {"cpu": "100m"}}}]);
    let spec = |restart| json!({"resources": {"requests": {"cpu": "105m"}}, "initContainers": init(restart)});
    assert_eq!(with(&[], &spec(Value::Null)).0["requests"]["cpu"], "10m");
    assert_eq!(with(&[], &spec(json!("Always"))).0["requests"]["cpu"], "0");
}

#[test]
fn a_guaranteed_pod_stays_so_or_gets_a_warning() {
    let guaranteed = || {
        let equal =
            json!({"requests": {"cpu": 1, "memory": "1Gi"}, "limits": {"cpu": 1, "memory": "1Gi"}});
        json!({
            "containers": prometheus_with(&equal),
            "initContainers": [{"name": "i", "image": "a", "resources": {"limits": {"cpu": "0.1", "memory": "64Mi"}}}],
        })
    };
    let both = json!({"cpu": "100m", "memory": "128Mi"});
    let equal = (json!({"requests": both, "limits": both}), vec![]);
    assert_eq!(with(&[], &guaranteed()), equal);
    let (amounts, warnings) =
        with(&[("cpu-request", "200m"), ("memory-limit", "256Mi")], &guaranteed());
    for (cpu, memory) in [("1", "1e9"), ("1e0", "129E6"), ("1000000u", "1181116006400m")] {
        let amounts = json!({"cpu": cpu, "memory": memory});
        let same = json!({"requests": amounts, "limits": amounts});
        let mut spec = guaranteed();
        spec["containers"] = prometheus_with(&same);
        assert_eq!(with(&[], &spec), equal, "{cpu} {memory}");
    }
    let both = json!({"cpu": "200m", "memory": "256Mi"});
    assert_eq!((amounts, warnings), (json!({"requests": both, "limits": both}), vec![]));
    let unequal = [("memory-request", "64Mi"), ("memory-limit", "256Mi")];
    let (amounts, warnings) = with(&unequal, &guaranteed());
    assert_eq!(amounts["requests"]["memory"], "64Mi");
    assert!(warnings[0].contains("becomes Burstable"), "{warnings:?}");
    let mut burstable = guaranteed();
    burstable["initContainers"][0]["resources"] = json!({});
    assert_eq!(with(&[], &burstable).0["requests"]["cpu"], "10m");
    assert_eq!(with(&[], &json!({})).0["requests"]["cpu"], "10m");
}

#[test]
fn an_injected_guaranteed_pod_is_left_alone() {
    let equal = json!({"limits": {"cpu": "1", "memory": "1Gi"}});
    let pod = small(&json!({"spec": {"containers": prometheus_with(&equal)}}));
    let (_, mut after) = admit(&config(), &pod);
    check(&after, "skip", "already_injected", "");
    // Nor is a pod called stale because another container has come.
    let other = json!({"name": "other", "image": "a"});
    after["spec"]["containers"].as_array_mut().unwrap().push(other);
    check(&after, "skip", "already_injected", "");
}

/// A webhook that is called later may add a container.
#[test]
fn a_sidecar_makes_room_for_a_container_that_comes_later() {
    let own = json!({"requests": {"cpu": "1", "memory": "2Gi"}});
    let spec = json!({"resources": own, "containers": prometheus_with(&json!({"requests": {"cpu": "900m"}}))});
    for mode in ["native", "container"] {
        let mut pod = small(&json!({"spec": spec}));
        pod["metadata"]["annotations"]["prom-remotewrite/sidecar-mode"] = json!(mode);
        let (_, injected) = admit(&config(), &pod);
        let with = |cpu: &str| {
            let mut pod = injected.clone();
            let late =
                json!({"name": "late", "image": "a", "resources": {"requests": {"cpu": cpu}}});
            pod["spec"]["containers"].as_array_mut().unwrap().push(late);
            pod
        };
        check(&with("90m"), "skip", "already_injected", "");
        let full = with("100m");
        check(&full, "repair", "no_room", "");
        let (_, after) = admit(&config(), &full);
        let mut expected = full;
        let list = if mode == "native" { "initContainers" } else { "containers" };
        let all = expected["spec"][list].as_array_mut().unwrap();
        let ours = all.iter_mut().find(|one| one["name"] == "prom-remotewrite").unwrap();
        ours["resources"]["requests"]["cpu"] = json!("0");
        assert_eq!(after, expected, "only the request of CPU");
        check(&after, "skip", "already_injected", "");
        // What does not fit without the sidecar is left to the API server.
        check(&with("200m"), "repair", "no_room", "");
    }
}

#[test]
fn a_token_that_is_not_mounted_is_not_hidden() {
    let volumes = |spec: Value| {
        let (_, after) = admit(&config(), &small(&json!({"spec": spec})));
        after["spec"]["volumes"].clone()
    };
    let hidden = json!([{"name": "prom-remotewrite-no-api-token", "downwardAPI": {}}]);
    assert_eq!(volumes(json!({})), hidden);
    assert_eq!(volumes(json!({"automountServiceAccountToken": true})), hidden);
    assert_eq!(volumes(json!({"automountServiceAccountToken": false})), Value::Null);
}
