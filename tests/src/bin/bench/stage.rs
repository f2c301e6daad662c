//! What all contenders share: the sink, a metadata service, a token, a folder.

use std::path::PathBuf;

use tempfile::TempDir;
use tests::{
    azure::{Azure, PUBLIC_AUDIENCES, Principal, Setup},
    failure::{Context, Outcome},
    machine::folder,
    product::binaries,
};

use crate::sink::Sink;

/// Where a write goes at the sink: as long as Azure's.
pub(crate) const PATH: &str = "/dataCollectionRules/dcr-0123456789abcdef0123456789abcdef/streams/Microsoft-PrometheusMetrics/api/v1/write?api-version=2023-04-24";

/// The surroundings of a contender.
pub(crate) struct Stage {
    pub(crate) sink: Sink,
    /// The metadata service, for those who fetch their own token.
    pub(crate) azure: Azure,
    pub(crate) identity: Principal,
    /// For those who are given their token.
    pub(crate) token: String,
    pub(crate) folder: TempDir,
    /// The sink's authority.
    pub(crate) trust: PathBuf,
    /// The programs as they are shipped.
    pub(crate) sidecar: PathBuf,
    pub(crate) webhook: PathBuf,
}

impl Stage {
    pub(crate) async fn new() -> Outcome<Self> {
        // First, because it may take minutes.
        let sidecar = binaries::find_optimised(binaries::SIDECAR)?;
        let webhook = binaries::find_optimised(binaries::WEBHOOK)?;
        let sink = Sink::start()?;
        let identity = Principal::new();
        let setup = Setup { identities: vec![identity.clone()], ..Setup::default() };
        let azure = Azure::start(setup).await?;
        let [audience, _] = PUBLIC_AUDIENCES;
        let token = azure.mint(&identity, audience);
        let folder = folder::temporary("the bench")?;
        let trust = folder.path().join("sink-ca.pem");
        std::fs::write(&trust, &sink.trust).context("write the sink's authority")?;
        Ok(Self { sink, azure, identity, token, folder, trust, sidecar, webhook })
    }

    /// The sink's address under the name in its certificate.
    pub(crate) fn sink_url(&self) -> String {
        format!("https://localhost:{}{PATH}", self.sink.address.port())
    }
}
