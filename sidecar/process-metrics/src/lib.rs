//! The metrics that Prometheus' client libraries export of every process, under their
//! names: CPU, memory, open files, threads, the start.
//!
//! All of it is read from `/proc` while Prometheus scrapes, and costs nothing at
//! other times. The names are those of
//! <https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics>.

use std::{fmt, fs};

use prometheus_client::{
    encoding::{EncodeCounterValue, EncodeGaugeValue, EncodeMetric, text},
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

/// Appends the metrics of this process to `text`, which is in the text format of
/// `OpenMetrics`. Metrics that the system does not provide are omitted.
pub fn encode(text: &mut String) -> fmt::Result {
    let mut registry = Registry::default();
    let stat = fs::read_to_string("/proc/self/stat").ok();
    if let Some(stat) = stat.as_deref().and_then(Stat::parse) {
        let cpu = seconds(stat.cpu_ticks);
        register_counter(&mut registry, "cpu_seconds", "User and system CPU time in seconds", cpu);
        let resident = stat.resident_pages.saturating_mul(page_size() as u64);
        register(&mut registry, "resident_memory_bytes", "Resident memory in bytes", resident);
        register(&mut registry, "threads", "Threads of the process", stat.threads);
        if let Some(boot) = boot_time() {
            let since_boot = seconds(stat.start_ticks);
            let help = "When the process started, in seconds since 1970";
            register(&mut registry, "start_time_seconds", help, boot + since_boot);
        }
    }
    if let Ok(entries) = fs::read_dir("/proc/self/fd") {
        // One of them is the folder itself.
        let open = (entries.count() as u64).saturating_sub(1);
        register(&mut registry, "open_fds", "Open file descriptors", open);
    }
    if let Some(max) = getrlimit(Resource::Nofile).current {
        register(&mut registry, "max_fds", "Limit of open file descriptors", max);
    }
    text::encode_registry(text, &registry)
}

fn register<N>(registry: &mut Registry, name: &str, help: &str, value: N)
where
    N: EncodeGaugeValue + fmt::Debug + Send + Sync + 'static,
    ConstGauge<N>: EncodeMetric,
{
    registry.register(format!("process_{name}"), help, ConstGauge::new(value));
}

fn register_counter<N>(registry: &mut Registry, name: &str, help: &str, value: N)
where
    N: EncodeCounterValue + fmt::Debug + Send + Sync + 'static,
    ConstCounter<N>: EncodeMetric,
{
    registry.register(format!("process_{name}"), help, ConstCounter::new(value));
}

/// The fields of `/proc/self/stat` that are used, in the kernel's units.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    resident_pages: u64,
}

impl Stat {
    /// proc(5) numbers the fields from 1. The second is the program's name, which
    /// may hold blanks and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: field(14)?.saturating_add(field(15)?),
            threads: field(20)?,
            start_ticks: field(22)?,
            resident_pages: field(24)?,
        })
    }
}

/// When the system started, in seconds since 1970.
fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}

#[expect(clippy::cast_precision_loss, reason = "exact for a million years of ticks")]
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / clock_ticks_per_second() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str, name: &str) -> f64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
    }

    #[test]
    fn a_name_with_parentheses_moves_no_field() {
        let text = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 0 100 4096 9 18";
        let stat = Stat::parse(text).unwrap();
        let expected =
            Stat { cpu_ticks: 11 + 12, threads: 17, start_ticks: 100, resident_pages: 9 };
        assert_eq!(stat, expected);
        assert_eq!(Stat::parse("7 (a) S 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn the_values_are_those_of_this_process() {
        let _held = fs::File::open("/proc/self/stat").unwrap();
        let mut text = String::new();
        encode(&mut text).unwrap();
        let resident = value(&text, "process_resident_memory_bytes");
        assert!((100e3..10e9).contains(&resident), "{text}");
        assert!(value(&text, "process_cpu_seconds_total") < 3600.0);
        assert!(value(&text, "process_threads") >= 1.0);
        let open = value(&text, "process_open_fds");
        assert!(open >= 4.0 && open <= value(&text, "process_max_fds"), "{text}");
        let started = fs::metadata("/proc/self").unwrap().modified().unwrap();
        let started = started.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        let exposed = value(&text, "process_start_time_seconds");
        assert!((exposed - started).abs() < 60.0, "{exposed} {started}");
        assert!(!text.contains("EOF"));
    }
}
