//! Pods that are created at once: a cluster comes up.

use std::time::Instant;

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::table::Table;
use crate::chart::{objects, trial::Trial};

/// `--max-mutating-requests-inflight` of an API server, whose default this is: it queues more.
const IN_FLIGHT: usize = 200;

/// Creates so many pods at once that ask for a sidecar, by a webhook that has just started.
pub(super) async fn measure(counts: &[usize], table: &mut Table) {
    let trial = Trial::new("scale_pods", "scale-pods", &[], &json!({})).await;
    let Some(mut trial) = trial else { return };
    for &count in counts {
        trial.serving.stop().await;
        trial.serving.start().await;
        let pods: Vec<_> = (0..count)
            .map(|one| trial.pod(&format!("pod-{count}-{one}"), &[("inject", "true")]))
            .collect();
        let begun = Instant::now();
        let rejected = create(&trial, &pods).await;
        let took = begun.elapsed().as_secs_f64();
        let memory = mebibytes(trial.serving.usage().peak_memory);
        let review = review_p99(&metrics(&trial).await) * 1e3;
        let figures = [
            ("pods created, at most 200 at once: seconds until the last one exists", took),
            ("…rejected", rejected),
            ("…99th percentile of a review in the webhook, upper bound in ms", review),
            ("…the webhook's peak memory, MiB", memory),
        ];
        table.note(count, figures);
    }
}

/// How many were rejected, since the API server waits 5 s for the webhook.
async fn create(trial: &Trial, pods: &[Value]) -> f64 {
    let mut created = stream::iter(pods)
        .map(|pod| objects::create(&trial.client, pod))
        .buffer_unordered(IN_FLIGHT);
    let mut rejected = 0.0;
    while let Some(pod) = created.next().await {
        let Ok(pod) = pod else {
            rejected += 1.0;
            continue;
        };
        let injected = pod["metadata"]["annotations"].get(contract::annotations::INJECTED);
        assert!(injected.is_some(), "a pod has no sidecar: {pod}");
    }
    rejected
}

pub(super) fn mebibytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes >> 10).unwrap()) / 1024.0
}

async fn metrics(trial: &Trial) -> String {
    let url = format!("http://{}/metrics", trial.serving.admin());
    tests::client::Client::plain().get(&url).await.unwrap().text()
}

/// The upper end of the bucket, in seconds.
fn review_p99(metrics: &str) -> f64 {
    let buckets = metrics.lines().filter_map(|line| {
        let rest =
            line.strip_prefix("prom_remotewrite_webhook_review_duration_seconds_bucket{le=\"")?;
        let (bound, count) = rest.split_once("\"} ")?;
        Some((bound.parse::<f64>().unwrap_or(f64::INFINITY), count.parse::<f64>().ok()?))
    });
    let buckets: Vec<_> = buckets.collect();
    let all = buckets.last().expect("reviews").1;
    buckets.iter().find(|(_, count)| *count >= 0.99 * all).expect("reviews").0
}
