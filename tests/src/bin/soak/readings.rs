//! What the programs hold over time, and whether it grows.

use std::{collections::BTreeMap, fmt};

use ::tests::machine::process::Held;

use super::fleet::Fleet;

/// Of each program that is never restarted, by its name.
#[derive(Default)]
pub(crate) struct Readings(BTreeMap<String, Vec<Held>>);

/// A kind of what is held.
struct Kind {
    name: &'static str,
    of: fn(&Held) -> u64,
    /// How much more than this in the middle third of the time is no growth in the last.
    noise: fn(u64) -> u64,
}

const KINDS: [Kind; 3] = [
    // Allocators return pages when they like: up to a twentieth was seen to come and go.
    Kind { name: "KiB", of: |held| held.memory / 1024, noise: |before| (before / 20).max(1024) },
    // Connections to Azure and from Prometheus come and go with faults.
    Kind { name: "descriptors", of: |held| held.descriptors, noise: |_| 4 },
    // The runtime keeps threads for files and names for ten seconds.
    Kind { name: "threads", of: |held| held.threads, noise: |_| 2 },
];

impl Readings {
    /// Reads what each has now.
    pub(crate) fn take(&mut self, fleet: &mut Fleet) {
        for (name, process) in fleet.steady() {
            // None is noted, too: a program that cannot be read is not flat.
            self.0.entry(name.to_owned()).or_default().extend(process.held());
        }
    }

    /// Whether each program was read in each third of the time, and nothing grew.
    pub(crate) fn are_flat(&self) -> bool {
        let are_flat = |readings: &Vec<Held>| KINDS.iter().all(|kind| kind.is_flat(readings));
        !self.0.is_empty() && self.0.values().all(are_flat)
    }
}

impl Kind {
    /// In the middle third and in the last third of the time.
    fn levels(&self, readings: &[Held]) -> (u64, u64) {
        let third = readings.len() / 3;
        let level = |from: usize, to: usize| {
            median(readings.get(from..to).unwrap_or_default().iter().map(self.of))
        };
        (level(third, 2 * third), level(2 * third, readings.len()))
    }

    fn is_flat(&self, readings: &[Held]) -> bool {
        let (before, after) = self.levels(readings);
        readings.len() >= 3 && after <= before + (self.noise)(before)
    }
}

fn median(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

impl fmt::Display for Readings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "held in the middle third of the time → in the last third:")?;
        for (name, readings) in &self.0 {
            write!(f, "{name:20}")?;
            for kind in &KINDS {
                let (before, after) = kind.levels(readings);
                let mark = if kind.is_flat(readings) { "" } else { " NOT FLAT" };
                write!(f, "  {before} → {after} {}{mark}", kind.name)?;
            }
            writeln!(f, "  ({} readings)", readings.len())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(kibibytes: impl IntoIterator<Item = u64>) -> Vec<Held> {
        let held = |memory| Held { memory: memory * 1024, descriptors: 9, threads: 3 };
        kibibytes.into_iter().map(held).collect()
    }

    #[test]
    fn memory_that_rises_to_the_end_grew_and_memory_that_rose_at_the_start_did_not() {
        let [kind, ..] = &KINDS;
        assert!(!kind.is_flat(&memory((0..300).map(|step| 9000 + step * 20))));
        assert!(kind.is_flat(&memory((0..300).map(|step| 9000 + step.min(99) * 200))));
        assert!(kind.is_flat(&memory((0..300).map(|step| 9000 + step % 7 * 90))));
    }

    #[test]
    fn what_was_not_read_is_not_flat() {
        assert!(!Readings::default().are_flat());
        let readings = |count| Readings([("webhook".to_owned(), memory(vec![1; count]))].into());
        for (count, is_flat) in [(0, false), (2, false), (3, true)] {
            assert_eq!(readings(count).are_flat(), is_flat, "{count}");
        }
    }
}
