//! A stand-in for Azure: the instance metadata service, Entra's token endpoint
//! and a metrics ingestion endpoint, on loopback, or as a program in a cluster.
//!
//! It is strict: what Azure refuses, it refuses, in Azure's words where they are known.
//! Tokens come only from its own two issuers; ingestion looks each one up. It keeps every
//! sample, so that a test can compare the samples of Prometheus with those that arrived.
//! Each service can be made to misbehave ([`Faults`]), and each request it saw is kept
//! ([`Logged`]).
//!
//! The metadata service speaks plain HTTP, as the real one does; the other two
//! speak TLS under the stand-in's own authority.

mod assertion;

mod decode;
mod entra;
mod faults;
mod imds;
mod ingestion;
mod report;
mod respond;
mod serve;
mod service;
mod setup;
mod site;
mod store;
mod tally;
pub mod token_proxy;
mod tokens;
pub mod wire;

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustls::pki_types::{CertificateDer, pem::PemObject};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

pub use decode::Unreadable;
pub use faults::{Answer, Fault, Faults, Moment};
pub use report::{Report, Reported, STALE, text};
pub use serve::Logged;
pub use service::Service;
pub(crate) use service::ServiceTable;
pub use setup::{
    Application, Federation, OTHER_RESOURCE, PUBLIC_AUDIENCES, Principal, Rule, STREAM, Setup,
    SubjectTrust,
};
pub use site::{Addresses, Site};
pub use store::{Batch, Labels, Sent, Series, Workspace};
pub use tally::Ending;
pub use tokens::{Minted, Refused, Tokens};

use crate::{
    failure::{Context, Outcome},
    keys::secret,
    locked,
    machine::clock::Clock,
};

/// Entra's tokens live between 60 and 90 minutes.
const USUAL_LIFETIME: Duration = Duration::from_mins(75);

/// The running stand-in; it ends when this is dropped.
pub struct Azure {
    state: Arc<State>,
    trust: String,
    acceptor: Arc<Mutex<TlsAcceptor>>,
    _servers: JoinSet<()>,
}

/// What the services share.
pub(crate) struct State {
    addresses: Addresses,
    clock: Clock,
    setup: Mutex<Setup>,
    tokens: Tokens,
    /// Seconds for which a new token is valid.
    lifetime: AtomicU64,
    metadata_cache: imds::Cache,
    /// The secret of the endpoint that a container app is given.
    identity_header: String,
    /// `jti` of every assertion so far.
    used_assertions: Mutex<HashSet<String>>,
    /// Workspaces by data collection rule.
    store: Mutex<BTreeMap<String, Workspace>>,
    faults: ServiceTable<Faults>,
    connections: ServiceTable<AtomicU64>,
    /// The newest requests, and all of them in numbers.
    log: Mutex<VecDeque<Logged>>,
    tally: tally::Tally,
}

impl State {
    fn new(addresses: Addresses, setup: Setup) -> Self {
        Self {
            addresses,
            clock: Clock::default(),
            setup: Mutex::new(setup),
            tokens: Tokens::default(),
            lifetime: AtomicU64::new(USUAL_LIFETIME.as_secs()),
            metadata_cache: imds::Cache::default(),
            identity_header: secret::uuid(),
            used_assertions: Mutex::default(),
            store: Mutex::default(),
            faults: ServiceTable::default(),
            connections: ServiceTable::default(),
            log: Mutex::default(),
            tally: tally::Tally::default(),
        }
    }

    fn lifetime(&self) -> u64 {
        self.lifetime.load(Ordering::Relaxed)
    }
}

impl Azure {
    /// Starts all three services on ports that the system chooses.
    pub async fn start(setup: Setup) -> Outcome<Self> {
        Ok(Self::serve(Site::loopback().await?, setup))
    }

    /// Starts all three services. It must be called within a runtime.
    pub fn serve(site: Site, setup: Setup) -> Self {
        let state = Arc::new(State::new(site.addresses, setup));
        let acceptor = Arc::new(Mutex::new(TlsAcceptor::from(Arc::new(site.tls))));
        let mut servers = JoinSet::new();
        for (service, listener, tls) in [
            (Service::Imds, site.imds, None),
            (Service::Entra, site.entra, Some(Arc::clone(&acceptor))),
            (Service::Ingestion, site.ingestion, Some(Arc::clone(&acceptor))),
        ] {
            servers.spawn(serve::serve(service, listener, tls, Arc::clone(&state)));
        }
        Self { state, trust: site.trust, acceptor, _servers: servers }
    }

