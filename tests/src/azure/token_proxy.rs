//! A stand-in for the proxy of an AKS identity binding, on loopback.
//!
//! It is strict: TLS is for one name alone; a service account token is shown to a real
//! API server, and must be for the proxy; the account must have the right to use the
//! identity there. Then the proxy asks the stand-in for Entra, with an assertion of its
//! own, as AKS' does by the one federated credential that it makes for the identity, and
//! passes the answer on. In which words AKS' proxy refuses is not documented: this one
//! speaks as API servers do.
//!
//! <https://learn.microsoft.com/azure/aks/identity-bindings-concepts>

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec, UserInfo},
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, api::PostParams};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;
use url::form_urlencoded;

use crate::{
    azure::{Azure, Federation, Principal},
    client::Client,
    failure::{Context, Outcome},
    keys::{
        authority::{ApplicationCertificate, Authority},
        jwt::{self, Algorithm},
    },
    locked,
    machine::clock::Clock,
};

/// The audience of the tokens that it takes.
pub const AUDIENCE: &str = "api://AKSIdentityBinding";
/// Where an account's right to use an identity is written down, and its verb.
const GROUP: &str = "cid.wi.aks.azure.com";
const VERB: &str = "use-managed-identity";

/// The running proxy; it ends when this is dropped.
pub struct TokenProxy {
    address: String,
    name: String,
    trust: String,
    acceptor: Arc<Mutex<TlsAcceptor>>,
    relayed: Arc<AtomicUsize>,
    _server: JoinSet<()>,
}

/// What it judges by.
struct Rules {
    api_server: kube::Client,
    entra: Client,
    authority: String,
    issuer: String,
    key: ApplicationCertificate,
    clock: Clock,
    relayed: Arc<AtomicUsize>,
}

/// A refusal: its status, and why.
type Refusal = (StatusCode, String);

impl TokenProxy {
    /// Starts it under `name`, for an identity that `azure` knows as an application.
    pub async fn start(
        azure: &Azure,
        identity: &Principal,
        api_server: kube::Client,
        name: &str,
    ) -> Outcome<Self> {
        let key = ApplicationCertificate::new("identity binding")?;
        let client = &identity.client_id;
        let issuer = format!("https://ib.oic.prod-aks.azure.com/{}/{client}", azure.tenant());
        let keys = vec![key.public_key()?];
        let federation = Federation { issuer: issuer.clone(), subject: client.clone(), keys };
        azure.change(|setup| {
            let known = setup.applications.iter_mut();
            let bound = known.filter(|one| one.principal.client_id == *client);
            bound.for_each(|one| one.federations.push(federation.clone()));
        });
        let relayed = Arc::new(AtomicUsize::new(0));
        let rules = Arc::new(Rules {
            api_server,
            entra: Client::new(azure.roots()?),
            authority: azure.authority_host().to_owned(),
            issuer,
            key,
            clock: azure.clock().clone(),
            relayed: Arc::clone(&relayed),
        });
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("listen as a proxy")?;
        let port = listener.local_addr().context("learn the proxy's port")?.port();
        let (trust, acceptor) = authority(name)?;
        let acceptor = Arc::new(Mutex::new(acceptor));
        let mut server = JoinSet::new();
        server.spawn(serve(listener, Arc::clone(&acceptor), rules));
        let address = format!("https://localhost:{port}");
        Ok(Self { address, name: name.to_owned(), trust, acceptor, relayed, _server: server })
    }

    /// For `AZURE_KUBERNETES_TOKEN_PROXY`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The CA that has signed its certificate, PEM.
    pub fn trust(&self) -> &str {
        &self.trust
    }

    /// Gives it a certificate of another CA.
    pub fn rotate(&mut self) -> Outcome<()> {
        let (trust, acceptor) = authority(&self.name)?;
        self.trust = trust;
        *locked(&self.acceptor) = acceptor;
        Ok(())
    }

    /// How many requests it has passed on to Entra.
    pub fn relayed(&self) -> usize {
        self.relayed.load(Ordering::Relaxed)
    }
}

fn authority(name: &str) -> Outcome<(String, TlsAcceptor)> {
    let authority = Authority::new("cluster authority")?;
    Ok((authority.pem(), TlsAcceptor::from(Arc::new(authority.server_for(name)?))))
}

