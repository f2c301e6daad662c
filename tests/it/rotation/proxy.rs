//! A connection to the API server that can be cut.

use std::{fs, path::PathBuf, sync::Arc};

use tempfile::TempDir;
use tests::machine::process::Program;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::fixture::Fixture;

/// Passes bytes on to the API server, unless it is cut.
pub(super) struct Proxy {
    is_cut: Arc<watch::Sender<bool>>,
    kubeconfig: PathBuf,
    _folder: TempDir,
}

impl Proxy {
    pub(super) async fn start(fixture: &Fixture) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = format!("https://{}", listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let kubeconfig = folder.path().join("kubeconfig");
        let text = fs::read_to_string(fixture.kubeconfig()).unwrap();
        fs::write(&kubeconfig, text.replace(fixture.server(), &server)).unwrap();
        let is_cut = Arc::new(watch::Sender::new(false));
        let target = fixture.server().trim_start_matches("https://").to_owned();
        tokio::spawn(accept(listener, target, is_cut.subscribe()));
        Self { is_cut, kubeconfig, _folder: folder }
    }

    /// A watcher that goes through it.
    pub(super) fn program(&self, fixture: &Fixture) -> Program {
        fixture.program(true, &[]).env("KUBECONFIG", self.kubeconfig.display().to_string())
    }

    /// Ends all connections and refuses new ones.
    pub(super) fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    /// Takes new connections again.
    pub(super) fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn accept(listener: TcpListener, target: String, is_cut: watch::Receiver<bool>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let mut is_cut = is_cut.clone();
        let target = target.clone();
        tokio::spawn(async move {
            if *is_cut.borrow() {
                return;
            }
            let Ok(mut server) = TcpStream::connect(target).await else { return };
            tokio::select! {
                _ = is_cut.wait_for(|is_cut| *is_cut) => {}
                _ = copy_bidirectional(&mut client, &mut server) => {}
            }
        });
    }
}
