//! What to do where the ingestion endpoint could not be asked. Pure.

use contract::names::env;
use rustls::CertificateError;

use super::{Code, Explanation};
use crate::{outcome, upstream::Failure};

/// Why there was no answer, and what to do: a line for the log.
pub(crate) fn no_answer(failure: &Failure, host: &str) -> String {
    let remedy = no_answer_from(failure, host).text;
    format!("{host}: {}; Prometheus sends it again; {remedy}", outcome::no_answer(failure))
}

/// What to do where `host` did not answer.
pub(crate) fn no_answer_from(failure: &Failure, host: &str) -> Explanation {
    let (code, text) = match failure {
        Failure::Connect(_) => (
            Code::ConnectionFailed,
            format!(
                "let the pod look up and connect to {host} (DNS, NetworkPolicy, firewall, private endpoint), or set {} if a proxy is needed",
                env::HTTPS_PROXY
            ),
        ),
        Failure::Tls(_) => return no_tls(failure),
        Failure::Broken(_) | Failure::Unreadable(_) => (
            Code::ConnectionBroken,
            format!(
                "if it persists, look at what is between the pod and {host}: a firewall, a service mesh, a proxy"
            ),
        ),
        Failure::Timeout => (
            Code::UpstreamTimeout,
            format!(
                "{host} is slow or unavailable, or something in between, such as a firewall, holds requests or answers back; {} is how long the sidecar waits",
                env::UPSTREAM_TIMEOUT
            ),
        ),
        Failure::NoMemory => (
            Code::InFlightLimit,
            format!("raise {} and the container's memory limit", env::MAX_IN_FLIGHT_BYTES),
        ),
    };
    Explanation { code, text }
}

/// What to do about a certificate that is not trusted, or a peer that speaks no
/// TLS.
pub(crate) fn no_tls(failure: &Failure) -> Explanation {
    let cause = match failure {
        Failure::Tls(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    };
    let (code, text) = match cause {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => (
            Code::IssuerUnknown,
            format!(
                "the issuer of its certificate is not trusted: if a proxy or a private cloud has a root of its own, add that root to the file that {} names",
                env::SSL_CERT_FILE
            ),
        ),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        )) => (
            Code::CertificateNameMismatch,
            format!(
                "its certificate is for another host: check the host in {}, and whether a proxy is in between",
                env::INGESTION_URL
            ),
        ),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        )) => (
            Code::CertificateNotValidNow,
            "by this node's clock, its certificate is not valid now: check the clock first"
                .to_owned(),
        ),
        _ => (
            Code::TlsFailed,
            format!(
                "something else than the ingestion endpoint may answer there, or cut the connection: a firewall, a service mesh, a proxy that {} should name",
                env::HTTPS_PROXY
            ),
        ),
    };
    Explanation { code, text }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::http1::HeadError;

    #[test]
    fn each_failure_has_a_cause_and_a_remedy() {
        let io = || io::Error::from(io::ErrorKind::ConnectionReset);
        for (failure, code, cause, remedy) in [
            (
                Failure::Connect("dns error".into()),
                Code::ConnectionFailed,
                "dns error",
                "connect to dce.example (DNS,",
            ),
            (Failure::Tls(io()), Code::TlsFailed, "connection reset", "something else than"),
            (
                Failure::Broken(io()),
                Code::ConnectionBroken,
                "connection reset",
                "between the pod and dce.example",
            ),
            (
                Failure::Unreadable(HeadError::Malformed),
                Code::ConnectionBroken,
                "not valid HTTP",
                "a service mesh",
            ),
            (Failure::Timeout, Code::UpstreamTimeout, "did not answer in time", "UPSTREAM_TIMEOUT"),
            (Failure::NoMemory, Code::InFlightLimit, "MAX_IN_FLIGHT_BYTES", "memory limit"),
        ] {
            assert_eq!(no_answer_from(&failure, "dce.example").code, code);
            let text = no_answer(&failure, "dce.example");
            for part in [cause, remedy, "Prometheus sends it again"] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }

    #[test]
    fn each_tls_failure_has_its_remedy() {
        let check = |error: rustls::Error, code: Code, expected: &str| {
            let failure = Failure::Tls(io::Error::new(io::ErrorKind::InvalidData, error));
            let explanation = no_tls(&failure);
            assert_eq!(explanation.code, code);
            assert!(explanation.text.contains(expected), "{}", explanation.text);
        };
        check(CertificateError::UnknownIssuer.into(), Code::IssuerUnknown, "SSL_CERT_FILE");
        let mismatch = Code::CertificateNameMismatch;
        check(CertificateError::NotValidForName.into(), mismatch, "another host");
        check(CertificateError::Expired.into(), Code::CertificateNotValidNow, "clock");
        check(CertificateError::NotValidYet.into(), Code::CertificateNotValidNow, "clock");
        check(rustls::Error::HandshakeNotComplete, Code::TlsFailed, "something else");
        assert!(no_tls(&Failure::Timeout).text.contains("something else"));
    }
}
