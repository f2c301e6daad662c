//! What happens on Azure's side, and on the way there.

use std::time::Duration;

use http::Method;
use serde_json::json;
use tests::{
    failure::{Context, Failure, Outcome},
    kubernetes::deployment::{AZURE, Credentials, IDENTITIES, Identity},
    prometheus::account::Loss,
};
use tokio::time::sleep;

use crate::{
    account::Tolerance,
    stack::{Stack, eventually},
};

/// The kubelet asks the CSI driver again after at most about 15 s, the sidecar looks
/// every 5 s.
const DELIVERED_WITHIN: Duration = Duration::from_mins(1);
/// The life of tokens before an outage of the identity services.
const SHORT: Duration = Duration::from_secs(30);
/// So long none is issued: until all have ended, and then for as long as the
/// longest pause between two tries of the sidecar. An outage of many minutes
/// looks the same, but for the number of samples that wait.
const OUTAGE: Duration = Duration::from_secs(65);
/// Longer than one request may take (25 s), so that some end by their deadline.
const SWALLOWED: Duration = Duration::from_secs(35);
/// What waited to be sent when something began: 5 s for others to be sent with,
/// and a moment for the sending.
const SCRAPED_BEFORE: i64 = 10_000;
/// Some requests.
const REFUSED: Duration = Duration::from_secs(15);
/// A sidecar's first try after an outage comes after 36 s at the latest.
const RECOVERS_WITHIN: Duration = Duration::from_secs(45);

/// The vault's copy changes first, as it does in life; then Entra forgets the
/// former one, and every token that it ever proved.
pub(super) async fn certificate(stack: &Stack) -> Outcome<Tolerance> {
    let [_, application, _] = IDENTITIES;
    let credentials = Credentials::new()?;
    let path = format!("applications/{}/certificates", application.client_id);
    stack.admin(Method::POST, &path, &credentials.registered).await?;
    let fetched = async |stack: &Stack| {
        let labels = ["reason=\"certificate\"", "result=\"ok\""];
        counter(stack, application, "prom_remotewrite_token_fetches_total", &labels).await
    };
    let before = fetched(stack).await?;
    credentials.deliver(&stack.cluster)?;
    credentials.register(&stack.cluster)?;
    let used = async || Ok(fetched(stack).await? > before);
    eventually("the sidecar uses the new certificate", DELIVERED_WITHIN, used).await?;
    stack.admin(Method::PUT, &path, &credentials.registered).await?;
    renew_all_tokens(stack, Duration::from_mins(75)).await?;
    Ok(Tolerance::default())
}

/// Entra and IMDS fail for longer than any token lives.
pub(super) async fn identity(stack: &Stack) -> Outcome<Tolerance> {
    renew_all_tokens(stack, SHORT).await?;
    let before = throttled(stack).await?;
    for service in ["imds", "entra"] {
        stack.misbehave(service, &json!({"status": 503})).await?;
    }
    sleep(OUTAGE).await;
    let after = throttled(stack).await?;
    stack.behave().await?;
    bitten(&before, &after)?;
    for identity in IDENTITIES {
        let ready = async || stack.sidecar_is_ready(identity).await;
        eventually("the sidecar has a token again", RECOVERS_WITHIN, ready).await?;
    }
    Ok(Tolerance::default())
}

/// Between the worker and the stand-in: connections are reset, then packets are
/// swallowed. What was stored when its answer was lost comes again.
pub(super) async fn cut(stack: &Stack) -> Outcome<Tolerance> {
    let address = "jsonpath={.items[0].status.podIP}";
    let address = stack.kubectl(&["get", "pods", "-n", AZURE, "-l", "app=azure", "-o", address])?;
    let before = throttled(stack).await?;
    {
        let _cut = Cut::new(
            stack,
            &address,
            &["-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"],
        )?;
        sleep(REFUSED).await;
    }
    {
        let _cut = Cut::new(stack, &address, &["-j", "DROP"])?;
        sleep(SWALLOWED).await;
    }
    bitten(&before, &throttled(stack).await?)?;
    Ok(Tolerance { replays: true, ..Tolerance::default() })
}

