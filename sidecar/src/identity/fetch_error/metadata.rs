//! Why a managed identity gets no token: the instance metadata service (IMDS), or
//! the endpoint that App Service and Container Apps have instead.

use contract::{Identity, names::env};

use super::{FetchError, FetchErrorKind, quoted};
use crate::identity::{failure::Answer, refusal::Refusal, service::TokenService};

pub(super) fn metadata_unreachable(
    service: &TokenService,
    host: &str,
    cause: &str,
    untrusted: bool,
) -> FetchError {
    let advice = match service {
        _ if untrusted => "its certificate is not trusted",
        TokenService::Platform => "the platform has set this address: restart the app",
        TokenService::Imds(_) | TokenService::Entra | TokenService::TokenProxy(_) => {
            "managed identities need it: let the pod reach it (AKS' IMDS restriction, a NetworkPolicy or a service mesh may block it), and run on an Azure node; on Container Apps and App Service, which have no IMDS, assign the identity to the app, so that the platform sets IDENTITY_ENDPOINT and IDENTITY_HEADER"
        }
    };
    let name = service.name();
    FetchError::passing(
        FetchErrorKind::ImdsUnreachable,
        format!("cannot reach {name} at {host}: {cause}; {advice}"),
    )
}

/// IMDS answers 404 and 410 while it is updated, and 5xx when in trouble. What
/// Entra refuses it for, it passes on.
///
/// <https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token#error-handling>
pub(super) fn metadata_refused(
    service: &TokenService,
    host: &str,
    answer: &Answer,
    identity: &Identity,
) -> FetchError {
    let status = answer.status.as_u16();
    let (advice, transient) = if let Some(meaning) = answer.code.and_then(Refusal::of) {
        (meaning.advice.to_owned(), meaning.transient)
    } else if let Some(advice) = another_program(answer) {
        (advice.to_owned(), answer.status.is_server_error())
    } else {
        match status {
            400 => (not_assigned(service, identity), false),
            401 if matches!(service, TokenService::Platform) => (
                "it does not accept IDENTITY_HEADER: leave that variable as the platform sets it, and restart the app"
                    .to_owned(),
                false,
            ),
            403 => (
                "something in between denies it, such as AKS' IMDS restriction, a service mesh or AAD pod identity: exempt the pod".to_owned(),
                false,
            ),
            404 | 410 => ("it is being updated, or something else answers there".to_owned(), true),
            500.. => ("it has a temporary error".to_owned(), true),
            _ => ("something else seems to answer there".to_owned(), false),
        }
    };
    let (name, quoted) = (service.name(), quoted(answer));
    let explanation = format!("{name} at {host} gives no token ({status}){quoted}: {advice}");
    FetchError::refused(FetchErrorKind::ImdsRefused, answer, transient, explanation)
}

/// What is known to answer in place of the metadata service.
fn another_program(answer: &Answer) -> Option<&'static str> {
    let server = answer.server.as_deref().unwrap_or_default().to_lowercase();
    let description = answer.description.to_lowercase();
    let of_a_proxy = ["upstream connect error", "no healthy upstream", "fail-fast"];
    if ["envoy", "linkerd", "ztunnel"].iter().any(|name| server.contains(name))
        || of_a_proxy.iter().any(|words| description.contains(words))
    {
        return Some(
            "a service mesh's proxy answers in its place: exempt 169.254.169.254 from the mesh (Istio: the pod annotation traffic.sidecar.istio.io/excludeOutboundIPRanges: 169.254.169.254/32; Linkerd: config.linkerd.io/skip-outbound-ports: \"80\")",
        );
    }
    let of_pod_identity = ["azure identity", "azureidentity", "azureassignedidentity"];
    of_pod_identity.iter().any(|words| description.contains(words)).then_some(
        "AAD pod identity (its NMI), which is retired, answers in its place: remove it from the cluster, exempt the pod by an AzurePodIdentityException, or use workload identity",
    )
}

fn not_assigned(service: &TokenService, identity: &Identity) -> String {
    match (service, identity.client_id()) {
        (TokenService::Platform, Some(id)) => format!(
            "the app has no identity with client id {id}: assign it to the app (`az containerapp identity assign`, `az webapp identity assign`), or correct {}",
            env::AZURE_CLIENT_ID
        ),
        (TokenService::Platform, None) => format!(
            "the app has no system-assigned identity: enable it for the app, or set {}=userAssigned and {}",
            env::IDENTITY_TYPE,
            env::AZURE_CLIENT_ID
        ),
        (_, Some(id)) => format!(
            "this node has no identity with client id {id}: assign it to the scale set of each node pool that the pod may run on (`az vmss identity assign`), or correct {}",
            env::AZURE_CLIENT_ID
        ),
        (_, None) => format!(
            "this node has no system-assigned identity, or has others as well: set {}=userAssigned and {}, or enable it on the node pool's scale set",
            env::IDENTITY_TYPE,
            env::AZURE_CLIENT_ID
        ),
    }
}
