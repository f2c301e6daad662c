//! Whose pods reach the webhook: the rendered conditions, on a real API server,
//! beside what the webhook decides.

use serde_json::json;
use webhook::{
    config::Config,
    decide::{Decision, decide},
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
    &[("inject", "false")],
    &[("inject", "false"), ("profile", "default"), ("clientid", "x")],
    &[("inject", "true")],
    &[("inject", "true"), ("injected", "version=1.0.0 settings=000000000000")],
    &[("inject", "True")],
    &[("inject", "False")],
    &[("inject", "")],
    &[("inject", "ture")],
    &[("injct", "true")],
    &[("Inject", "true")],
    &[("profile", "default")],
    &[("injected-by", "x")],
];

#[tokio::test]
async fn pods_reach_the_webhook_that_it_says_something_about() {
    const TEST: &str = "pods_reach_the_webhook_that_it_says_something_about";
    let Some(mut trial) = Trial::new(TEST, "conditions", &[], &json!({})).await else { return };
    let config = text(of_kind(&trial.rendered, "ConfigMap"), "/data/config.yaml");
    let config = Config::parse(config).unwrap();
    let others = |pod: &mut serde_json::Value| {
        pod["metadata"]["annotations"]["example.com/prom-remotewrite"] = json!("x");
    };
    // Without it, the API server refuses exactly those that it would send there.
    trial.serving.stop().await;
    let (mut silent, mut spoken) = (0, 0);
    for annotations in PODS {
        let mut pod = trial.pod("one", annotations);
        others(&mut pod);
        let decision = decide(&config, Pod::new(&pod));
        let says_nothing = matches!(&decision, Decision::Skip(skip) if skip.warnings.is_empty());
        match objects::apply_dry(&trial.client, &pod).await {
            Ok(_) => {
                assert!(says_nothing, "{annotations:?} does not reach the webhook: {decision:?}");
                silent += 1;
            }
            Err(error) => {
                let error = error.to_string();
                assert!(error.contains("failed calling webhook"), "{annotations:?}: {error}");
                assert!(!says_nothing, "{annotations:?} waits for the webhook for nothing");
                spoken += 1;
            }
        }
    }
    assert_eq!((silent, spoken), (4, 10));
    // With it, only what is wrong is refused.
    trial.serving.start().await;
    for annotations in PODS {
        let created = objects::apply_dry(&trial.client, &trial.pod("one", annotations)).await;
        let is_wrong = annotations.contains(&("inject", "ture"));
        assert_eq!(created.is_err(), is_wrong, "{annotations:?}: {created:?}");
    }
}
