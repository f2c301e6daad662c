//! What to do where the ingestion endpoint could not be asked. Pure.

use contract::names::env;
use rustls::CertificateError;

use crate::upstream::Failure;

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

    #[test]
    fn each_tls_failure_has_its_no_tls() {
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
