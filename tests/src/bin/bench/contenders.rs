//! Who is measured. Each does the same: takes a write over plain HTTP, adds a
//! bearer token, posts it over kept TLS connections to a peer that it verifies.

mod aad_auth_proxy;
mod bare_hyper;
mod nginx;

use std::{fmt, net::SocketAddr, time::Duration};

use contract::names::WRITE_PATH;
use serde::{Deserialize, Serialize};
use tests::{
    failure::Outcome,
    machine::{
        environment, ports,
        process::{Process, Program, Usage},
    },
};
use tokio::{net::TcpStream, task::JoinSet};

pub(crate) use self::bare_hyper::{Proxy, serve};
use crate::stage::{PATH, Stage};

/// One of those that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kind {
    /// What the others are compared with.
    Nginx,
    /// What Microsoft offers for the task, in Go.
    AadAuthProxy,
    /// The least that can be written with hyper.
    BareHyper,
    /// Ours.
    Sidecar,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nginx => "nginx",
            Self::AadAuthProxy => "aad-auth-proxy",
            Self::BareHyper => "bare hyper",
            Self::Sidecar => "sidecar",
        })
    }
}

/// A contender that runs.
pub(crate) struct Contender {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    process: Process,
    /// What serves it alone.
    _serving: JoinSet<()>,
}

/// From start to where it listens and holds its token.
const STARTS_WITHIN: Duration = Duration::from_secs(20);
const STOPS_WITHIN: Duration = Duration::from_secs(20);

impl Kind {
    /// Those that can be measured here, and why others are left out.
    pub(crate) fn available() -> (Vec<Self>, Vec<String>) {
        let nginx = environment::on_path("nginx")
            .ok_or_else(|| "nginx is left out: it is not on the search path".to_owned());
        let mut kinds = Vec::new();
        let mut left_out = Vec::new();
        let foreign = [
            (Self::Nginx, nginx.map(|_| ())),
            (Self::AadAuthProxy, aad_auth_proxy::find().map(|_| ())),
        ];
        for (kind, found) in foreign {
            match found {
                Ok(()) => kinds.push(kind),
                Err(reason) => left_out.push(reason),
            }
        }
        kinds.extend([Self::BareHyper, Self::Sidecar]);
        (kinds, left_out)
    }

    /// The address for writes: the Go program keeps the path it is asked for.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::AadAuthProxy => PATH,
            Self::Nginx | Self::BareHyper | Self::Sidecar => WRITE_PATH,
        }
    }

    /// Starts it.
    pub(crate) async fn start(self, stage: &Stage) -> Outcome<Contender> {
        let port = ports::free()?;
        let mut serving = JoinSet::new();
        let program = match self {
            Self::Nginx => nginx::program(stage, port)?,
            Self::AadAuthProxy => {
                let (program, tokens) = aad_auth_proxy::program(stage, port).await?;
                serving = tokens;
                program
            }
            Self::BareHyper => bare_hyper::program(stage, port)?,
            Self::Sidecar => sidecar(stage, port),
        };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut process = program.start()?;
        let listening = async |_: &Process| TcpStream::connect(address).await.ok();
        process.until("it listened", STARTS_WITHIN, listening).await?;
        Ok(Contender { kind: self, address, process, _serving: serving })
    }
}

/// The sidecar as it is shipped, with a managed identity.
pub(crate) fn sidecar(stage: &Stage, port: u16) -> Program {
    sidecar_as(Program::new("the sidecar", &stage.sidecar), stage, port)
}

/// The same as this program, which gets its environment here.
pub(crate) fn sidecar_as(program: Program, stage: &Stage, port: u16) -> Program {
    program
        .env("INGESTION_URL", stage.sink_url())
        .env("IDENTITY_TYPE", "userAssigned")
        .env("AZURE_CLIENT_ID", &stage.identity.client_id)
        .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", stage.azure.metadata_host())
        .env("LISTENING_PORT", port.to_string())
        .env("SSL_CERT_FILE", stage.trust.display().to_string())
}

impl Contender {
    /// CPU time and peak memory of its own processes.
    pub(crate) fn usage(&self) -> Outcome<Usage> {
        self.process.group_usage()
    }

    pub(crate) async fn stop(mut self) -> Outcome<()> {
        self.process.stop(STOPS_WITHIN).await.map(|_| ())
    }
}
