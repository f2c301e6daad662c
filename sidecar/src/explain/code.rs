//! Stable names of causes, for programs that read the report of `check`.

use serde::{Serialize, Serializer};

/// Declares [`Code`] from one table: variant, word, meaning.
macro_rules! codes {
    ($($variant:ident $word:literal $meaning:literal,)*) => {
        /// The problem, as a word that stays the same when the text about it is reworded.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// All of them, in the order of the documentation.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            /// Its meaning, for the documentation.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)* }
            }
        }
    };
}

codes! {
    InvalidConfiguration "invalid-configuration" "Invalid variables: the sidecar does not start.",
    DoubtfulConfiguration "doubtful-configuration" "Variables that are valid, and probably wrong.",
    TrustedRootsUnusable "trusted-roots-unusable" "No trusted certificate can be read.",
    NameNotFound "name-not-found" "DNS has no address for the host, or does not answer.",
    ConnectionFailed "connection-failed" "No connection to the ingestion endpoint.",
    ProxyFailed "proxy-failed" "No connection through the forward proxy.",
    ProxyAuthenticationRequired "proxy-authentication-required" "A proxy requires a user and a password.",
    IssuerUnknown "issuer-unknown" "The endpoint's certificate was issued by an untrusted authority.",
    CertificateNameMismatch "certificate-name-mismatch" "The endpoint's certificate is for another host.",
    CertificateNotValidNow "certificate-not-valid-now" "The endpoint's certificate is expired or not valid yet, by this node's clock.",
    TlsFailed "tls-failed" "The TLS handshake fails for another reason.",
    ConnectionBroken "connection-broken" "The connection broke before an answer, or the answer is not HTTP.",
    UpstreamTimeout "upstream-timeout" "The ingestion endpoint did not answer in time.",
    InFlightLimit "in-flight-limit" "`MAX_IN_FLIGHT_BYTES` is reached.",
    CheckTimeout "check-timeout" "The time for the whole check is over.",
    ImdsUnreachable "imds-unreachable" "No connection to the instance metadata service.",
    ImdsRefused "imds-refused" "The instance metadata service issues no token.",
    EntraUnreachable "entra-unreachable" "No connection to Microsoft Entra.",
    EntraRefused "entra-refused" "Microsoft Entra issues no token.",
    CertificateUnusable "certificate-unusable" "The application's certificate cannot be read or used.",
    CertificateExpiring "certificate-expiring" "The application's certificate is expired, expires soon, or is not valid yet.",
    TokenFileUnusable "token-file-unusable" "The service account token cannot be read or used.",
    TokenFileAudience "token-file-audience" "The service account token is for another audience.",
    TokenFileExpired "token-file-expired" "The service account token is expired.",
    TokenTimeout "token-timeout" "The token service did not answer in time.",
    TokenThrottled "token-throttled" "The token service throttles requests.",
    TokenFailed "token-failed" "No token was issued, for another reason.",
    TokenAudience "token-audience" "The token is for another audience.",
    TokenApplication "token-application" "The token is for another application.",
    TokenExpired "token-expired" "The token had already expired when it was issued, by this node's clock.",
    TokenRejected "token-rejected" "Azure does not accept the token (401).",
    QueryAudience "query-audience" "The token is for queries, not for ingestion (401).",
    RoleMissing "role-missing" "The identity has no role on the data collection rule (403).",
    RuleNotBound "rule-not-bound" "The data collection rule is not bound to the endpoint (403).",
    NetworkIsolation "network-isolation" "The endpoint does not accept writes from this network: private link, network isolation (403).",
    ForbiddenWithoutReason "forbidden-without-reason" "Azure refuses the write for a reason that the sidecar does not know (403).",
    InvalidRequestPath "invalid-request-path" "The path or the api-version of `INGESTION_URL` is wrong (400).",
    LogsEndpoint "logs-endpoint" "`INGESTION_URL` names the endpoint for logs (400, 404).",
    ContentRefused "content-refused" "Azure refuses the content of the batch (400, 409, 422).",
    ProbeInconclusive "probe-inconclusive" "Azure refuses the empty write without a known reason (400).",
    RuleNotFound "rule-not-found" "Azure has no such data collection rule or stream (404).",
    TooLarge "too-large" "The batch is too large (413).",
    MessageVersion "message-version" "Azure does not accept this kind of message (415).",
    Throttled "throttled" "A limit of Azure is reached (429).",
    Redirect "redirect" "Something redirects, which an ingestion endpoint never does (3xx).",
    Intermediary "intermediary" "Something between the pod and Azure answered: a firewall, a service mesh, a proxy.",
    AzureUnavailable "azure-unavailable" "Azure cannot process the request just now (5xx).",
    ClockSkew "clock-skew" "This node's clock is wrong.",
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_word_is_in_use_once_and_in_kebab_case() {
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        let kebab = |word: &str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        assert!(words.iter().all(|word| kebab(word)), "{words:?}");
    }
}
