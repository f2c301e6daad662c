//! One Prometheus with two workspaces.

use std::time::Duration;

use serde_json::json;
use tests::{
    azure::Labels,
    failure::{Failure, Outcome},
    kubernetes::deployment::{self, Identity, MONITORING, TWO_WORKSPACES},
    prometheus::account::{self, Samples, difference},
};
use tokio::time::sleep;

use super::prometheus::A_WHILE;
use crate::{
    account::Tolerance,
    stack::{Stack, eventually, external},
};

/// The life of tokens, so that an outage of the metadata service is felt.
const SHORT: Duration = Duration::from_secs(30);
/// Until the token has ended, and then some scrapes.
const OUTAGE: Duration = Duration::from_secs(65);
/// The sidecar's first try after an outage comes after 36 s at the latest, and
/// Prometheus catches up then.
const ARRIVES_WITHIN: Duration = Duration::from_mins(2);

/// Opposite relabelling and different identities: while the managed identity has no
/// token, every sample of the other workspace arrives; afterwards, every sample is at
/// the right one, once.
pub(super) async fn two(stack: &Stack) -> Outcome<Tolerance> {
    stack.tokens_live(SHORT).await?;
    deployment::install_two_workspaces(&stack.cluster)?;
    let played = play(stack).await;
    let behaves = stack.behave().await;
    stack.kubectl(&["delete", "prometheus", "both", "-n", MONITORING])?;
    behaves.and(played)
}

async fn play(stack: &Stack) -> Outcome<Tolerance> {
    let from = stack.now();
    let [ops, tenants] = TWO_WORKSPACES;
    sleep(A_WHILE).await;
    let before = stack.now();
    let arrived = async || is_right(stack, ops, from, before).await;
    eventually("all arrives before the outage", ARRIVES_WITHIN, arrived).await?;
    stack.misbehave("imds", &json!({"status": 503})).await?;
    sleep(OUTAGE).await;
    let during = stack.now();
    let arrived = async || is_right(stack, tenants, from, during).await;
    eventually("the other workspace gets all", ARRIVES_WITHIN, arrived).await?;
    if is_right(stack, ops, from, during).await? {
        return Err(Failure::new("the outage of the metadata service was not felt"));
    }
    stack.behave().await?;
    let after = stack.now();
    for workspace in TWO_WORKSPACES {
        let arrived = async || is_right(stack, workspace, from, after).await;
        eventually("each workspace gets all that is its own", ARRIVES_WITHIN, arrived).await?;
    }
    Ok(Tolerance::default())
}

/// Whether a workspace has exactly what Prometheus has for it.
async fn is_right(stack: &Stack, workspace: Identity, from: i64, to: i64) -> Outcome<bool> {
    let report = stack.report(workspace, from, to).await?;
    if report.duplicates > 0 || report.conflicts > 0 {
        let text = format!(
            "{}: {} samples came twice, {} with two values",
            workspace.rule, report.duplicates, report.conflicts
        );
        return Err(Failure::new(text));
    }
    let held = account::held(stack.held(workspace, from, to).await?, &external(workspace), from);
    let own: Samples =
        held.into_iter().filter(|(labels, _)| place(labels) == workspace.rule).collect();
    if own.is_empty() {
        return Err(Failure::new(format!("{}: Prometheus has nothing for it", workspace.rule)));
    }
    let difference = difference(&own, &account::arrived(&report, from), &[]);
    if let Some((labels, _)) =
        difference.invented.iter().find(|(one, _)| place(one) != workspace.rule)
    {
        return Err(Failure::new(format!("{}: {labels:?} is not for it", workspace.rule)));
    }
    Ok(difference.missing.is_empty() && difference.invented.is_empty())
}

/// The rule to which relabelling sends a series.
fn place(labels: &Labels) -> &'static str {
    let [ops, tenants] = TWO_WORKSPACES;
    let is_tenants = labels.get("namespace").is_some_and(|name| name == "kube-system");
    if is_tenants { tenants.rule } else { ops.rule }
}
