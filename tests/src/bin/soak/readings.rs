//! What the programs hold over time, from `/proc` (Linux), and whether it grows.

use std::{collections::BTreeMap, fmt, fs};

use super::fleet::Fleet;

/// What a process holds.
#[derive(Clone, Copy)]
struct Reading {
    /// Resident memory, KiB.
    memory: f64,
    descriptors: f64,
    threads: f64,
}

/// Of each program that is never restarted, by its name.
#[derive(Default)]
pub(crate) struct Readings(BTreeMap<String, Vec<Reading>>);

/// A kind of what is held, and how much more of it in the last third of the time than in
/// the middle third is no growth.
struct Kind {
    name: &'static str,
    of: fn(&Reading) -> f64,
    /// Absolute, in the unit of the kind,
    noise: f64,
    /// and as a part of what there was.
    share: f64,
}

const KINDS: [Kind; 3] = [
    // Allocators return pages when they like: up to a twentieth was seen to come and go.
    Kind { name: "KiB", of: |reading| reading.memory, noise: 1024.0, share: 0.05 },
    // Connections to Azure and from Prometheus come and go with faults.
    Kind { name: "descriptors", of: |reading| reading.descriptors, noise: 4.0, share: 0.0 },
    // The runtime keeps threads for files and names for ten seconds.
    Kind { name: "threads", of: |reading| reading.threads, noise: 2.0, share: 0.0 },
];

impl Readings {
    /// Reads what each has now.
    pub(crate) fn take(&mut self, fleet: &mut Fleet) {
        for (name, pid) in fleet.steady() {
            if let Some(reading) = read(pid) {
                self.0.entry(name).or_default().push(reading);
            }
        }
    }

    /// Whether nothing grew.
    pub(crate) fn are_flat(&self) -> bool {
        self.0.values().all(|readings| KINDS.iter().all(|kind| kind.is_flat(readings)))
    }
}

impl Kind {
    /// In the middle third and in the last third of the time.
    fn levels(&self, readings: &[Reading]) -> (f64, f64) {
        let third = readings.len() / 3;
        let level = |from: usize, to: usize| {
            median(readings.get(from..to).unwrap_or_default().iter().map(self.of))
        };
        (level(third, 2 * third), level(2 * third, readings.len()))
    }

    fn is_flat(&self, readings: &[Reading]) -> bool {
        let (before, after) = self.levels(readings);
        after - before <= self.noise.max(before * self.share)
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// `None` if it has ended.
fn read(pid: u32) -> Option<Reading> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name))?;
        value.split_whitespace().next()?.parse::<f64>().ok()
    };
    let descriptors = u32::try_from(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count()).ok()?;
    Some(Reading {
        memory: field("VmRSS:")?,
        descriptors: f64::from(descriptors),
        threads: field("Threads:")?,
    })
}

impl fmt::Display for Readings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "held in the middle third of the time → in the last third:")?;
        for (name, readings) in &self.0 {
            write!(f, "{name:20}")?;
            for kind in &KINDS {
                let (before, after) = kind.levels(readings);
                let mark = if kind.is_flat(readings) { "" } else { " GREW" };
                write!(f, "  {before:.0} → {after:.0} {}{mark}", kind.name)?;
            }
            writeln!(f, "  ({} readings)", readings.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(values: impl IntoIterator<Item = f64>) -> Vec<Reading> {
        let reading = |memory| Reading { memory, descriptors: 9.0, threads: 3.0 };
        values.into_iter().map(reading).collect()
    }

    #[test]
    fn what_rises_to_the_end_grew_and_what_rose_at_the_start_did_not() {
        let [kind, ..] = &KINDS;
        let steps = (0..300).map(f64::from);
        assert!(!kind.is_flat(&memory(steps.clone().map(|step| 9000.0 + step * 20.0))));
        assert!(kind.is_flat(&memory(steps.clone().map(|step| 9000.0 + step.min(99.0) * 200.0))));
        assert!(kind.is_flat(&memory(steps.map(|step| 9000.0 + (step % 7.0) * 90.0))));
    }
}