async fn serve(listener: TcpListener, acceptor: Arc<Mutex<TlsAcceptor>>, rules: Arc<Rules>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = locked(&acceptor).clone();
        connections.spawn(connection(stream, acceptor, Arc::clone(&rules)));
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, rules: Arc<Rules>) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let each = service_fn(move |request| {
        let rules = Arc::clone(&rules);
        async move { rules.answer(request).await }
    });
    // An error is a client that went away.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), each).await;
}

impl Rules {
    async fn answer(
        &self,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, hyper::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let (status, body) = match self.granted(&parts.method, parts.uri.path(), &body).await {
            Ok((status, body)) => (status, body),
            Err((status, message)) => {
                let message = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": status.as_u16()});
                (status, Bytes::from(message.to_string()))
            }
        };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = status;
        Ok(response)
    }

    async fn granted(
        &self,
        method: &http::Method,
        path: &str,
        body: &[u8],
    ) -> Result<(StatusCode, Bytes), Refusal> {
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let is_token = matches!(segments.as_slice(), [_, "oauth2", "v2.0", "token"]);
        if !is_token || method != http::Method::POST {
            return Err((StatusCode::NOT_FOUND, "the server could not find the resource".into()));
        }
        let mut form: HashMap<String, String> = form_urlencoded::parse(body).into_owned().collect();
        let client = form.get("client_id").cloned().unwrap_or_default();
        let token = form.get("client_assertion").cloned().unwrap_or_default();
        let user = self.user(token).await?;
        self.check_right(&user, &client).await?;
        let assertion = self.assertion(&client).map_err(broken)?;
        form.insert("client_assertion".to_owned(), assertion);
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form).finish();
        let url = format!("{}{path}", self.authority);
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.relayed.fetch_add(1, Ordering::Relaxed);
        let reply = self.entra.post(&url, &kind, form).await.map_err(broken)?;
        Ok((reply.status, reply.body))
    }

    /// Whose token it is, by the API server.
    async fn user(&self, token: String) -> Result<UserInfo, Refusal> {
        let audiences = Some(vec![AUDIENCE.to_owned()]);
        let spec = TokenReviewSpec { audiences: audiences.clone(), token: Some(token) };
        let review = TokenReview { spec, ..TokenReview::default() };
        let reviews: Api<TokenReview> = Api::all(self.api_server.clone());
        let review = reviews.create(&PostParams::default(), &review).await.map_err(broken)?;
        let status = review.status.unwrap_or_default();
        let unauthorized = || (StatusCode::UNAUTHORIZED, "Unauthorized".to_owned());
        if status.authenticated != Some(true) || status.audiences != audiences {
            return Err(unauthorized());
        }
        status.user.ok_or_else(unauthorized)
    }

    async fn check_right(&self, user: &UserInfo, client: &str) -> Result<(), Refusal> {
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: user.username.clone(),
                uid: user.uid.clone(),
                groups: user.groups.clone(),
                resource_attributes: Some(ResourceAttributes {
                    group: Some(GROUP.to_owned()),
                    resource: Some(client.to_owned()),
                    verb: Some(VERB.to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let reviews: Api<SubjectAccessReview> = Api::all(self.api_server.clone());
        let review = reviews.create(&PostParams::default(), &review).await.map_err(broken)?;
        if review.status.is_some_and(|status| status.allowed) {
            return Ok(());
        }
        let user = user.username.as_deref().unwrap_or_default();
        let message =
            format!("User {user:?} cannot {VERB} resource {client:?} in API group {GROUP:?}");
        Err((StatusCode::FORBIDDEN, message))
    }

    /// What Entra trusts of it.
    fn assertion(&self, client: &str) -> Outcome<String> {
        let now = self.clock.seconds();
        let claims = json!({
            "aud": ["api://AzureADTokenExchange"], "iss": self.issuer, "sub": client,
            "iat": now, "nbf": now, "exp": now + 600,
        });
        let header = json!({"alg": "RS256", "kid": "1"});
        jwt::sign(Algorithm::Rs256, &header, &claims, self.key.key_der())
    }
}

fn broken(error: impl std::fmt::Display) -> Refusal {
    (StatusCode::BAD_GATEWAY, error.to_string())
}
