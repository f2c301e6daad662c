//! The way to the ingestion endpoint: its name, a connection, TLS.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use contract::names::env;
use rustls::ProtocolVersion;
use tokio::{net::TcpStream, time::Instant};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::report::Found;
use crate::{
    clock::{end, span},
    dial::with_causes,
    explain::{self, Code},
    upstream::{Failure, Handshake, Upstream},
};

/// More addresses are not listed.
const MAX_SHOWN_ADDRESSES: usize = 6;

/// Looks up the addresses of whoever is connected to: the ingestion endpoint, or the
/// proxy before it.
pub(super) async fn dns(upstream: &Upstream) -> Found<()> {
    let (dialer, origin) = upstream.route();
    let proxy = dialer.proxy_for(origin);
    let (whose, host, port, variable) = match &proxy {
        Some(proxy) => ("the proxy ", proxy.host(), proxy.port(), env::HTTPS_PROXY),
        None => ("", origin.host(), origin.port(), env::INGESTION_URL),
    };
    if host.parse::<IpAddr>().is_ok() {
        return Found::ok((), format!("{whose}{host} is an address already"));
    }
    let found = match dialer.lookup(host, port).await {
        Ok(addresses) => addresses,
        Err(error) => {
            return Found::failed(
                Code::NameNotFound,
                format!("cannot {}", with_causes(&error)),
                format!(
                    "check the host in {variable}, and the pod's DNS (dnsPolicy, CoreDNS, a NetworkPolicy that blocks port 53)"
                ),
            );
        }
    };
    let mut shown: Vec<String> =
        found.iter().take(MAX_SHOWN_ADDRESSES).map(|address| address.ip().to_string()).collect();
    if found.len() > MAX_SHOWN_ADDRESSES {
        shown.push("…".to_owned());
    }
    Found::ok((), format!("{whose}{host} is {}", shown.join(", ")))
}

/// Opens a connection, through the proxy if there is one.
pub(super) async fn tcp(upstream: &Upstream) -> Found<TcpStream> {
    let (dialer, origin) = upstream.route();
    let (host, port) = (origin.host(), origin.port());
    let proxy = dialer.proxy_for(origin);
    let begun = Instant::now();
    match upstream.reach().await {
        Ok(stream) => {
            let peer = stream.peer_addr().map(|address| address.to_string()).unwrap_or_default();
            let through = match proxy {
                Some(_) => format!("{host}:{port} through the proxy "),
                None => String::new(),
            };
            let seen = format!("connected to {through}{peer} in {}", span(begun.elapsed()));
            Found::ok(stream, seen)
        }
        Err(failure) => failed(&failure, host),
    }
}

/// Agrees on TLS over the connection.
pub(super) async fn tls(upstream: &Upstream, tcp: TcpStream, now: SystemTime) -> Found<()> {
    match upstream.shake_hands(tcp).await {
        Ok(Some(handshake)) => Found::ok((), agreed(&handshake, now)),
        Ok(None) => Found::ok((), "plain http, which stays on this machine"),
        Err(failure) => failed(&failure, upstream.route().1.host()),
    }
}

fn failed<T>(failure: &Failure, host: &str) -> Found<T> {
    Found::explained(failure.describe(), explain::no_answer_from(failure, host))
}

fn agreed(handshake: &Handshake, now: SystemTime) -> String {
    let version = match handshake.version {
        Some(ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    };
    let der = handshake.certificate.as_deref().unwrap_or_default();
    let Ok((_, certificate)) = X509Certificate::from_der(der) else {
        return version.to_owned();
    };
    let seconds = u64::try_from(certificate.validity().not_after.timestamp()).unwrap_or(0);
    let not_after = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).unwrap_or(UNIX_EPOCH);
    format!(
        "{version} with {}, issued by {}, which {}",
        certificate.subject(),
        certificate.issuer(),
        end(not_after, now)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_readable_certificate_the_version_is_still_reported() {
        let handshake = Handshake { version: Some(ProtocolVersion::TLSv1_2), certificate: None };
        assert_eq!(agreed(&handshake, UNIX_EPOCH), "TLS 1.2");
    }
}
