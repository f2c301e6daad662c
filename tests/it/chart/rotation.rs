//! New certificates while pods are created without a pause: none fails.

use std::{collections::BTreeSet, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use tokio::time::sleep;

use super::{creating::Creating, objects::text, release::Release, trial::eventually};

/// How often the kubelet would look at the Secret; it is a minute or so.
const SYNC: Duration = Duration::from_millis(700);
/// A job takes some seconds here.
const PATIENCE: Duration = Duration::from_mins(1);
/// Each brings a new CA and a new certificate.
const ROTATIONS: usize = 3;

#[tokio::test]
async fn no_pod_notices_a_new_certificate() {
    const TEST: &str = "no_pod_notices_a_new_certificate";
    let Some(release) = Release::install(TEST, "rotation", &[]).await else { return };
    release.until_trusted().await;
    let asking = || Creating::start(release.client.clone(), release.pod(&[("inject", "true")]));
    let clients = [asking(), asking()];
    let mut served = BTreeSet::from([serving(&release)]);
    let work = async {
        for _ in 0..ROTATIONS {
            release.rotate(&["--force"]).await;
            eventually("the webhook serves the new certificate", async || {
                served.insert(serving(&release)).then_some(())
            })
            .await;
            eventually("the former CA leaves the bundle", async || {
                release.rotate(&[]).await;
                (authorities(&release).await == 1).then_some(())
            })
            .await;
        }
    };
    tokio::select! {
        () = work => {}
        () = kubelet(&release) => {}
    }
    assert_eq!(served.len(), ROTATIONS + 1);
    for client in clients {
        let tally = client.stop().await;
        assert!(tally.refused.is_empty(), "{:#?}", tally.refused);
        assert!(tally.injected > 100 && tally.plain == 0, "{tally:?}");
    }
    release.uninstall().await;
}

/// A job that is killed, wherever it is, is ordinary; so are two at once.
#[tokio::test]
async fn no_pod_notices_a_job_that_is_killed_or_has_a_twin() {
    const TEST: &str = "no_pod_notices_a_job_that_is_killed_or_has_a_twin";
    let Some(release) = Release::install(TEST, "killed", &[]).await else { return };
    release.until_trusted().await;
    let pod = release.pod(&[("inject", "true")]);
    let client = Creating::start(release.client.clone(), pod);
    let work = async {
        // From before the first request to after the last wait.
        for milliseconds in [20, 60, 100, 150, 250, 400, 1_000, 2_000, 2_200, 2_500] {
            let job = release.start_rotation(&["--force"]).await;
            let twin = release.start_rotation(&["--force"]).await;
            sleep(Duration::from_millis(milliseconds)).await;
            drop((job, twin));
        }
        let (mut job, mut twin) =
            (release.start_rotation(&["--force"]).await, release.start_rotation(&[]).await);
        for job in [&mut job, &mut twin] {
            let status = job.wait(PATIENCE).await.unwrap();
            assert!(status.success(), "{}", job.output());
        }
        eventually("all is as it should be", async || {
            release.rotate(&[]).await;
            (authorities(&release).await == 1).then_some(())
        })
        .await;
    };
    tokio::select! {
        () = work => {}
        () = kubelet(&release) => {}
    }
    let tally = client.stop().await;
    assert!(tally.refused.is_empty(), "{:#?}", tally.refused);
    assert!(tally.injected > 100 && tally.plain == 0, "{tally:?}");
    release.uninstall().await;
}

/// Delivers the Secret again and again.
async fn kubelet(release: &Release) {
    loop {
        sleep(SYNC).await;
        release.deliver().await;
    }
}

/// How many CAs the API server trusts.
async fn authorities(release: &Release) -> usize {
    let configuration = release.configuration().await.unwrap();
    let bundle = text(&configuration, "/webhooks/0/clientConfig/caBundle");
    let pem = String::from_utf8(BASE64_STANDARD.decode(bundle).unwrap()).unwrap();
    pem.matches("BEGIN CERTIFICATE").count()
}

/// Which certificate the webhook says it took last; each ends at another time.
fn serving(release: &Release) -> String {
    let said = release.serving.said();
    let taken = said.lines().rfind(|line| line.contains("took a new certificate"));
    taken.map(str::to_owned).unwrap_or_default()
}
