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
    /// What its values look like, for the schema.
    pub shape: Shape,
    /// What it means, for the schema and the documentation.
    pub meaning: &'static str,
}

/// What a setting's values look like.
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
/// `trustConfigMap`, which is no variable.
pub const PROFILE_ONLY: &[ProfileOnly] = &[
    setting(
        "authorityHost",
        env::AZURE_AUTHORITY_HOST,
        Shape::Text,
        "Replaces the cloud's authority: an https:// address.",
    ),
    setting(
        "podIdentityAuthorityHost",
        env::AZURE_POD_IDENTITY_AUTHORITY_HOST,
        Shape::Text,
        "Replaces http://169.254.169.254.",
    ),
    setting(
        "sendCertificateChain",
        env::AZURE_CLIENT_SEND_CERTIFICATE_CHAIN,
        Shape::Switch,
        "For subject name and issuer authentication.",
    ),
    setting("cluster", env::CLUSTER, Shape::Text, "The cluster's name, for logs and build info."),
    setting("acceptFrom", env::ACCEPT_FROM, Shape::Words(AcceptFrom::WORDS), "Who may write."),
    setting("logFormat", env::LOG_FORMAT, Shape::Words(LogFormat::WORDS), "How the sidecar logs."),
    setting(
        "httpsProxy",
        env::HTTPS_PROXY,
        Shape::Text,
        "The forward proxy on the way to Azure, without a password.",
    ),
    setting(
        "noProxy",
        env::NO_PROXY,
        Shape::Text,
        "Hosts that are reached without it, separated by commas.",
    ),
    setting(
        "maxInFlightBytes",
        env::MAX_IN_FLIGHT_BYTES,
        Shape::Size,
        "Limit on the bytes of all requests that are being handled, such as 32Mi.",
    ),
    setting(
        "maxConnections",
        env::MAX_CONNECTIONS,
        Shape::Count,
        "Limit on the number of open connections.",
    ),
    setting(
        "maxRequestBytes",
        env::MAX_REQUEST_BYTES,
        Shape::Size,
        "Limit on the body of a request, such as 16Mi.",
    ),
    setting(
        "maxDecompressedBytes",
        env::MAX_DECOMPRESSED_BYTES,
        Shape::Size,
        "Limit on the size to which a request says it decompresses, such as 64Mi.",
    ),
    setting(
        "headerTimeout",
        env::HEADER_TIMEOUT,
        Shape::Duration,
        "How long a client may take for a request's headers, such as 10s.",
    ),
    setting(
        "idleTimeout",
        env::IDLE_TIMEOUT,
        Shape::Duration,
        "How long a connection may be idle, such as 6m.",
    ),
    setting(
        "upstreamTimeout",
        env::UPSTREAM_TIMEOUT,
        Shape::Duration,
        "From a request's first byte to its answer, such as 25s.",
    ),
    setting(
        "shutdownTimeout",
        env::SHUTDOWN_TIMEOUT,
        Shape::Duration,
        "From SIGTERM to the end, at the latest, such as 1m30s.",
    ),
];
