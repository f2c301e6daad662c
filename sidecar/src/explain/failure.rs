//! Fixes for an ingestion endpoint that cannot be reached. Pure.

use contract::names::env;
use rustls::CertificateError;

use super::{Code, Explanation};
use crate::{dial::DialError, upstream::Failure};

/// Why there was no answer, and what to do: a line for the log.
pub(crate) fn no_answer(failure: &Failure, host: &str) -> String {
    let remedy = no_answer_from(failure, host).text;
    format!("{host}: {}; Prometheus retries it; {remedy}", failure.describe())
}

/// The fix if `host` did not answer.
pub(crate) fn no_answer_from(failure: &Failure, host: &str) -> Explanation {
    let (code, text) = match failure {
        Failure::Connect(error) => no_connection(error, host),
        Failure::Tls(error) => no_tls(error),
        Failure::Broken(_) | Failure::Unreadable(_) => (
            Code::ConnectionBroken,
            format!(
                "if it persists, look at what is between the pod and {host}: a firewall, a service mesh, a proxy"
            ),
        ),
        Failure::Page(_) => (
            Code::Intermediary,
            format!("something between the pod and {host} answers with a web page, such as a proxy's login: let requests to {host} pass"),
        ),
        Failure::Timeout | Failure::Unconnected => (
            Code::UpstreamTimeout,
            format!(
                "{host} is slow or unavailable, or something in between, such as a firewall, holds requests or answers back; {} is how long the sidecar waits",
                env::UPSTREAM_TIMEOUT
            ),
        ),
        Failure::NoToken(_) => {
            (Code::TokenFailed, "see the log lines about tokens".to_owned())
        }
        Failure::NoMemory => (
            Code::InFlightLimit,
            format!("raise {} and the container's memory limit", env::MAX_IN_FLIGHT_BYTES),
        ),
        Failure::Busy => (
            Code::InFlightLimit,
            "the log names the series that are refused: fix them, or drop them with write_relabel_configs".to_owned(),
        ),
        Failure::UnderWay => (
            Code::UpstreamTimeout,
            format!(
                "the sender did not wait for its answer: let it wait longer than {} (Prometheus' remote_timeout)",
                env::UPSTREAM_TIMEOUT
            ),
        ),
    };
    Explanation { code, text }
}

/// The fix for a connection that could not be opened.
fn no_connection(error: &DialError, host: &str) -> (Code, String) {
    let variable = env::HTTPS_PROXY;
    match error {
        DialError::Refused { proxy, status: 407, .. } => (
            Code::ProxyAuthenticationRequired,
            format!(
                "the proxy {proxy} does not accept the user and password of {variable}, or needs some: correct {variable}"
            ),
        ),
        DialError::Refused { proxy, target, .. } => {
            (Code::ProxyFailed, format!("let the proxy {proxy} pass CONNECT {target}"))
        }
        DialError::Proxy { proxy, .. } => (
            Code::ProxyFailed,
            format!(
                "check that {proxy} is up and an HTTP proxy, that the pod may connect to it, and that it is the right one for {variable}"
            ),
        ),
        DialError::Connect { address, .. } => (
            Code::ConnectionFailed,
            format!(
                "let the pod connect to {address} (NetworkPolicy, firewall, private endpoint), or set {variable} if a proxy is needed"
            ),
        ),
        _ => (
            Code::ConnectionFailed,
            format!(
                "let the pod look up and connect to {host} (DNS, NetworkPolicy, firewall, private endpoint), or set {variable} if a proxy is needed"
            ),
        ),
    }
}

/// The fix for a certificate that is not trusted, or a peer that does not speak TLS.
fn no_tls(error: &DialError) -> (Code, String) {
    let (roots, cause) = match error {
        DialError::Tls { roots, source, .. } => {
            (roots.as_str(), source.get_ref().and_then(|inner| inner.downcast_ref()))
        }
        _ => ("", None),
    };
    match cause {
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            (Code::IssuerUnknown, unknown_issuer(roots))
        }
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
                "something other than the ingestion endpoint may answer there, or cut the connection: a firewall, a service mesh, a proxy that {} should name",
                env::HTTPS_PROXY
            ),
        ),
    }
}

