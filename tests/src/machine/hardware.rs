//! The machine itself, for figures that depend on it.

use std::{env, fmt, fs, thread};

use serde::Serialize;

/// What a run had: figures of two machines cannot be compared, ratios can.
#[derive(Clone, Debug, Serialize)]
pub struct Hardware {
    processor: String,
    cores: usize,
    kernel: String,
}

impl Hardware {
    /// This machine's.
    pub fn here() -> Self {
        let read = |file| fs::read_to_string(file).unwrap_or_default();
        let processor = read("/proc/cpuinfo");
        let release = read("/proc/sys/kernel/osrelease");
        // Arm's has no such line.
        let model = processor.lines().find_map(|line| line.strip_prefix("model name"));
        let model = model.unwrap_or(env::consts::ARCH).trim_matches(['\t', ' ', ':']);
        Self {
            processor: model.to_owned(),
            cores: thread::available_parallelism().map_or(1, usize::from),
            // Additions of a distribution do not matter here.
            kernel: release.trim().split('-').next().unwrap_or_default().to_owned(),
        }
    }
}

impl fmt::Display for Hardware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} cores, Linux {}", self.processor, self.cores, self.kernel)
    }
}