    /// The authority that signed the servers' certificate, PEM.
    pub fn trust(&self) -> String {
        self.trust.clone()
    }

    /// Replaces the servers' certificate, for connections that are made from now on.
    pub fn present(&self, tls: rustls::ServerConfig) {
        *locked(&self.acceptor) = TlsAcceptor::from(Arc::new(tls));
    }

    /// The same for a client of rustls.
    pub fn roots(&self) -> Outcome<rustls::RootCertStore> {
        let certificate = CertificateDer::from_pem_slice(self.trust.as_bytes());
        let mut roots = rustls::RootCertStore::empty();
        let certificate = certificate.context("read the stand-in's authority")?;
        roots.add(certificate).context("trust the stand-in's authority")?;
        Ok(roots)
    }

    /// For `AZURE_POD_IDENTITY_AUTHORITY_HOST`.
    pub fn metadata_host(&self) -> &str {
        &self.state.addresses.imds
    }

    /// For `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`, as a container app has them.
    pub fn identity_endpoint(&self) -> (String, &str) {
        let address = format!("{}{}", self.state.addresses.imds, imds::APP_PATH);
        (address, &self.state.identity_header)
    }

    /// For `AZURE_AUTHORITY_HOST`.
    pub fn authority_host(&self) -> &str {
        &self.state.addresses.authority
    }

    /// For `INGESTION_URL`, with a data collection rule in it.
    pub fn ingestion_url(&self, rule: &str) -> String {
        format!(
            "{}/dataCollectionRules/{rule}/streams/{STREAM}/api/v1/write?api-version=2023-04-24",
            self.state.addresses.ingestion
        )
    }

    /// The stand-in's clock, by which it judges tokens and assertions.
    pub fn clock(&self) -> &Clock {
        &self.state.clock
    }

    /// The tenant's id.
    pub fn tenant(&self) -> String {
        locked(&self.state.setup).tenant.clone()
    }

    /// Changes what is registered.
    pub fn change(&self, change: impl FnOnce(&mut Setup)) {
        change(&mut locked(&self.state.setup));
    }

    /// Every token that was issued.
    pub fn tokens(&self) -> &Tokens {
        &self.state.tokens
    }

    /// Sets for how long tokens are valid that are issued from now on, and
    /// forgets those that the metadata service would hand out again.
    pub fn issue_tokens_for(&self, lifetime: Duration) {
        self.state.lifetime.store(lifetime.as_secs(), Ordering::Relaxed);
        self.state.metadata_cache.clear();
    }

    /// A token, as either issuer would mint it, for a test that sends it
    /// itself.
    pub fn mint(&self, principal: &Principal, audience: &str) -> String {
        let tenant = self.tenant();
        let now = self.state.clock.seconds();
        self.state.tokens.mint(&tenant, principal, audience, now, self.state.lifetime())
    }

    /// The faults of a service.
    pub fn faults(&self, service: Service) -> &Faults {
        self.state.faults.of(service)
    }

    /// How many connections a service has accepted.
    pub fn connections(&self, service: Service) -> u64 {
        self.state.connections.of(service).load(Ordering::Relaxed)
    }

    /// Every request that a service saw, in the order of their answers; of a
    /// long run the newest.
    pub fn requests(&self, service: Service) -> Vec<Logged> {
        locked(&self.state.log).iter().filter(|one| one.service == service).cloned().collect()
    }

    /// How many requests ended how.
    pub fn endings(&self) -> BTreeMap<Ending, u64> {
        self.state.tally.all()
    }

    /// The ids of all data collection rules.
    pub fn rules(&self) -> Vec<String> {
        locked(&self.state.setup).rules.iter().map(|rule| rule.id.clone()).collect()
    }

    /// Looks at what lies behind a rule, while nothing else can write there.
    pub fn workspace<T>(&self, rule: &str, look: impl FnOnce(&Workspace) -> T) -> T {
        let store = locked(&self.state.store);
        match store.get(rule) {
            Some(workspace) => look(workspace),
            None => look(&Workspace::default()),
        }
    }
}
