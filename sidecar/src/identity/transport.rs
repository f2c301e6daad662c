//! The HTTP client below `azure_identity`: hyper and rustls, no second stack.
//!
//! One call is one attempt. `azure_identity` repeats a managed identity's
//! request for up to 72 s whatever its options say, holding a lock meanwhile;
//! the pace belongs to whoever asks for tokens. So every failure, a refusal
//! too, ends here in an error of kind [`ErrorKind::Other`], the one kind that
//! is never repeated, with a [`Failure`] as its cause.

use std::{
    error::Error as StdError,
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use azure_core::{
    error::{Error, ErrorKind},
    http::{
        AsyncRawResponse, Body, HttpClient, Method, Request,
        headers::{HeaderName, HeaderValue, Headers},
    },
};
use bytes::Bytes;
use http::{Response, header, response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use url::{Position, Url};

use super::{
    failure::{Answer, Failure, Hop},
    granted::{self, Age},
    service::TokenService,
    token_proxy,
};
use crate::dial::{Dialer, Origin, Stream};

/// Time for one attempt, from connecting to the last byte of the answer. Entra
/// takes a second or two, more when in trouble; a late token is still one.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(20);

/// A longer answer is none: tokens have a few kilobytes.
const MAX_ANSWER_BYTES: usize = 1 << 20;

/// Where `azure_identity` finds the metadata service: a constant in its source.
const METADATA_HOST: &str = "169.254.169.254";

/// The client of one identity.
#[derive(Debug)]
pub(super) struct Transport {
    pub(super) service: TokenService,
    dialer: Dialer,
    attempt: Duration,
    now: fn() -> SystemTime,
}

impl Transport {
    /// A client on connections of `dialer`. `now` serves to read dates in
    /// `Retry-After`.
    pub(super) fn new(
        service: TokenService,
        dialer: Dialer,
        attempt: Duration,
        now: fn() -> SystemTime,
    ) -> Arc<Self> {
        Arc::new(Self { service, dialer, attempt, now })
    }

    /// Host and port, and the proxy on the way there, as a message names them.
    fn name(&self, url: &Url) -> String {
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        match self.dialer.proxy_for(&Origin::of(url)) {
            Some(proxy) => format!("{host} (through the proxy {proxy})"),
            None => host,
        }
    }

    async fn exchange(
        &self,
        url: &Url,
        request: http::Request<Full<Bytes>>,
    ) -> Result<Answered, Failure> {
        let host = self.name(url);
        let exchange = async {
            let stream = self.connect(url, &host).await?;
            let response = Self::send(stream, request).await.map_err(|error| Failure::Broken {
                host: host.clone(),
                cause: root_cause(&error),
            })?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| {
                let cause = match error.downcast_ref::<LengthLimitError>() {
                    Some(_) => format!("the answer has more than {MAX_ANSWER_BYTES} bytes"),
                    None => root_cause(error.as_ref()),
                };
                Failure::Broken { host: host.clone(), cause }
            })?;
            self.judge(&host, parts, &body.to_bytes())
        };
        let timed_out = || Failure::TimedOut { host: host.clone(), after: self.attempt };
        tokio::time::timeout(self.attempt, exchange).await.map_err(|_| timed_out())?
    }

    async fn connect(&self, url: &Url, host: &str) -> Result<Stream, Failure> {
        let dialer = match &self.service {
            TokenService::TokenProxy(proxy) => token_proxy::verifying(&self.dialer, proxy).await?,
            _ => self.dialer.clone(),
        };
        dialer.connect(&Origin::of(url)).await.map_err(|error| {
            let at = Hop::from(&error);
            Failure::Unreachable { host: host.to_owned(), cause: root_cause(&error), at }
        })
    }

    /// Connects to `url` and sends nothing.
    pub(super) async fn reach(&self, url: &Url) -> Result<(), Failure> {
        let host = self.name(url);
        self.connect(url, &host).await.map(drop)
    }

    /// Sends the one request of a connection: hours pass between two tokens, and an
    /// idle connection would be dead.
    async fn send(
        stream: Stream,
        request: http::Request<Full<Bytes>>,
    ) -> hyper::Result<Response<Incoming>> {
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // It ends with the answer, or when the attempt is given up.
        tokio::spawn(connection);
        sender.send_request(request).await
    }

    /// Lets pass only what `azure_identity` can make a token of.
    fn judge(&self, host: &str, parts: response::Parts, body: &[u8]) -> Result<Answered, Failure> {
        let host = host.to_owned();
        if !parts.status.is_success() {
            let answer = Answer::read(parts.status, &parts.headers, body, (self.now)());
            return Err(Failure::Refused { host, answer: answer.into() });
        }
        let Some(answer) = granted::read(body) else {
            return Err(Failure::NoToken { host, status: parts.status });
        };
        let age = match self.service {
            TokenService::Imds(_) | TokenService::Platform => Age::Any,
            TokenService::Entra | TokenService::TokenProxy(_) => Age::New,
        };
        let completed = granted::completed(answer, age, (self.now)());
        Ok((parts, completed.ok_or(Failure::NoEnd { host })?))
    }
}

type Answered = (response::Parts, Bytes);

#[async_trait::async_trait]
impl HttpClient for Transport {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let url = redirected(request.url(), &self.service);
        let outgoing = translate(&url, request)?;
        let (parts, body) = self
            .exchange(&url, outgoing)
            .await
            .map_err(|failure| Error::with_error(ErrorKind::Other, failure, "no token"))?;
        let mut headers = Headers::new();
        for (name, value) in &parts.headers {
            if let Ok(value) = value.to_str() {
                let name = HeaderName::from(name.as_str().to_owned());
                headers.insert(name, HeaderValue::from(value.to_owned()));
            }
        }
        Ok(AsyncRawResponse::from_bytes(parts.status.as_u16().into(), headers, body))
    }
}

/// The address that a request for `url` really goes to.
fn redirected(url: &Url, service: &TokenService) -> Url {
    match service {
        TokenService::Imds(Some(base)) if url.host_str() == Some(METADATA_HOST) => {
            let mut redirected = base.clone();
            redirected.set_path(url.path());
            redirected.set_query(url.query());
            redirected
        }
        TokenService::TokenProxy(proxy) => token_proxy::in_place_of(url, proxy),
        _ => url.clone(),
    }
}

/// The same request as hyper has it.
fn translate(url: &Url, request: &Request) -> azure_core::Result<http::Request<Full<Bytes>>> {
    let unexpected =
        |what: &str| Error::with_message(ErrorKind::Other, format!("unexpected {what}"));
    let method = match request.method() {
        Method::Get => http::Method::GET,
        Method::Post => http::Method::POST,
        other => return Err(unexpected(&format!("method {other}"))),
    };
    let Body::Bytes(body) = request.body() else {
        return Err(unexpected("streaming body"));
    };
    let mut builder = http::Request::builder()
        .method(method)
        .uri(&url[Position::BeforePath..Position::AfterQuery])
        .header(header::HOST, &url[Position::BeforeHost..Position::AfterPort]);
    for (name, value) in request.headers().iter() {
        builder = builder.header(name.as_str(), value.as_str());
    }
    builder.body(Full::new(body.clone())).map_err(|_| unexpected("header"))
}

/// The innermost cause in words.
fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut innermost = error;
    loop {
        // An io::Error hides the error that it wraps from `source`.
        let wrapped = innermost.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let next = wrapped.map(|inner| inner as &(dyn StdError + 'static)).or(innermost.source());
        match next {
            Some(next) => innermost = next,
            None => return innermost.to_string(),
        }
    }
}

#[cfg(test)]
mod tests;
