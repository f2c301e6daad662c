//! Reviews without a pause while the certificate and the configuration change.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use certs::{
    directory::{self, Existing},
    issue::{Request, issue},
    pair::Pem,
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use tests::{
    client::Client, keys::secret, machine::clock::Clock, product::admission, scene::Scene,
};
use tokio::{task::JoinSet, time::sleep};

use super::{pods::mebibytes, table::Table};
use crate::chart::serving::Serving;

const DURATION: Duration = Duration::from_secs(20);
/// The webhook looks at its files every two seconds.
const CHANGE_EVERY: Duration = Duration::from_secs(3);
/// Then a client connects again, so that handshakes meet each certificate.
const REVIEWS_PER_CONNECTION: u64 = 50;

/// Has pods reviewed on so many connections.
pub(super) async fn measure(connections: usize, table: &mut Table) {
    let scene = Scene::new().await.unwrap();
    let configuration = format!("{:#}", scene.configuration());
    let mut serving = Serving::bare(&configuration);
    let issued = [issued(), issued()];
    write(&issued[0], &serving);
    serving.start().await;
    let load = Load::start(&scene, &serving, &issued, connections);
    for number in 1.. {
        sleep(CHANGE_EVERY).await;
        if load.begun.elapsed() > DURATION {
            break;
        }
        write(&issued[number % 2], &serving);
        fs::write(serving.config(), format!("# {number}\n{configuration}")).unwrap();
    }
    let (reviews, took) = load.stop().await;
    assert!(serving.served() >= 3, "{}", serving.said());
    let usage = serving.usage();
    let figures = [
        ("connections: reviews a second, all answered, no connection broken", reviews / took),
        ("…the webhook's peak memory, MiB", mebibytes(usage.peak_memory)),
    ];
    table.note(connections, figures);
}

struct Load {
    over: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
    senders: JoinSet<Vec<String>>,
    begun: Instant,
}

impl Load {
    fn start(scene: &Scene, serving: &Serving, issued: &[Pem], connections: usize) -> Self {
        let mut roots = RootCertStore::empty();
        for one in issued {
            roots.add(CertificateDer::from_pem_slice(one.ca.as_bytes()).unwrap()).unwrap();
        }
        let pod = Scene::pod(&scene.identity, 18_081).unwrap();
        let review = Bytes::from(admission::review(&secret::uuid(), &pod).to_string());
        let (over, good) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let mut senders = JoinSet::new();
        for _ in 0..connections {
            let (url, roots, review) = (serving.url(), roots.clone(), review.clone());
            senders.spawn(send(url, roots, review, Arc::clone(&over), Arc::clone(&good)));
        }
        Self { over, good, senders, begun: Instant::now() }
    }

    /// The reviews that went well, if all did, and the seconds.
    async fn stop(mut self) -> (f64, f64) {
        self.over.store(true, Ordering::Relaxed);
        let mut broken = Vec::new();
        while let Some(ended) = self.senders.join_next().await {
            broken.extend(ended.unwrap());
        }
        let reviews = f64::from(u32::try_from(self.good.load(Ordering::Relaxed)).unwrap());
        let first = broken.first();
        assert!(broken.is_empty(), "{} failed, {reviews} went well: {first:?}", broken.len());
        (reviews, self.begun.elapsed().as_secs_f64())
    }
}

fn issued() -> Pem {
    let request = Request {
        dns_names: vec!["localhost".to_owned()],
        addresses: Vec::new(),
        lifetime: "90d".parse().unwrap(),
    };
    issue(&request, Clock::default().now()).unwrap().into_pem()
}

fn write(issued: &Pem, serving: &Serving) {
    directory::write(issued, &serving.certificate_folder(), Existing::Replace).unwrap();
}

/// Until it is over; says what went wrong.
async fn send(
    url: String,
    roots: RootCertStore,
    review: Bytes,
    over: Arc<AtomicBool>,
    good: Arc<AtomicU64>,
) -> Vec<String> {
    let mut broken = Vec::new();
    let mut client = Client::new(roots.clone());
    for number in 1_u64.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let headers = [("content-type", "application/json"), ("accept", "application/json, */*")];
        match client.post(&url, &headers, review.clone()).await {
            Ok(reply) if reply.status == 200 && reply.text().contains("JSONPatch") => {
                good.fetch_add(1, Ordering::Relaxed);
            }
            Ok(reply) => broken.push(format!("{}: {}", reply.status, reply.text())),
            Err(failure) => broken.push(failure.to_string()),
        }
        if number % REVIEWS_PER_CONNECTION == 0 {
            client = Client::new(roots.clone());
        }
    }
    broken
}
