//! The way to the ingestion endpoint: its name, a connection, TLS.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use contract::{Settings, names::env};
use http::Uri;
use rustls::ProtocolVersion;
use tokio::{
    net::{TcpStream, lookup_host},
    time::Instant,
};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{
    report::Found,
    span::{end, span},
};
use crate::{
    explain::{self, Code},
    outcome::describe,
    proxy::proxy_for,
    upstream::{Handshake, Upstream},
};

/// More addresses are not listed.
const MAX_SHOWN_ADDRESSES: usize = 6;

/// Whom a connection is made to: the ingestion endpoint, or the proxy before it.
struct Destination {
    host: String,
    port: u16,
    is_proxy: bool,
}

fn destination(settings: &Settings) -> Destination {
    let url = &settings.ingestion_url;
    let uri: Uri = url.url().as_str().parse().unwrap_or_default();
    match proxy_for(settings.proxy.as_ref(), &uri) {
        Some(proxy) => {
            let host = proxy.uri().host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
            Destination { host, port: proxy.uri().port_u16().unwrap_or(80), is_proxy: true }
        }
        None => Destination { host: url.host(), port: url.port(), is_proxy: false },
    }
}

/// Looks up the addresses of whoever is connected to.
pub(super) async fn dns(settings: &Settings) -> Found<()> {
    let Destination { host, port, is_proxy } = destination(settings);
    let whose = if is_proxy { "the proxy " } else { "" };
    if host.parse::<IpAddr>().is_ok() {
        return Found::ok((), format!("{whose}{host} is an address already"));
    }
    let variable = if is_proxy { env::HTTPS_PROXY } else { env::INGESTION_URL };
    let advice = || {
        format!(
            "check the host in {variable}, and the pod's DNS (dnsPolicy, CoreDNS, a NetworkPolicy that blocks port 53)"
        )
    };
    let found: Vec<SocketAddr> = match lookup_host((host.as_str(), port)).await {
        Ok(addresses) => addresses.collect(),
        Err(error) => {
            let detail = format!("cannot find {whose}{host}: {error}");
            return Found::failed(Code::NameNotFound, detail, advice());
        }
    };
    if found.is_empty() {
        return Found::failed(
            Code::NameNotFound,
            format!("{whose}{host} has no address"),
            advice(),
        );
    }
    let mut shown: Vec<String> =
        found.iter().take(MAX_SHOWN_ADDRESSES).map(|address| address.ip().to_string()).collect();
    if found.len() > MAX_SHOWN_ADDRESSES {
        shown.push("…".to_owned());
    }
    Found::ok((), format!("{whose}{host} is {}", shown.join(", ")))
}

/// Opens a connection, through the proxy if there is one.
pub(super) async fn tcp(settings: &Settings, upstream: &Upstream) -> Found<TcpStream> {
    let (host, port) = (settings.ingestion_url.host(), settings.ingestion_url.port());
    let Destination { host: next, port: next_port, is_proxy } = destination(settings);
    let begun = Instant::now();
    match upstream.reach().await {
        Ok(stream) => {
            let peer = stream.peer_addr().map(|address| address.to_string()).unwrap_or_default();
            let through =
                if is_proxy { format!("{host}:{port} through the proxy ") } else { String::new() };
            let seen = format!("connected to {through}{peer} in {}", span(begun.elapsed()));
            Found::ok(stream, seen)
        }
        Err(failure) => {
            let (code, remedy) = if is_proxy {
                let remedy = format!(
                    "check that the proxy {next}:{next_port} is up, knows the user of {}, and lets CONNECT {host}:{port} pass",
                    env::HTTPS_PROXY
                );
                (Code::ProxyFailed, remedy)
            } else {
                let remedy = format!(
                    "let the pod connect to {host}:{port} (NetworkPolicy, firewall, private endpoint), or set {} if a proxy is needed",
                    env::HTTPS_PROXY
                );
                (Code::ConnectionFailed, remedy)
            };
            Found::failed(code, describe(&failure), remedy)
        }
    }
}

/// Agrees on TLS over the connection.
pub(super) async fn tls(upstream: &Upstream, tcp: TcpStream, now: SystemTime) -> Found<()> {
    match upstream.shake_hands(tcp).await {
        Ok(Some(handshake)) => Found::ok((), agreed(&handshake, now)),
        Ok(None) => Found::ok((), "plain http, which stays on this machine"),
        Err(failure) => Found::explained(describe(&failure), explain::no_tls(&failure)),
    }
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
    use crate::check::report::{Report, Status, step};

    #[tokio::test]
    async fn a_name_that_cannot_be_looked_up() {
        // No resolver is asked for a name with such a label.
        let url = format!("https://{}.invalid/", "a".repeat(64));
        let settings = Settings::new(
            url.parse().unwrap(),
            contract::Identity::SystemAssigned,
            "https://monitor.azure.com/".parse().unwrap(),
        );
        let mut report = Report::new();
        assert_eq!(report.note(step::DNS, dns(&settings).await), None);
        let step = report.steps.iter().find(|step| step.name == step::DNS).unwrap();
        assert_eq!((step.status, step.code), (Status::Failed, Some(Code::NameNotFound)));
        assert!(step.detail.starts_with("cannot find aaaa"), "{step:?}");
        assert!(step.remedy.as_deref().unwrap().contains("INGESTION_URL"), "{step:?}");
    }

    #[test]
    fn without_a_readable_certificate_the_version_is_still_told() {
        let handshake = Handshake { version: Some(ProtocolVersion::TLSv1_2), certificate: None };
        assert_eq!(agreed(&handshake, UNIX_EPOCH), "TLS 1.2");
    }
}