/// Azure reports as stored what it drops: the account must notice.
pub(super) async fn lie(stack: &Stack) -> Outcome<Tolerance> {
    let after = stack.now() - SCRAPED_BEFORE;
    stack.misbehave("ingestion", &json!({"status": 204})).await?;
    sleep(REFUSED).await;
    stack.behave().await?;
    let until = stack.now();
    let loss = |identity: Identity| Loss { identity: identity.name, after, until };
    let losses = IDENTITIES.map(loss).to_vec();
    Ok(Tolerance { losses, must_lose: true, ..Tolerance::default() })
}

/// A rule of the worker's packet filter, which goes when it is dropped.
struct Cut<'a> {
    stack: &'a Stack,
    rule: Vec<String>,
}

impl<'a> Cut<'a> {
    fn new(stack: &'a Stack, address: &str, what: &[&str]) -> Outcome<Self> {
        let rule: Vec<String> =
            ["FORWARD", "-d", address].iter().chain(what).map(|&part| part.to_owned()).collect();
        let cut = Self { stack, rule };
        cut.iptables("-I").context("cut the network")?;
        Ok(cut)
    }

    fn iptables(&self, verb: &str) -> Outcome<String> {
        let rule = self.rule.iter().map(String::as_str);
        let all: Vec<&str> = ["iptables", "-w", verb].into_iter().chain(rule).collect();
        self.stack.on_node(&self.stack.worker(), &all)
    }
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        if let Err(failure) = self.iptables("-D") {
            tests::say(format_args!("the network is still cut: {failure}"));
        }
    }
}

/// Takes every token back, so that each sidecar fetches one that lives so long.
async fn renew_all_tokens(stack: &Stack, lifetime: Duration) -> Outcome<()> {
    stack.tokens_live(lifetime).await?;
    let mut before = [0.0; 3];
    for (count, identity) in before.iter_mut().zip(IDENTITIES) {
        *count = fetches(stack, identity).await?;
    }
    stack.admin(Method::POST, "revoke", "").await?;
    for (before, identity) in before.into_iter().zip(IDENTITIES) {
        let renewed = async || Ok(fetches(stack, identity).await? > before);
        eventually("the sidecar fetches another token", RECOVERS_WITHIN, renewed).await?;
    }
    Ok(())
}

async fn fetches(stack: &Stack, identity: Identity) -> Outcome<f64> {
    counter(stack, identity, "prom_remotewrite_token_fetches_total", &["result=\"ok\""]).await
}

/// How many requests each sidecar has answered with "later", whether it asked
/// Azure or had no token to ask with.
async fn throttled(stack: &Stack) -> Outcome<[f64; 3]> {
    let mut counts = [0.0; 3];
    for (count, identity) in counts.iter_mut().zip(IDENTITIES) {
        for (name, label) in [
            ("prom_remotewrite_requests_total", "answered=\"50"),
            ("prom_remotewrite_refused_requests_total", "reason=\"no_token\""),
        ] {
            *count += counter(stack, identity, name, &[label]).await?;
        }
    }
    Ok(counts)
}

/// A fault that no one felt shows nothing.
fn bitten(before: &[f64; 3], after: &[f64; 3]) -> Outcome<()> {
    let felt = before.iter().zip(after).all(|(before, after)| after > before);
    felt.then_some(()).ok_or_else(|| {
        Failure::new(format!("the fault was not felt: {before:?} refusals before, {after:?} after"))
    })
}

/// The sum of a sidecar's counters that have all of these labels.
async fn counter(stack: &Stack, of: Identity, name: &str, labels: &[&str]) -> Outcome<f64> {
    let text = stack.sidecar_metrics(of).await?;
    let lines = text.lines().filter(|line| line.starts_with(name));
    let matching = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
    Ok(matching.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
}
