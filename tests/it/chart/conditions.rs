//! Whose pods reach the webhook: the rendered conditions, on a real API server, next to
//! what the webhook decides.

use contract::annotations::{NO, YES};
use serde_json::{Value, json};
use webhook::{
    config::Config,
    decide::{Decision, SkipReason, decide},
    pod::Pod,
};

use super::{
    objects::{self, of_kind, text},
    trial::Trial,
};

/// Annotations of a pod, without the prefix.
const PODS: &[&[(&str, &str)]] = &[
    &[],
    &[("injected", "version=1.0.0 settings=000000000000")],
    &[("inject", "false"), ("profile", "default"), ("clientid", "x")],
    &[("inject", "true"), ("injected", "version=1.0.0 settings=000000000000")],
    &[("injct", "true")],
    &[("Inject", "true")],
    &[("profile", "default")],
    &[("injected-by", "x")],
];

/// Neither yes nor no, though some look like it.
const NEITHER: [&str; 8] =
    ["ture", "no!", "!no", "false true", "n o", "\" \"no\"", "no\nyes", "no value"];

/// Spellings of one word.
fn spellings(word: &str) -> Vec<String> {
    let capital = word.get(..1).unwrap_or_default().to_ascii_uppercase();
    let capitalised = capital + word.get(1..).unwrap_or_default();
    let quoted = [format!("\"{word}\""), format!("' {word} '"), format!(" \\\"{word}\\\"\n")];
    let bare = [word.to_owned(), capitalised, word.to_ascii_uppercase(), format!("\t{word} \n")];
    bare.into_iter().chain(quoted).collect()
}

fn pods(trial: &Trial) -> Vec<Value> {
    let words = NO.into_iter().chain(YES).flat_map(spellings);
    let words = words.chain(NEITHER.map(str::to_owned));
    let by_word = words.map(|word| trial.pod("one", &[("inject", word.as_str())]));
    let others = PODS.iter().map(|annotations| trial.pod("one", annotations));
    let mut pods: Vec<Value> = others.chain(by_word).collect();
    for pod in &mut pods {
        pod["metadata"]["annotations"]["example.com/prom-remotewrite"] = json!("x");
    }
    pods
}

/// Whether the webhook would do nothing about it: an opt-out must not depend on it,
/// even if it would warn of an unusual spelling.
fn is_left_alone(decision: &Decision) -> bool {
    let Decision::Skip(skip) = decision else { return false };
    skip.reason == SkipReason::OptedOut || skip.warnings.is_empty()
}

#[tokio::test]
async fn pods_reach_the_webhook_that_it_says_something_about() {
    const TEST: &str = "pods_reach_the_webhook_that_it_says_something_about";
    let Some(mut trial) = Trial::new(TEST, "conditions", &[], &json!({})).await else { return };
    let config = text(of_kind(&trial.rendered, "ConfigMap"), "/data/config.yaml");
    let config = Config::parse(config).unwrap();
    let pods = pods(&trial);
    // Without it, the API server refuses exactly those that it would send there.
    trial.serving.stop().await;
    let (mut silent, mut spoken) = (0, 0);
    for pod in &pods {
        let annotations = &pod["metadata"]["annotations"];
        let decision = decide(&config, Pod::new(pod));
        match objects::apply_dry(&trial.client, pod).await {
            Ok(_) => {
                assert!(is_left_alone(&decision), "{annotations} does not reach the webhook");
                silent += 1;
            }
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("failed calling webhook"), "{annotations}: {error}");
                assert!(!is_left_alone(&decision), "{annotations} waits for the webhook");
                spoken += 1;
            }
        }
    }
    assert_eq!((silent, spoken), (3 + 7 * NO.len(), 5 + 7 * YES.len() + NEITHER.len()));
    // With it, only what is wrong is refused.
    trial.serving.start().await;
    for pod in &pods {
        let annotations = &pod["metadata"]["annotations"];
        let is_wrong = matches!(decide(&config, Pod::new(pod)), Decision::Deny(_));
        let created = objects::apply_dry(&trial.client, pod).await;
        assert_eq!(created.is_err(), is_wrong, "{annotations}");
    }
}
