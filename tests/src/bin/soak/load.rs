//! Reviews all the time.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tests::{client::Client, failure::Outcome, machine::ports, product::admission, scene::Scene};
use tokio::{task::JoinHandle, time::sleep};

use super::fleet::Fleet;

/// About fifty reviews a second: a cluster's busy minute, without an end.
const PAUSE: Duration = Duration::from_millis(20);
/// Then the client connects again, so that handshakes meet each certificate.
const REVIEWS_PER_CONNECTION: u64 = 50;

/// The reviews so far.
#[derive(Default)]
struct Counts {
    admitted: AtomicU64,
    failed: AtomicU64,
    is_over: AtomicBool,
}

/// A client that has pods reviewed.
pub(crate) struct Load {
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

/// How many reviews there were.
pub(crate) struct Reviews {
    admitted: u64,
    /// Not answered, or not as they must be.
    failed: u64,
}

impl Reviews {
    /// Whether there were some, and none failed.
    pub(crate) const fn are_good(&self) -> bool {
        self.admitted > 0 && self.failed == 0
    }
}

impl Load {
    pub(crate) fn start(Fleet { scene, webhook, changes, .. }: &Fleet) -> Outcome<Self> {
        let roots = changes.roots(webhook)?;
        let (url, counts) = (webhook.url(), Arc::new(Counts::default()));
        let pod = Scene::pod(&scene.identity, ports::free()?)?;
        let shared = Arc::clone(&counts);
        let task = tokio::spawn(async move {
            let mut client = Client::new(roots.clone());
            for number in 1_u64.. {
                if shared.is_over.load(Ordering::Relaxed) {
                    break;
                }
                if number % REVIEWS_PER_CONNECTION == 0 {
                    client = Client::new(roots.clone());
                }
                let admitted = admission::create(&client, &url, &pod).await;
                let is_good = admitted.is_ok_and(|one| one.allowed && !one.patch.is_empty());
                let count = if is_good { &shared.admitted } else { &shared.failed };
                count.fetch_add(1, Ordering::Relaxed);
                sleep(PAUSE).await;
            }
        });
        Ok(Self { counts, task })
    }

    pub(crate) async fn stop(self) -> Reviews {
        self.counts.is_over.store(true, Ordering::Relaxed);
        let has_panicked = self.task.await.is_err();
        Reviews {
            admitted: self.counts.admitted.load(Ordering::Relaxed),
            failed: self.counts.failed.load(Ordering::Relaxed) + u64::from(has_panicked),
        }
    }
}

impl fmt::Display for Reviews {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reviews: {} with a patch, {} failed", self.admitted, self.failed)
    }
}
