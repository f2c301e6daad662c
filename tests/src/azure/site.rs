//! Where the stand-in listens, and under which names others reach it.

use tokio::net::TcpListener;

use crate::{
    failure::{Context, Outcome},
    keys::authority::Authority,
};

/// The stand-in's place.
pub struct Site {
    /// For the instance metadata service, plain.
    pub imds: TcpListener,
    /// For the token endpoint.
    pub entra: TcpListener,
    /// For the ingestion endpoint.
    pub ingestion: TcpListener,
    /// How clients call them.
    pub addresses: Addresses,
    /// The certificate of the latter two.
    pub tls: rustls::ServerConfig,
    /// Who signed it, PEM.
    pub trust: String,
}

/// Where the services are, without a slash at the end.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// `http://…`
    pub imds: String,
    /// `https://…`, of the token endpoint.
    pub authority: String,
    /// `https://…`
    pub ingestion: String,
}

impl Site {
    /// Ports of loopback that the system chooses, and a new authority.
    pub async fn loopback() -> Outcome<Self> {
        let authority = Authority::new("Azure stand-in authority")?;
        let tls = authority.server(&["localhost", "127.0.0.1", "::1"])?;
        let (imds, imds_port) = listen().await?;
        let (entra, entra_port) = listen().await?;
        let (ingestion, ingestion_port) = listen().await?;
        let addresses = Addresses {
            imds: format!("http://127.0.0.1:{imds_port}"),
            authority: format!("https://localhost:{entra_port}"),
            ingestion: format!("https://localhost:{ingestion_port}"),
        };
        Ok(Self { imds, entra, ingestion, addresses, tls, trust: authority.pem() })
    }
}

async fn listen() -> Outcome<(TcpListener, u16)> {
    let listener =
        TcpListener::bind(("127.0.0.1", 0)).await.context("listen for the Azure stand-in")?;
    let port = listener.local_addr().context("learn the stand-in's port")?.port();
    Ok((listener, port))
}
