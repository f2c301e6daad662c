//! What the figures must be, and whether they are.

use crate::{
    cells::Cell,
    contenders::Kind,
    report::Report,
    reviews::{OPTED_IN, WANTED_PER_CORE},
    rounds::{Figures, Measured},
};

/// One goal, judged.
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) value: f64,
    /// The value must be at most this, or at least.
    pub(crate) limit: Limit,
}

/// Which way a goal goes.
#[derive(Clone, Copy)]
pub(crate) enum Limit {
    AtMost(f64),
    AtLeast(f64),
}

/// CPU time compared with nginx', at the most: half to two thirds, with room for a noisy
/// machine.
const RATIOS: [(Cell, f64); 5] = [
    (Cell { kibibytes: 100, connections: 8 }, 0.55),
    (Cell { kibibytes: 25, connections: 8 }, 0.66),
    (Cell { kibibytes: 1024, connections: 8 }, 0.55),
    (Cell { kibibytes: 100, connections: 1 }, 0.60),
    (Cell { kibibytes: 100, connections: 64 }, 0.60),
];
/// CPU time of a review that gets a patch, compared with one that does not, at the most.
const OPTED_IN_RATIO: f64 = 1.4;
/// CPU time of a review without a patch, compared with a server that only reads it.
const BARE_RATIO: f64 = 1.2;
/// Peak resident memory, MiB: pods ask for little of it.
const MEMORY: [(Cell, f64); 3] = [
    (Cell { kibibytes: 100, connections: 8 }, 8.0),
    (Cell { kibibytes: 100, connections: 64 }, 18.0),
    (Cell { kibibytes: 1024, connections: 200 }, 64.0),
];

impl Goal {
    fn at_most(what: impl Into<String>, value: f64, limit: f64) -> Self {
        Self { what: what.into(), value, limit: Limit::AtMost(limit) }
    }

    pub(crate) fn is_met(&self) -> bool {
        match self.limit {
            Limit::AtMost(limit) => self.value <= limit,
            Limit::AtLeast(limit) => self.value >= limit,
        }
    }
}

/// Every goal of which there are figures.
pub(crate) fn judge(report: &Report) -> Vec<Goal> {
    let mut goals: Vec<Goal> = report.cells.iter().flat_map(of_cell).collect();
    if let Some(alone) = &report.sidecar {
        let start = alone.start_to_token_milliseconds.median;
        goals.push(Goal::at_most("sidecar: start to first token, ms", start, 100.0));
        let idle = alone.idle_cpu_milliseconds_a_second;
        goals.push(Goal::at_most("sidecar: idle CPU, ms a second", idle, 0.5));
    }
    if let Some(webhook) = &report.webhook {
        let start = webhook.start_to_ready_milliseconds.median;
        goals.push(Goal::at_most("webhook: start to ready, ms", start, 100.0));
        for review in &webhook.reviews {
            let limit = if review.pod == OPTED_IN { OPTED_IN_RATIO } else { BARE_RATIO };
            goals.extend(review.ratio.as_ref().map(|(other, ratio)| {
                Goal::at_most(format!("{}: CPU to {other}", review.pod), ratio.median, limit)
            }));
        }
        if let Some(opted_in) = webhook.reviews.iter().find(|review| review.pod == OPTED_IN) {
            goals.push(Goal {
                what: "webhook: opted-in reviews a second of a core".to_owned(),
                value: opted_in.per_core_second,
                limit: Limit::AtLeast(WANTED_PER_CORE),
            });
            let p99 = opted_in.p99_microseconds / 1000.0;
            goals.push(Goal::at_most("webhook: p99 at half that rate, ms", p99, 1.0));
            let memory = mebibytes(opted_in.peak_memory_bytes);
            goals.push(Goal::at_most("webhook: peak memory, MiB", memory, 12.0));
        }
    }
    goals
}

fn of_cell(measured: &Measured) -> Vec<Goal> {
    let cell = measured.cell;
    let of = |kind| measured.contenders.iter().find(|one| one.contender == kind);
    let Some(sidecar) = of(Kind::Sidecar) else { return Vec::new() };
    let mut goals = Vec::new();
    let limit = |list: &[(Cell, f64)]| {
        list.iter().find(|(expected, _)| *expected == cell).map(|(_, limit)| *limit)
    };
    if let (Some(limit), Some(ratio)) = (limit(&RATIOS), sidecar.ratio) {
        goals.push(Goal::at_most(format!("{cell}: CPU to nginx'"), ratio.median, limit));
        goals.extend(of(Kind::BareHyper).map(|hyper| beside_hyper(cell, sidecar, hyper)));
        goals.extend(of(Kind::Nginx).map(|nginx| {
            let p99 = sidecar.p99_microseconds / nginx.p99_microseconds;
            Goal::at_most(format!("{cell}: p99 to nginx'"), p99, 1.0)
        }));
    }
    if let Some(limit) = limit(&MEMORY) {
        let memory = mebibytes(sidecar.peak_memory_bytes);
        goals.push(Goal::at_most(format!("{cell}: peak memory, MiB"), memory, limit));
    }
    goals
}

fn beside_hyper(cell: Cell, sidecar: &Figures, hyper: &Figures) -> Goal {
    let ratio = sidecar.cpu_microseconds.median / hyper.cpu_microseconds.median;
    Goal::at_most(format!("{cell}: CPU to bare hyper's"), ratio, 1.0)
}

/// Of less than 4 GiB.
fn mebibytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / f64::from(1_u32 << 20)
}
