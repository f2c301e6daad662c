//! What was stored and what was refused, in numbers.

use std::collections::BTreeMap;

use serde::Serialize;
use tests::azure::{Azure, Ending, Service};

/// All of it.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    tokens: usize,
    rules: BTreeMap<String, Kept>,
    answers: Vec<Answers>,
}

/// What lies behind one rule.
#[derive(Debug, Serialize)]
struct Kept {
    requests: u64,
    series: usize,
    samples: u64,
    duplicates: u64,
    conflicts: u64,
    writers: BTreeMap<String, u64>,
    audiences: BTreeMap<String, u64>,
}

/// How many requests ended alike.
#[derive(Debug, Serialize)]
struct Answers {
    service: &'static str,
    status: Option<u16>,
    reason: String,
    count: u64,
}

/// A service's name in paths and in JSON.
pub(crate) const fn name(service: Service) -> &'static str {
    match service {
        Service::Imds => "imds",
        Service::Entra => "entra",
        Service::Ingestion => "ingestion",
    }
}

/// As it is now.
pub(crate) fn now(azure: &Azure) -> Status {
    let kept = |rule: &String| {
        azure.workspace(rule, |workspace| Kept {
            requests: workspace.requests,
            series: workspace.series_count(),
            samples: workspace.sample_count(),
            duplicates: workspace.duplicates(),
            conflicts: workspace.conflicts(),
            writers: workspace.writers.clone(),
            audiences: workspace.audiences.clone(),
        })
    };
    let answers = azure.endings().into_iter().map(|(ending, count)| {
        let Ending { service, status, reason } = ending;
        Answers { service: name(service), status, reason, count }
    });
    Status {
        tokens: azure.tokens().count(),
        rules: azure.rules().into_iter().map(|rule| (rule.clone(), kept(&rule))).collect(),
        answers: answers.collect(),
    }
}
