//! The policies of ours that inject, and their objects of which a part is missing.

use contract::names;
use futures_util::future::join_all;
use serde_json::Value;

use super::{
    super::facts::{FoundPolicy, text},
    ApiServer,
};

/// Where they are; API servers before 1.36 have none there.
const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
/// Their kind.
const POLICY: &str = "MutatingAdmissionPolicy";

/// An object that injects nothing, and what it lacks.
type Incomplete = (String, String);

/// Each policy, with the parameters that its binding names; and what is incomplete.
pub(super) async fn policies(server: &ApiServer<'_>) -> (Vec<FoundPolicy>, Vec<Incomplete>) {
    let path =
        |kind| format!("{GROUP}/{kind}?labelSelector=app.kubernetes.io/name={}", names::CONTAINER);
    let paths = ["mutatingadmissionpolicies", "mutatingadmissionpolicybindings"].map(path);
    let (policies, bindings) = tokio::join!(server.list(&paths[0]), server.list(&paths[1]));
    let (mut complete, mut incomplete) = (Vec::new(), Vec::new());
    for found in join_all(bindings.iter().map(|one| bound(server, &policies, one))).await {
        match found {
            Ok(policy) => complete.push(policy),
            Err(lack) => incomplete.push(lack),
        }
    }
    let names = policies.iter().map(|policy| text(policy, "/metadata/name"));
    let is_bound =
        |name: &str| bindings.iter().any(|binding| text(binding, "/spec/policyName") == name);
    let unbound = names.filter(|name| !is_bound(name));
    incomplete.extend(unbound.map(|name| (format!("{POLICY} {name}"), "its binding".to_owned())));
    (complete, incomplete)
}

/// The policy of a binding, with its parameters.
async fn bound(
    server: &ApiServer<'_>,
    policies: &[Value],
    binding: &Value,
) -> Result<FoundPolicy, Incomplete> {
    let of = |field| text(binding, field);
    let lacks = |what: String| (format!("{POLICY}Binding {}", of("/metadata/name")), what);
    let name = of("/spec/policyName");
    let policy = policies.iter().find(|policy| text(policy, "/metadata/name") == name);
    let policy = policy.ok_or_else(|| lacks(format!("{POLICY} {name}")))?;
    let (place, name) = (of("/spec/paramRef/namespace"), of("/spec/paramRef/name"));
    let parameters = server.object(&format!("/api/v1/namespaces/{place}/configmaps/{name}")).await;
    let parameters = parameters.ok_or_else(|| lacks(format!("ConfigMap {place}/{name}")))?;
    let selectors =
        [policy.pointer("/spec/matchConstraints"), binding.pointer("/spec/matchResources")];
    let selectors = selectors.map(|one| one.cloned().unwrap_or_default());
    Ok(FoundPolicy { parameters, selectors })
}
