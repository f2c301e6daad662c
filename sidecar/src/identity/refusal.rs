//! Entra's `AADSTS` codes that people meet on this way, and what to do.

/// What a code means here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What is wrong and what to do, as a sentence without its full stop.
    pub(super) advice: &'static str,
    /// Whether another certificate might be accepted.
    pub(super) by_certificate: bool,
    /// Whether Entra calls it a passing trouble of its own.
    pub(super) passing: bool,
}

impl Refusal {
    /// The meaning of a code that is known here.
    ///
    /// <https://learn.microsoft.com/entra/identity-platform/reference-error-codes>
    pub(super) const fn of(code: u32) -> Option<Self> {
        let refusal = match code {
            700_016 => setting(
                "the tenant has no such application: check AZURE_CLIENT_ID (the application's client id, not its object id) and AZURE_TENANT_ID",
            ),
            90_002 | 900_023 => setting(
                "there is no such tenant in this cloud: check AZURE_TENANT_ID, CLOUD and AZURE_AUTHORITY_HOST",
            ),
            7_000_229 => setting(
                "the application has no service principal in the tenant: create it with `az ad sp create --id <AZURE_CLIENT_ID>`",
            ),
            7_000_112 => setting("the application is disabled in the tenant: enable it"),
            500_011 | 70_011 | 1_002_012 => setting(
                "the tenant does not know the audience: check INGESTION_AAD_AUDIENCE and CLOUD",
            ),
            900_382 => setting("the tenant belongs to another cloud: check CLOUD"),
            53_003 => setting(
                "a conditional access policy for workload identities blocks the application: allow it from this network",
            ),
            50_034 => setting(
                "the tenant does not know the identity: check AZURE_CLIENT_ID and AZURE_TENANT_ID",
            ),
            700_027 => certificate(
                "the certificate is not registered with the application: upload it there (App registrations, Certificates & secrets), or for subject name and issuer authentication set AZURE_CLIENT_SEND_CERTIFICATE_CHAIN=true",
            ),
            1_000_502 => certificate(
                "the certificate is outside of its time of validity: renew it, and check the node's clock",
            ),
            7_000_214 | 7_000_215 | 7_000_222 => certificate(
                "the application's credential is expired, revoked or wrong: renew the certificate and register the new one with the application",
            ),
            700_024 => certificate(
                "the assertion is outside of its time of validity: the node's clock is wrong, or the projected service account token has expired",
            ),
            50_027 => certificate("Entra cannot read the assertion, or its signature is wrong"),
            70_021 | 700_211 | 700_212 | 700_213 | 7_002_138 => setting(
                "no federated credential of the identity matches the service account token: compare, letter by letter, its issuer (the cluster's OIDC issuer), subject (system:serviceaccount:<namespace>:<name>) and audience (api://AzureADTokenExchange); a new credential takes minutes to be known",
            ),
            90_033 | 50_196 => passing("Entra has a passing trouble"),
            _ => return None,
        };
        Some(refusal)
    }
}

const fn setting(advice: &'static str) -> Refusal {
    Refusal { advice, by_certificate: false, passing: false }
}

const fn certificate(advice: &'static str) -> Refusal {
    Refusal { advice, by_certificate: true, passing: false }
}

const fn passing(advice: &'static str) -> Refusal {
    Refusal { advice, by_certificate: false, passing: true }
}
