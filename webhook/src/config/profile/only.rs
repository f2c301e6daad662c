//! The settings that only a profile may give: one table, which the reader, the
//! schema, explanations and migrations use.

use contract::{AcceptFrom, LogFormat, names::env};

/// A setting of the sidecar that a profile may give and an annotation may not.
#[derive(Debug)]
pub struct ProfileOnly {
    /// Its key in a profile.
    pub key: &'static str,
    /// The variable that the sidecar reads, whose parser is the key's, too.
    pub variable: &'static str,
    /// The type of its values, for the schema.
    pub shape: Shape,
    /// Its meaning, for the schema and the documentation.
    pub meaning: &'static str,
}

/// The type of a setting's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Any text that the parser accepts.
    Text,
    /// A duration such as `10s`.
    Duration,
    /// A number of bytes such as `32Mi`.
    Size,
    /// A whole number above 0.
    Count,
    /// `true` or `false`; `false` is the default.
    Switch,
    /// One of these.
    Words(&'static [&'static str]),
}

const fn setting(
    key: &'static str,
    variable: &'static str,
    shape: Shape,
    meaning: &'static str,
) -> ProfileOnly {
    ProfileOnly { key, variable, shape, meaning }
}

/// The settings that a profile may give and an annotation may not, except
/// `trustConfigMap` and `identityBinding`, which are not variables.
pub const PROFILE_ONLY: &[ProfileOnly] = &[
    setting(
        "authorityHost",
        env::AZURE_AUTHORITY_HOST,
        Shape::Text,
        "Host of Microsoft Entra, instead of the cloud's: an https:// address.",
    ),
    setting(
        "podIdentityAuthorityHost",
        env::AZURE_POD_IDENTITY_AUTHORITY_HOST,
        Shape::Text,
        "Address of the instance metadata service, instead of http://169.254.169.254.",
    ),
    setting(
        "sendCertificateChain",
        env::AZURE_CLIENT_SEND_CERTIFICATE_CHAIN,
        Shape::Switch,
        "Send the certificate's chain, for subject name and issuer authentication.",
    ),
    setting(
        "tokenProxy",
        env::AZURE_KUBERNETES_TOKEN_PROXY,
        Shape::Text,
        "With identityBinding: address of the token proxy, instead of https://kubernetes.default.svc.",
    ),
    setting(
        "tokenProxySniName",
        env::AZURE_KUBERNETES_SNI_NAME,
        Shape::Text,
        "With identityBinding: TLS server name (SNI) of the token proxy.",
    ),
    setting(
        "tokenProxyCaData",
        env::AZURE_KUBERNETES_CA_DATA,
        Shape::Text,
        "With identityBinding: CA of the token proxy in PEM, instead of the cluster's.",
    ),
    setting(
        "cluster",
        env::CLUSTER,
        Shape::Text,
        "Name of the cluster, for logs and prom_remotewrite_build_info.",
    ),
    setting(
        "acceptFrom",
        env::ACCEPT_FROM,
        Shape::Words(AcceptFrom::WORDS),
        "Clients that may write: those in the same pod, or all.",
    ),
    setting(
        "logFormat",
        env::LOG_FORMAT,
        Shape::Words(LogFormat::WORDS),
        "Log format of the sidecar.",
    ),
    setting(
        "httpsProxy",
        env::HTTPS_PROXY,
        Shape::Text,
        "Forward proxy for connections to Azure, without a password.",
    ),
    setting(
        "noProxy",
        env::NO_PROXY,
        Shape::Text,
        "Hosts to reach without the proxy, separated by commas.",
    ),
    setting(
        "maxInFlightBytes",
        env::MAX_IN_FLIGHT_BYTES,
        Shape::Size,
        "Maximum size of all requests in flight together, such as 32Mi.",
    ),
    setting(
        "maxConnections",
        env::MAX_CONNECTIONS,
        Shape::Count,
        "Maximum number of open connections.",
    ),
    setting(
        "maxRequestBytes",
        env::MAX_REQUEST_BYTES,
        Shape::Size,
        "Maximum size of a request's body, such as 16Mi.",
    ),
    setting(
        "maxDecompressedBytes",
        env::MAX_DECOMPRESSED_BYTES,
        Shape::Size,
        "Maximum decompressed size that a request may announce, such as 64Mi.",
    ),
    setting(
        "headerTimeout",
        env::HEADER_TIMEOUT,
        Shape::Duration,
        "Maximum time for a request's headers, such as 10s.",
    ),
    setting(
        "idleTimeout",
        env::IDLE_TIMEOUT,
        Shape::Duration,
        "Maximum time that a connection may be idle, such as 6m.",
    ),
    setting(
        "upstreamTimeout",
        env::UPSTREAM_TIMEOUT,
        Shape::Duration,
        "Maximum time from a request's first byte to its answer, such as 25s.",
    ),
    setting(
        "shutdownTimeout",
        env::SHUTDOWN_TIMEOUT,
        Shape::Duration,
        "Maximum time from SIGTERM to exit, such as 1m30s.",
    ),
];
