//! Pods at an edge: their own resources are used up or nothing at all, an expression about
//! them costs much, or blanks are around a word that are not ASCII's.

use serde_json::{Value, json};

use super::pods::prometheus;

/// More than any pod of ours has, and fewer than the API server's cost limit allows.
const VOLUMES: usize = 1000;

pub(crate) fn pods() -> Vec<(String, Value)> {
    let mut pods: Vec<_> = own_resources().collect();
    pods.extend(blanks());
    let mut many = prometheus(&[("inject", "true"), ("profile", "application")]);
    let volume = |number: usize| json!({"name": format!("volume-{number}"), "emptyDir": {}});
    let volumes = many["spec"]["volumes"].as_array_mut().unwrap();
    volumes.extend((0..VOLUMES).map(volume));
    pods.push((format!("{VOLUMES} volumes"), many));
    pods
}

fn own_resources() -> impl Iterator<Item = (String, Value)> {
    let all = json!({"cpu": "100m", "memory": "100Mi"});
    let none = json!({"cpu": "0", "memory": "0"});
    let used_up = [
        json!({"requests": all}),
        json!({"requests": {"cpu": "100m"}}),
        json!({"requests": {"memory": "100Mi"}}),
        json!({"requests": {"cpu": "1", "memory": "100Mi"}}),
        json!({"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "100m"}}),
    ];
    let nothing = [
        json!({"limits": {"cpu": "0"}}),
        json!({"limits": {"memory": "0"}}),
        json!({"limits": none}),
        json!({"limits": none, "requests": none}),
        json!({"limits": {"cpu": "0"}, "requests": {"memory": "1Gi"}}),
    ];
    let used_up = used_up.into_iter().map(move |own| (own, json!({"requests": all})));
    let nothing = nothing.into_iter().map(|own| (own, json!({})));
    used_up.chain(nothing).map(|(own, of_container)| {
        let mut pod = prometheus(&[("inject", "true")]);
        let spec = pod["spec"].as_object_mut().unwrap();
        spec.remove("initContainers");
        let container = json!({"name": "one", "image": "one", "resources": of_container});
        spec.insert("containers".to_owned(), json!([container]));
        let name = format!("own resources {own}");
        spec.insert("resources".to_owned(), own);
        (name, pod)
    })
}

fn blanks() -> impl Iterator<Item = (String, Value)> {
    let values = ["true\u{a0}", "\u{2003}true\u{b}", "\u{85}True", "\"\u{3000}yes\u{2028}' "];
    values.into_iter().map(|value| (format!("{value:?}"), prometheus(&[("inject", value)])))
}
