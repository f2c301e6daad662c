//! Kubernetes objects as plain JSON, written and read.

use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};

/// The documents of a YAML text that hold something.
pub(crate) fn documents(yaml: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap();
    all.into_iter().filter(|document| !document.is_null()).collect()
}

/// `object` at `path`, as text; empty where there is none.
pub(crate) fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The first object of this kind.
pub(crate) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> &'a Value {
    objects.iter().find(|object| object["kind"] == kind).unwrap()
}

/// Whether it is there for `helm test` only.
pub(crate) fn is_hook(object: &Value) -> bool {
    object.pointer("/metadata/annotations/helm.sh~1hook").is_some()
}

/// Access to objects of `object`'s kind, in its namespace if it has one.
pub(crate) fn api(client: &Client, object: &Value) -> Api<DynamicObject> {
    let (group, version) = match text(object, "/apiVersion").split_once('/') {
        Some(both) => both,
        None => ("", text(object, "/apiVersion")),
    };
    let kind = GroupVersionKind::gvk(group, version, text(object, "/kind"));
    let resource = ApiResource::from_gvk(&kind);
    match text(object, "/metadata/namespace") {
        "" => Api::all_with(client.clone(), &resource),
        namespace => Api::namespaced_with(client.clone(), namespace, &resource),
    }
}

/// Applies it on the server, which must know every field of it.
pub(crate) async fn apply(client: &Client, object: &Value) -> kube::Result<Value> {
    apply_with(client, object, PatchParams::apply("tests").force()).await
}

/// The same, without a trace.
pub(crate) async fn apply_dry(client: &Client, object: &Value) -> kube::Result<Value> {
    apply_with(client, object, PatchParams::apply("tests").force().dry_run()).await
}

async fn apply_with(client: &Client, object: &Value, params: PatchParams) -> kube::Result<Value> {
    let name = text(object, "/metadata/name");
    let params = params.validation_strict();
    let applied = api(client, object).patch(name, &params, &Patch::Apply(object)).await?;
    Ok(serde_json::to_value(applied).unwrap())
}

/// Creates it.
pub(crate) async fn create(client: &Client, object: &Value) -> kube::Result<Value> {
    let posted: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let created = api(client, object).create(&PostParams::default(), &posted).await?;
    Ok(serde_json::to_value(created).unwrap())
}

/// Creates it in a namespace, without a trace.
pub(crate) async fn create_dry(
    client: &Client,
    namespace: &str,
    object: &Value,
) -> kube::Result<Value> {
    let mut object = object.clone();
    object["metadata"]["namespace"] = json!(namespace);
    let posted: DynamicObject = serde_json::from_value(object.clone()).unwrap();
    let params = PostParams { dry_run: true, ..PostParams::default() };
    let created = api(client, &object).create(&params, &posted).await?;
    Ok(serde_json::to_value(created).unwrap())
}

/// Makes a namespace in which Pod Security is enforced at `level`.
pub(crate) async fn namespace(client: &Client, name: &str, level: &str) {
    let labels = json!({"pod-security.kubernetes.io/enforce": level});
    let namespace = json!({
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": labels},
    });
    apply(client, &namespace).await.unwrap();
    // A pod needs its namespace's service account, which a controller makes.
    let account = json!({
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": "default", "namespace": name},
    });
    apply(client, &account).await.unwrap();
}
