//! The kinds of [`FetchError`](super::FetchError), as metrics name them.

/// What kept a token from coming: a closed set, fit for a metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FetchErrorKind {
    /// No connection to the instance metadata service.
    ImdsUnreachable,
    /// The instance metadata service issues no token.
    ImdsRefused,
    /// No connection to the authority.
    EntraUnreachable,
    /// The authority gives no token.
    EntraRefused,
    /// No usable certificate.
    Certificate,
    /// No usable service account token.
    TokenFile,
    /// No whole answer in time.
    Timeout,
    /// Asked too often.
    Throttled,
    /// Anything else.
    Other,
}

impl FetchErrorKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::ImdsUnreachable,
        Self::ImdsRefused,
        Self::EntraUnreachable,
        Self::EntraRefused,
        Self::Certificate,
        Self::TokenFile,
        Self::Timeout,
        Self::Throttled,
        Self::Other,
    ];

    /// The label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ImdsUnreachable => "imds_unreachable",
            Self::ImdsRefused => "imds_refused",
            Self::EntraUnreachable => "entra_unreachable",
            Self::EntraRefused => "entra_refused",
            Self::Certificate => "certificate",
            Self::TokenFile => "token_file",
            Self::Timeout => "timeout",
            Self::Throttled => "throttled",
            Self::Other => "other",
        }
    }
}