/// The remedy depends on which roots are in use: where a file is named already, it
/// lacks one.
fn unknown_issuer(roots: &str) -> String {
    let (file, dir) = (env::SSL_CERT_FILE, env::SSL_CERT_DIR);
    let remedy = if roots.contains(file) || roots.contains(dir) {
        "add the root of the proxy or the private cloud there, in addition to those of Azure; the sidecar reloads it without a restart".to_owned()
    } else {
        format!(
            "if a proxy or a private cloud has its own root, name a file with it and those of Azure in {file}"
        )
    };
    format!("its certificate was not issued by one of the trusted roots ({roots}): {remedy}")
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::http1::HeadError;

    fn tls(source: io::Error, roots: &str) -> DialError {
        DialError::Tls { host: "dce.example".into(), roots: roots.into(), source }
    }

    #[test]
    fn each_failure_has_a_cause_and_a_remedy() {
        let io = || io::Error::from(io::ErrorKind::ConnectionReset);
        let lookup =
            DialError::Lookup { host: "dce.example".into(), source: io::Error::other("dns error") };
        let refused = |status| DialError::Refused {
            proxy: "proxy.example:3128".into(),
            target: "dce.example:443".into(),
            status,
        };
        for (failure, code, cause, remedy) in [
            (lookup.into(), Code::ConnectionFailed, "dns error", "connect to dce.example (DNS,"),
            (
                refused(407).into(),
                Code::ProxyAuthenticationRequired,
                "proxy.example:3128 answered 407",
                "user and password of HTTPS_PROXY",
            ),
            (
                refused(403).into(),
                Code::ProxyFailed,
                "answered 403",
                "let the proxy proxy.example:3128 pass CONNECT dce",
            ),
            (tls(io(), "").into(), Code::TlsFailed, "connection reset", "something other than"),
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
            (Failure::Page(200), Code::Intermediary, "a web page (status 200)", "a proxy's login"),
            (Failure::Timeout, Code::UpstreamTimeout, "did not answer in time", "UPSTREAM_TIMEOUT"),
            (Failure::Unconnected, Code::UpstreamTimeout, "cannot connect", "UPSTREAM_TIMEOUT"),
            (Failure::NoMemory, Code::InFlightLimit, "MAX_IN_FLIGHT_BYTES", "memory limit"),
            (Failure::Busy, Code::InFlightLimit, "must wait", "write_relabel_configs"),
        ] {
            assert_eq!(no_answer_from(&failure, "dce.example").code, code);
            let text = no_answer(&failure, "dce.example");
            for part in [cause, remedy, "Prometheus retries it"] {
                assert!(text.contains(part), "{part}: {text}");
            }
        }
    }

    #[test]
    fn each_tls_failure_has_its_remedy() {
        let check = |error: rustls::Error, roots: &str, code: Code, expected: &str| {
            let (found, text) =
                no_tls(&tls(io::Error::new(io::ErrorKind::InvalidData, error), roots));
            assert_eq!(found, code);
            assert!(text.contains(expected), "{text}");
        };
        let (system, named) = ("the system's certificate store", "SSL_CERT_FILE=/ca.pem");
        let unknown = || CertificateError::UnknownIssuer.into();
        check(unknown(), system, Code::IssuerUnknown, "name a file with it");
        check(unknown(), named, Code::IssuerUnknown, "(SSL_CERT_FILE=/ca.pem): add the root");
        let mismatch = Code::CertificateNameMismatch;
        check(CertificateError::NotValidForName.into(), "", mismatch, "another host");
        check(CertificateError::Expired.into(), "", Code::CertificateNotValidNow, "clock");
        check(CertificateError::NotValidYet.into(), "", Code::CertificateNotValidNow, "clock");
        check(rustls::Error::HandshakeNotComplete, "", Code::TlsFailed, "something other");
    }
}
