//! What to do where the ingestion endpoint could not be asked. Pure.

use contract::names::env;
use rustls::CertificateError;

use crate::{outcome, upstream::Failure};

/// Why there was no answer, and what to do: a line for the log.
pub(crate) fn no_answer(failure: &Failure, host: &str) -> String {
    let advice = match failure {
        Failure::Connect(_) => format!(
            "let the pod look up and connect to {host} (DNS, NetworkPolicy, firewall, private endpoint), or set {} if a proxy is needed",
            env::HTTPS_PROXY
        ),
        Failure::Tls(_) => no_tls(failure),
        Failure::Broken(_) | Failure::Unreadable(_) => format!(
            "if it stays so, look at what is between the pod and {host}: a firewall, a service mesh, a proxy"
        ),
        Failure::Timeout => format!(
            "{host} is in trouble, or something on the way, such as a firewall, holds requests or answers back; {} is how long is waited",
            env::UPSTREAM_TIMEOUT
        ),
        Failure::NoMemory => {
            format!("raise {} and the container's memory limit", env::MAX_IN_FLIGHT_BYTES)
        }
    };
    format!("{host}: {}; Prometheus tries again; {advice}", outcome::no_answer(failure))
}

/// What to do about a certificate that is not trusted, or a peer that speaks no
/// TLS.
pub(crate) fn no_tls(failure: &Failure) -> String {
    let cause = match failure {
        Failure::Tls(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    match cause {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => format!(
            "nobody whom the sidecar trusts has issued its certificate: if a proxy or a private cloud has a root of its own, name it in {}",
            env::SSL_CERT_FILE
        ),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => format!(
            "its certificate is another host's: check the host in {}, and whether a proxy is in the way",
            env::INGESTION_URL
        ),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => "by this node's clock, its certificate is not valid now: check the clock first"
            .to_owned(),
        _ => format!(
            "something else than the ingestion endpoint may answer there, or cut the connection: a firewall, a service mesh, a proxy that {} should name",
            env::HTTPS_PROXY
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::http1::HeadError;

    #[test]
    fn each_failure_has_a_cause_and_an_advice() {
        let io = || io::Error::from(io::ErrorKind::ConnectionReset);
        for (failure, cause, advice) in [
            (Failure::Connect("dns error".into()), "dns error", "connect to dce.example (DNS,"),
            (Failure::Tls(io()), "connection reset", "something else than the ingestion"),
            (Failure::Broken(io()), "connection reset", "between the pod and dce.example"),
            (Failure::Unreadable(HeadError::Malformed), "not valid HTTP", "a service mesh"),
            (Failure::Timeout, "did not answer in time", "UPSTREAM_TIMEOUT"),
            (Failure::NoMemory, "MAX_IN_FLIGHT_BYTES", "memory limit"),
        ] {
            let text = no_answer(&failure, "dce.example");
            for part in [cause, advice, "Prometheus tries again"] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }

    #[test]
    fn each_tls_failure_has_its_remedy() {
        let check = |error: rustls::Error, expected: &str| {
            let failure = Failure::Tls(io::Error::new(io::ErrorKind::InvalidData, error));
            let text = no_tls(&failure);
            assert!(text.contains(expected), "{text}");
        };
        check(CertificateError::UnknownIssuer.into(), "SSL_CERT_FILE");
        check(CertificateError::NotValidForName.into(), "another host's");
        check(CertificateError::Expired.into(), "clock");
        check(CertificateError::NotValidYet.into(), "clock");
        check(rustls::Error::HandshakeNotComplete, "something else");
        assert!(no_tls(&Failure::Timeout).contains("something else"));
    }
}
