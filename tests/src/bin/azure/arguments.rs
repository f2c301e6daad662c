//! The command line.

use std::{fs, net::SocketAddr, path::PathBuf};

use clap::Parser;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tests::{
    azure::{Addresses, Site},
    failure::{Context, Outcome},
};
use tokio::net::TcpListener;

/// Plays Azure: instance metadata, Entra and metrics ingestion.
#[derive(Debug, Parser)]
#[command(name = "azure")]
pub(crate) struct Arguments {
    /// Who is registered, YAML.
    #[arg(long)]
    pub(crate) registration: PathBuf,
    /// A folder with `tls.crt`, `tls.key` and `ca.crt`, as a Secret is mounted.
    #[arg(long)]
    certificate: PathBuf,
    /// Where the instance metadata service listens.
    #[arg(long, default_value = "[::]:8080")]
    imds: SocketAddr,
    /// Where Entra listens.
    #[arg(long, default_value = "[::]:8443")]
    entra: SocketAddr,
    /// Where ingestion listens.
    #[arg(long, default_value = "[::]:9443")]
    ingestion: SocketAddr,
    /// Where the admin listens.
    #[arg(long, default_value = "[::]:8081")]
    pub(crate) admin: SocketAddr,
    /// How clients call the instance metadata service.
    #[arg(long, default_value = "http://imds.azure.svc")]
    imds_url: String,
    /// How clients call Entra: assertions are meant for this address.
    #[arg(long, default_value = "https://entra.azure.svc")]
    entra_url: String,
    /// How clients call ingestion.
    #[arg(long, default_value = "https://ingestion.azure.svc")]
    ingestion_url: String,
}

impl Arguments {
    /// Listens, and reads the certificate.
    pub(crate) async fn site(&self) -> Outcome<Site> {
        let bind = async |address: SocketAddr| {
            TcpListener::bind(address).await.context(format!("listen on {address}"))
        };
        let trust = self.certificate.join("ca.crt");
        Ok(Site {
            imds: bind(self.imds).await?,
            entra: bind(self.entra).await?,
            ingestion: bind(self.ingestion).await?,
            addresses: Addresses {
                imds: self.imds_url.clone(),
                authority: self.entra_url.clone(),
                ingestion: self.ingestion_url.clone(),
            },
            tls: self.tls()?,
            trust: fs::read_to_string(&trust).context(format!("read {}", trust.display()))?,
        })
    }

    fn tls(&self) -> Outcome<rustls::ServerConfig> {
        let what = || format!("read the certificate in {}", self.certificate.display());
        let chain = CertificateDer::pem_file_iter(self.certificate.join("tls.crt"));
        let chain = chain.context(what())?.collect::<Result<Vec<_>, _>>().context(what())?;
        let key = PrivateKeyDer::from_pem_file(self.certificate.join("tls.key"));
        let mut config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(chain, key.context(what())?)
            .context(what())?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
