//! Entra's `AADSTS` codes that people meet on this way, and what to do.

/// What a code means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What is wrong and what to do, as a sentence without its full stop.
    pub(super) advice: &'static str,
    /// Whether Entra calls it a temporary error of its own.
    pub(super) transient: bool,
}

impl Refusal {
    /// The meaning of a code that is known here.
    ///
    /// <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>
    pub(super) const fn of(code: u32) -> Option<Self> {
        let advice = match code {
            90_033 | 50_196 => {
                let advice = "Entra has a temporary error";
                return Some(Self { advice, transient: true });
            }
            _ if Self::is_of_federation(code) => of_federation(code),
            50_027 | 700_024 | 700_027 | 700_030 | 1_000_502 | 7_000_214 | 7_000_215
            | 7_000_218 | 7_000_222 => of_assertion(code),
            700_016 => {
                "the tenant has no such application: check AZURE_CLIENT_ID (the application's client id, not its object id) and AZURE_TENANT_ID"
            }
            90_002 | 900_023 => {
                "there is no such tenant in this cloud: check AZURE_TENANT_ID, CLOUD and AZURE_AUTHORITY_HOST"
            }
            7_000_229 => {
                "the application has no service principal in the tenant: create it with `az ad sp create --id <AZURE_CLIENT_ID>`"
            }
            7_000_112 => "the application is disabled in the tenant: enable it",
            500_011 | 70_011 | 1_002_012 => {
                "the tenant does not know the audience: check INGESTION_AAD_AUDIENCE and CLOUD"
            }
            900_382 => "the tenant belongs to another cloud: check CLOUD",
            53_003 => {
                "a conditional access policy for workload identities blocks the application: allow it from this network"
            }
            50_034 => {
                "the tenant does not know the identity: check AZURE_CLIENT_ID and AZURE_TENANT_ID"
            }
            _ => return None,
        };
        Some(Self { advice, transient: false })
    }

    /// Whether a code is about the federated credentials of an identity.
    pub(super) const fn is_of_federation(code: u32) -> bool {
        matches!(code, 70_021 | 70_025 | 700_211 | 700_212 | 700_213 | 700_222 | 7_002_138)
    }
}

/// Codes about the assertion and the certificate that signs it.
const fn of_assertion(code: u32) -> &'static str {
    match code {
        700_027 => {
            "the certificate is not registered with the application: upload it there (App registrations, Certificates & secrets), or for subject name and issuer authentication set AZURE_CLIENT_SEND_CERTIFICATE_CHAIN=true"
        }
        700_030 => {
            "the application does not trust the certificate's subject name and issuer: register them with the application, or upload the certificate there and unset AZURE_CLIENT_SEND_CERTIFICATE_CHAIN"
        }
        1_000_502 => {
            "the certificate is not valid at this time: renew it, and check the node's clock"
        }
        700_024 => {
            "the assertion is not valid at this time: the node's clock is wrong, or the projected service account token has expired"
        }
        7_000_218 => {
            "the request arrived without its assertion: let proxies and firewalls on the way to Entra pass it unchanged (no TLS inspection)"
        }
        50_027 => "Entra cannot read the assertion, or its signature is wrong",
        _ => {
            "the application's credential is expired, revoked or wrong: renew the certificate and register the new one with the application"
        }
    }
}

/// Codes about the federated credentials of a workload identity.
const fn of_federation(code: u32) -> &'static str {
    match code {
        70_025 => {
            "the identity has no federated credential at all: create one for the cluster's OIDC issuer and the pod's service account (`az identity federated-credential create`), and check AZURE_CLIENT_ID; an identity that is used by AKS identity bindings needs none for this cluster, but its tokens come from the cluster's own proxy: set AZURE_KUBERNETES_TOKEN_PROXY, or identityBinding in the webhook's profile"
        }
        700_222 => {
            "the assertion was issued by Entra itself: AZURE_FEDERATED_TOKEN_FILE must be a service account token that the cluster has issued, not an Entra token"
        }
        700_211 => {
            "no federated credential of the identity has the issuer of the service account token: compare it, letter by letter and with its slash at the end, with the cluster's OIDC issuer; a recreated cluster has another issuer; a new credential takes minutes to take effect; an identity whose only credential is that of AKS identity bindings (aks-identity-binding) needs AZURE_KUBERNETES_TOKEN_PROXY, or identityBinding in the webhook's profile"
        }
        700_213 => {
            "no federated credential of the identity has the subject of the service account token: compare, letter by letter and in upper and lower case, system:serviceaccount:<namespace>:<name>; its audience must be api://AzureADTokenExchange; a new credential takes minutes to take effect"
        }
        _ => {
            "no federated credential of the identity matches the service account token: compare, letter by letter and in upper and lower case, its issuer (the cluster's OIDC issuer), subject (system:serviceaccount:<namespace>:<name>) and audience (api://AzureADTokenExchange); a new credential takes minutes to take effect"
        }
    }
}
