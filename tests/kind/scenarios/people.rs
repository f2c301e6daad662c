//! What people see of it all: `kubectl prom-remotewrite`.

use std::{process::Command, time::Duration};

use serde_json::{Value, json};
use tests::{
    failure::{Context, Failure, Outcome},
    product::binaries::{self, CLI},
};

use crate::{
    account::Tolerance,
    stack::{Stack, eventually},
};

/// Only pods of other scenarios use them.
const UNUSED: [&str; 3] = ["profile mesh", "profile ops", "profile tenants"];
/// Prometheus writes some times a minute.
const WRITTEN_WITHIN: Duration = Duration::from_secs(60);

/// All is well; then Azure refuses everything, which `check` finds in each sidecar.
pub(super) async fn overview(stack: &Stack) -> Outcome<Tolerance> {
    let well = async || Ok(all_is_well(&run(stack, &["status", "--output", "json"])?));
    if let Err(failure) = eventually("status shows that all is well", WRITTEN_WITHIN, well).await {
        return Err(failure).context(format!("status: {}", run(stack, &["status"])?.1));
    }
    expect(stack, &["check"], 0, "sidecars checked: 3; not ok: 0\n")?;
    stack.misbehave("ingestion", &json!({"status": 403})).await?;
    let refused = expect(stack, &["check"], 1, "sidecars checked: 3; not ok: 3\n");
    stack.behave().await?;
    let reports = refused?.matches("failed   probe write").count();
    if reports != 3 {
        return Err(Failure::new(format!("{reports} of 3 reports name the failed step")));
    }
    expect(stack, &["check", "nobody"], 1, "Pod nobody\n")?;
    Ok(Tolerance::none("3 sidecars shown, checked, and found refused".to_owned()))
}

/// Three sidecars that have written, one of them with a certificate, and no problem but
/// that the profiles of other scenarios are unused now.
fn all_is_well((code, text): &(Option<i32>, String)) -> bool {
    let overview: Value = serde_json::from_str(text).unwrap_or_default();
    let lines = overview.get("sidecars").and_then(Value::as_array).cloned().unwrap_or_default();
    let is_well = |line: &Value| {
        line["settings"] == "current"
            && line["ready"] == json!(true)
            && ["lastSuccess", "tokenExpiry"].iter().all(|field| line[field].is_string())
    };
    let certificates = lines.iter().filter(|line| line["certificateExpiry"].is_string()).count();
    let problems = overview.get("problems").and_then(Value::as_array).cloned().unwrap_or_default();
    let unused = |object: &&str| {
        problems.iter().any(|one| one["kind"] == "unused-profile" && one["object"] == **object)
    };
    *code == Some(1)
        && problems.len() == UNUSED.len()
        && UNUSED.iter().all(unused)
        && lines.len() == 3
        && lines.iter().all(is_well)
        && certificates == 1
}

/// Its output, which must have these words and this exit status.
fn expect(stack: &Stack, arguments: &[&str], code: i32, words: &str) -> Outcome<String> {
    let (found, text) = run(stack, arguments)?;
    if found != Some(code) || !text.contains(words) {
        return Err(Failure::new(format!("{arguments:?} ended with {found:?}: {text}")));
    }
    Ok(text)
}

/// Its exit status, and all that it said.
fn run(stack: &Stack, arguments: &[&str]) -> Outcome<(Option<i32>, String)> {
    let output = Command::new(binaries::find(CLI)?)
        .args(arguments)
        .env("KUBECONFIG", stack.cluster.kubeconfig())
        .output()
        .context("run the plugin")?;
    let text = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&text).into_owned()))
}
