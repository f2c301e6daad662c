//! Contenders in turn, round after round, so that a machine that drifts hits
//! all alike.

use std::time::Duration;

use serde::Serialize;
use tests::failure::{Failure, Outcome};

use crate::{
    cells::{Cell, write_request},
    contenders::{Contender, Kind},
    latency::Latencies,
    load::{Load, Tally, Target},
    spread::Spread,
    stage::Stage,
};

/// How long and how often.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Effort {
    pub(crate) rounds: usize,
    pub(crate) round_seconds: f64,
}

/// A contender's figures in one cell.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) contender: Kind,
    /// CPU microseconds of its own processes for a request.
    pub(crate) cpu_microseconds: Spread,
    /// The same divided by nginx' in the same round.
    pub(crate) ratio: Option<Spread>,
    pub(crate) requests_per_second: Spread,
    /// Of all rounds together.
    pub(crate) p50_microseconds: f64,
    pub(crate) p99_microseconds: f64,
    pub(crate) p999_microseconds: f64,
    /// The most that was resident, from the start of a fresh process.
    pub(crate) peak_memory_bytes: u64,
    /// Answered 503, because a limit was reached; not among the others.
    pub(crate) shed: u32,
}

/// One cell, measured.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Measured {
    pub(crate) cell: Cell,
    pub(crate) contenders: Vec<Figures>,
}

/// A contender under load.
struct Runner {
    contender: Contender,
    load: Load,
    /// CPU microseconds for a request, by round.
    cpu: Vec<f64>,
    per_second: Vec<f64>,
    latencies: Latencies,
    shed: u32,
}

/// Measures all of `kinds` in one cell, each as a fresh process.
pub(crate) async fn measure(
    stage: &Stage,
    kinds: &[Kind],
    cell: Cell,
    effort: Effort,
) -> Outcome<Measured> {
    let time = Duration::from_secs_f64(effort.round_seconds);
    let mut runners = Vec::new();
    for kind in kinds {
        let contender = kind.start(stage).await?;
        let request = write_request(cell.kibibytes, kind.path())?;
        let target = Target { address: contender.address, tls: None, request };
        let load = Load::new(target, cell.connections).await?;
        let mut runner = Runner::new(contender, load);
        // Handshakes and first allocations are not what is compared.
        runner.load.run(time / 2).await?;
        runners.push(runner);
    }
    for round in 0..effort.rounds {
        let count = runners.len();
        for turn in 0..count {
            if let Some(runner) = runners.get_mut((round + turn) % count) {
                runner.round(stage, time).await?;
            }
        }
    }
    let nginx = runners.iter().find(|runner| runner.contender.kind == Kind::Nginx);
    let nginx = nginx.map(|runner| runner.cpu.clone());
    let mut contenders = Vec::new();
    for runner in runners {
        contenders.push(runner.figures(nginx.as_deref()).await?);
    }
    Ok(Measured { cell, contenders })
}

impl Runner {
    fn new(contender: Contender, load: Load) -> Self {
        Self {
            contender,
            load,
            cpu: Vec::new(),
            per_second: Vec::new(),
            latencies: Latencies::default(),
            shed: 0,
        }
    }

    async fn round(&mut self, stage: &Stage, time: Duration) -> Outcome<()> {
        let arrived = stage.sink.received().0;
        let before = self.contender.usage()?.cpu;
        let Tally { latencies, shed, failed, took } = self.load.run(time).await?;
        let cpu = self.contender.usage()?.cpu.saturating_sub(before);
        let arrived = stage.sink.received().0 - arrived;
        let done = latencies.count();
        let kind = self.contender.kind;
        if failed > 0 || arrived != done as u64 || done == 0 {
            return Err(Failure::new(format!(
                "{kind} answered {done} writes with success, of which {arrived} arrived, and {failed} otherwise"
            )));
        }
        let done_in = f64::from(u32::try_from(done).unwrap_or(u32::MAX));
        self.cpu.push(cpu.as_secs_f64() * 1e6 / done_in);
        self.per_second.push(done_in / took.as_secs_f64());
        self.latencies.append(latencies);
        self.shed += shed;
        Ok(())
    }

    async fn figures(self, nginx: Option<&[f64]>) -> Outcome<Figures> {
        let peak_memory_bytes = self.contender.usage()?.peak_memory;
        let contender = self.contender.kind;
        drop(self.load);
        self.contender.stop().await?;
        let pairs = nginx.map(|nginx| self.cpu.iter().zip(nginx).map(|(own, nginx)| own / nginx));
        let ratio = pairs.and_then(Spread::of);
        let [p50, p99, p999] =
            self.latencies.per_mille([500, 990, 999]).map(|time| time.as_secs_f64() * 1e6);
        Ok(Figures {
            contender,
            ratio,
            cpu_microseconds: Spread::of(self.cpu).unwrap_or_default(),
            requests_per_second: Spread::of(self.per_second).unwrap_or_default(),
            p50_microseconds: p50,
            p99_microseconds: p99,
            p999_microseconds: p999,
            peak_memory_bytes,
            shed: self.shed,
        })
    }
}
