//! Why there is no connection.

use std::io;

use thiserror::Error;

/// Why there is no connection.
#[derive(Debug, Error)]
pub(crate) enum DialError {
    /// The name has no address, or no resolver answered.
    #[error("look up {host}")]
    Lookup {
        host: String,
        #[source]
        source: io::Error,
    },
    /// No address accepted the connection.
    #[error("connect to {address}")]
    Connect {
        address: String,
        #[source]
        source: io::Error,
    },
    /// The proxy cannot be connected to, or did not answer `CONNECT`.
    #[error("connect through the proxy {proxy}")]
    Proxy {
        proxy: String,
        #[source]
        source: io::Error,
    },
    /// The proxy refused `CONNECT`.
    #[error("the proxy {proxy} answered {status} to CONNECT {target}")]
    Refused { proxy: String, target: String, status: u16 },
    /// A certificate that is not trusted, or a peer that does not speak TLS.
    #[error("agree on TLS with {host}")]
    Tls {
        host: String,
        /// The roots in use, as [`Trust::place`](crate::trust::Trust::place) names them.
        roots: String,
        #[source]
        source: io::Error,
    },
}

impl DialError {
    /// The system's own error.
    pub(super) fn into_io(self) -> io::Error {
        match self {
            Self::Lookup { source, .. }
            | Self::Connect { source, .. }
            | Self::Proxy { source, .. }
            | Self::Tls { source, .. } => source,
            Self::Refused { .. } => io::Error::other(self),
        }
    }

    /// The roots in use, if the peer's certificate is not accepted; TLS fails for other
    /// reasons as well.
    pub(crate) fn untrusted(&self) -> Option<&str> {
        let Self::Tls { roots, source, .. } = self else { return None };
        let cause = source.get_ref().and_then(|inner| inner.downcast_ref());
        matches!(cause, Some(rustls::Error::InvalidCertificate(_))).then_some(roots)
    }

    /// A word for it, for metrics.
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Lookup { .. } => "lookup",
            Self::Connect { .. } => "connect",
            Self::Proxy { .. } | Self::Refused { .. } => "proxy",
            Self::Tls { .. } => "failed",
        }
    }
}

/// An error and its causes, each once.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
