//! The question in which every scenario ends: has every sample arrived that Prometheus
//! has, and nothing else, and nothing twice?

use std::time::{Duration, Instant};

use tests::{
    failure::{Failure, Outcome},
    kubernetes::deployment::{IDENTITIES, Identity},
    prometheus::account::{Difference, Loss, arrived, count, difference, held},
};
use tokio::time::sleep;

use super::stack::{Stack, external};

/// Samples wait 5 s for others to be sent with; after an outage Prometheus backs
/// off up to 5 s and catches up. Anything beyond is a loss.
const ARRIVES_WITHIN: Duration = Duration::from_secs(60);
/// How often both sides are asked: each answer holds megabytes.
const ASKED_EVERY: Duration = Duration::from_secs(2);
/// Two scrapes after whatever happened: what does not continue shows nowhere else.
const GOES_ON: Duration = Duration::from_secs(10);
/// A scrape that has begun is stored by then.
const STORED_WITHIN: Duration = Duration::from_secs(1);
/// What is shown of a difference.
const SHOWN: usize = 5;

/// What happened to samples in a scenario, besides arriving.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tolerance {
    /// Times whose samples may be missing.
    pub(crate) losses: Vec<Loss>,
    /// Whether requests may have been sent again whose answer was lost.
    pub(crate) replays: bool,
    /// Whether some must be: a fault of the stand-in itself, by which the account
    /// shows that it can fail.
    pub(crate) must_lose: bool,
    /// What else was seen.
    pub(crate) note: String,
}

impl Tolerance {
    /// None, but for something to be said.
    pub(crate) fn none(note: String) -> Self {
        Self { note, ..Self::default() }
    }
}

/// An account: everything up to a time has been accounted for.
pub(crate) struct Account {
    /// Milliseconds since 1970.
    settled: i64,
    /// Duplicates so far, by identity.
    duplicates: [u64; 3],
}

impl Account {
    /// Opens it: what was scraped before is of no interest.
    pub(crate) async fn open(stack: &Stack) -> Outcome<Self> {
        let settled = stack.now();
        let mut duplicates = [0; 3];
        for (count, identity) in duplicates.iter_mut().zip(IDENTITIES) {
            *count = stack.report(identity, settled, settled).await?.duplicates;
        }
        Ok(Self { settled, duplicates })
    }

    /// Accounts for every sample since the last time; its answer is a line.
    pub(crate) async fn settle(&mut self, stack: &Stack, tolerance: &Tolerance) -> Outcome<String> {
        sleep(GOES_ON).await;
        let (from, to) = (self.settled, stack.now());
        sleep(STORED_WITHIN).await;
        let (mut lines, mut lost) = (Vec::new(), 0);
        for (identity, before) in IDENTITIES.into_iter().zip(&mut self.duplicates) {
            let found = until_equal(stack, identity, (from, to), tolerance).await?;
            let again = found.duplicates - std::mem::replace(before, found.duplicates);
            if again > 0 && !tolerance.replays {
                let text = format!("{}: {again} samples came twice", identity.name);
                return Err(Failure::new(text));
            }
            let twice = if again > 0 { format!(", {again} twice") } else { String::new() };
            let without = match found.excused {
                0 => String::new(),
                excused => format!(", but for {excused}"),
            };
            lost += found.excused;
            lines.push(format!("{} {}{twice}{without}", identity.name, found.samples));
        }
        self.settled = to;
        if tolerance.must_lose && lost == 0 {
            return Err(Failure::new("samples were thrown away, and nobody noticed"));
        }
        let note = if tolerance.note.is_empty() {
            String::new()
        } else {
            format!(" ({})", tolerance.note)
        };
        Ok(format!("every sample arrived: {}{note}", lines.join("; ")))
    }
}

struct Found {
    samples: usize,
    excused: usize,
    duplicates: u64,
}

async fn until_equal(
    stack: &Stack,
    identity: Identity,
    (from, to): (i64, i64),
    tolerance: &Tolerance,
) -> Outcome<Found> {
    let own: Vec<Loss> =
        tolerance.losses.iter().filter(|loss| loss.identity == identity.name).cloned().collect();
    let start = Instant::now();
    loop {
        let report = stack.report(identity, from, to).await?;
        // Each time, and after the report: a slow scrape's samples have the time
        // of its start, and are stored and sent at its end.
        let held = held(stack.held(identity, from, to).await?, &external(identity), from);
        if held.is_empty() {
            let text = format!("{}: Prometheus has no samples at all", identity.name);
            return Err(Failure::new(text));
        }
        let difference = difference(&held, &arrived(&report, from), &own);
        if report.conflicts > 0 {
            let text =
                format!("{}: {} samples came with two values", identity.name, report.conflicts);
            return Err(Failure::new(text));
        }
        if difference.missing.is_empty() && difference.invented.is_empty() {
            let Difference { excused, .. } = difference;
            return Ok(Found { samples: count(&held), excused, duplicates: report.duplicates });
        }
        if start.elapsed() > ARRIVES_WITHIN {
            return Err(complaint(identity, &difference));
        }
        sleep(ASKED_EVERY).await;
    }
}

fn complaint(identity: Identity, difference: &Difference) -> Failure {
    let Difference { missing, invented, .. } = difference;
    let times = |list: &[(_, i64)]| {
        let times = || list.iter().map(|(_, time)| *time);
        format!("from {:?} to {:?}", times().min(), times().max())
    };
    Failure::new(format!(
        "{}: {} samples are missing, {}, such as {:?}; {} are unknown to Prometheus, {}, such as {:?}",
        identity.name,
        missing.len(),
        times(missing),
        missing.iter().take(SHOWN).collect::<Vec<_>>(),
        invented.len(),
        times(invented),
        invented.iter().take(SHOWN).collect::<Vec<_>>(),
    ))
}
