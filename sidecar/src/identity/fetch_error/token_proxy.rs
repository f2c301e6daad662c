//! Why the proxy of an identity binding gives no token.

use contract::{
    Identity, TokenProxy,
    names::{self, env},
};
use http::StatusCode;

use super::{FetchError, FetchErrorKind, page_about, quoted};
use crate::identity::{failure::Answer, refusal::Refusal};

/// `untrusted` are the roots in use, if its certificate is not accepted.
pub(super) fn token_proxy_unreachable(
    name: &str,
    host: &str,
    cause: &str,
    untrusted: Option<&str>,
    proxy: &TokenProxy,
) -> FetchError {
    let advice = match untrusted {
        Some(roots) => certificate(proxy, roots),
        None => format!(
            "check {} and {}, and allow HTTPS to it (NetworkPolicy, service mesh, DNS): it is reached directly, never through {}",
            env::AZURE_KUBERNETES_TOKEN_PROXY,
            env::AZURE_KUBERNETES_SNI_NAME,
            env::HTTPS_PROXY
        ),
    };
    FetchError::passing(
        FetchErrorKind::EntraUnreachable,
        format!("cannot reach {name} at {host}: {cause}; {advice}"),
    )
}

/// The certificate that the proxy must have.
fn certificate(proxy: &TokenProxy, roots: &str) -> String {
    let (name, file) = (env::AZURE_KUBERNETES_SNI_NAME, env::AZURE_KUBERNETES_CA_FILE);
    let data = env::AZURE_KUBERNETES_CA_DATA;
    let subject = match &proxy.server_name {
        Some(value) => format!("{name}={value}"),
        None => format!("its host, because {name} is not set"),
    };
    let unset = match &proxy.authority {
        Some(_) => String::new(),
        None => format!(", because neither {file} nor {data} is set"),
    };
    format!("its certificate must be for {subject}, and issued by a CA in {roots}{unset}")
}

/// What Entra refuses the proxy for, it passes on.
pub(super) fn token_proxy_refused(
    name: &str,
    host: &str,
    answer: &Answer,
    identity: &Identity,
) -> FetchError {
    let status = answer.status;
    let meaning = answer.code.and_then(Refusal::of);
    let transient = status.is_server_error()
        || status == StatusCode::REQUEST_TIMEOUT
        || meaning.is_some_and(|meaning| meaning.transient);
    let advice = match (answer.code, meaning) {
        (Some(700_212), _) => wrong_audience(),
        // Every other code of federation but that of an assertion which Entra itself issued.
        (Some(code), _) if Refusal::is_of_federation(code) && code != 700_222 => no_binding(),
        (Some(_), Some(meaning)) => meaning.advice.to_owned(),
        (Some(code), None) => page_about(code),
        (None, _) => of_proxy(answer, identity),
    };
    let (status, quoted) = (status.as_u16(), quoted(answer));
    let explanation = format!("{name} at {host} gives no token ({status}){quoted}: {advice}");
    FetchError::refused(FetchErrorKind::EntraRefused, answer, transient, explanation)
}

/// What the proxy itself says, whose words nobody documents, or the API server, which
/// is reached by the same address and another name.
fn of_proxy(answer: &Answer, identity: &Identity) -> String {
    let client = identity.client_id().map(ToString::to_string).unwrap_or_default();
    match answer.status {
        _ if answer.description.contains("system:anonymous") => format!(
            "the API server answers in its place: set {} to the name that AKS gives the cluster's proxy",
            env::AZURE_KUBERNETES_SNI_NAME
        ),
        StatusCode::UNAUTHORIZED => format!(
            "{}; or the API server answers in its place: check {}",
            wrong_audience(),
            env::AZURE_KUBERNETES_SNI_NAME
        ),
        StatusCode::FORBIDDEN => format!(
            "the pod's service account may not use the identity: bind it (ClusterRoleBinding) to a ClusterRole with the verb {} for the resource {client} of the API group {}; or {}",
            names::BINDING_VERB,
            names::BINDING_API_GROUP,
            no_binding()
        ),
        status if status.is_server_error() => "it has a temporary error".to_owned(),
        _ => format!(
            "something other than the proxy of AKS identity bindings seems to answer there: check {} and {}",
            env::AZURE_KUBERNETES_TOKEN_PROXY,
            env::AZURE_KUBERNETES_SNI_NAME
        ),
    }
}

fn wrong_audience() -> String {
    format!(
        "it does not accept the service account token: the audience must be {}",
        names::BINDING_TOKEN_AUDIENCE
    )
}

fn no_binding() -> String {
    format!(
        "the cluster has no identity binding for the identity: create it (`az aks identity-binding create`), and check {}",
        env::AZURE_CLIENT_ID
    )
}
