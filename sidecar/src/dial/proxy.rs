//! The forward proxy: which origins it is used for, and its `CONNECT`.

use std::{fmt, io};

use contract::Proxy;
use http::HeaderValue;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::http1::parse_response;

/// What port a proxy has if none is given, as everywhere.
const DEFAULT_PORT: u16 = 80;

/// A forward proxy. It is shown without user and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForwardProxy {
    /// Without brackets.
    host: String,
    port: u16,
    /// Marked as sensitive, so that `Debug` does not print it.
    authorization: Option<HeaderValue>,
}

/// Decides for each origin whether it is reached through `proxy`.
pub(super) fn matcher(proxy: &Proxy) -> Matcher {
    let address = proxy.address().as_str();
    Matcher::builder().https(address).http(address).no(proxy.exceptions()).build()
}

/// `host` and `port` as an HTTP message names them: an IPv6 address in brackets.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl From<&Intercept> for ForwardProxy {
    fn from(intercept: &Intercept) -> Self {
        let uri = intercept.uri();
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let authorization = intercept.basic_auth().cloned().map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Self { host, port: uri.port_u16().unwrap_or(DEFAULT_PORT), authorization }
    }
}

impl ForwardProxy {
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) const fn port(&self) -> u16 {
        self.port
    }

    /// Asks for a tunnel to `target`, and returns the status of the answer.
    pub(super) async fn ask(&self, stream: &mut TcpStream, target: &str) -> io::Result<u16> {
        let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
        if let Some(value) = &self.authorization {
            request.extend_from_slice(b"Proxy-Authorization: ");
            request.extend_from_slice(value.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        stream.write_all(&request).await?;
        let mut input = Vec::new();
        loop {
            match parse_response(&input).map_err(io::Error::other)? {
                Some((head, length)) if head.is_interim() => drop(input.drain(..length)),
                // A TLS server says nothing first: what follows a tunnel's answer
                // is no part of it.
                Some((head, length)) if head.status < 300 && length < input.len() => {
                    return Err(io::Error::other("it sent data after its answer"));
                }
                Some((head, _)) => return Ok(head.status),
                None if stream.read_buf(&mut input).await? == 0 => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                None => {}
            }
        }
    }
}

/// Host and port.
impl fmt::Display for ForwardProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&authority(&self.host, self.port))
    }
}
