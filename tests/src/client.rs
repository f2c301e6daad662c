//! A plain HTTP client for loopback: one call, one answer.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::failure::{Context, Failure, Outcome};

/// Longer than any answer takes; a test that hangs should show where.
const PATIENCE: Duration = Duration::from_mins(1);

/// A client with its own connections.
#[derive(Clone)]
pub struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

/// An answer, read to its end.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// Every header.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Reply {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Outcome<T> {
        serde_json::from_slice(&self.body).context(format!(
            "read an answer {} as JSON: {}",
            self.status,
            self.text()
        ))
    }

    /// The answer, if it is a success.
    pub fn successful(self) -> Outcome<Self> {
        if self.status.is_success() {
            return Ok(self);
        }
        Err(Failure::new(format!("the answer was {}: {}", self.status, self.text())))
    }
}

impl Client {
    /// A client that trusts `roots` and no one else.
    pub fn new(roots: rustls::RootCertStore) -> Self {
        let tls =
            rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        Self { pool: Pool::builder(TokioExecutor::new()).build(connector) }
    }

    /// A client for plain HTTP.
    pub fn plain() -> Self {
        Self::new(rustls::RootCertStore::empty())
    }

    /// Sends a request and reads the answer.
    pub async fn send(&self, request: Request<Bytes>) -> Outcome<Reply> {
        let target = format!("{} {}", request.method(), request.uri());
        let exchange = async {
            let response = self.pool.request(request.map(Full::new)).await.context(&target)?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.context(format!("read the answer of {target}"))?;
            Ok(Reply { status: parts.status, headers: parts.headers, body: body.to_bytes() })
        };
        timeout(PATIENCE, exchange).await.context(format!("wait longer for {target}"))?
    }

    /// `GET`.
    pub async fn get(&self, url: &str) -> Outcome<Reply> {
        self.call(Method::GET, url, &[], Bytes::new()).await
    }

    /// A page of metrics: each series as it is written, with its value.
    pub async fn metrics(&self, url: &str) -> Outcome<BTreeMap<String, f64>> {
        let text = self.get(url).await?.successful()?.text();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let sample = |line: &str| {
            let (series, value) = line.rsplit_once(' ')?;
            Some((series.to_owned(), value.parse().ok()?))
        };
        Ok(samples.filter_map(sample).collect())
    }

    /// `POST`.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Outcome<Reply> {
        self.call(Method::POST, url, headers, body.into()).await
    }

    /// Any method.
    pub async fn call(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> Outcome<Reply> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body).context(format!("make a request to {url}"))?).await
    }
}
