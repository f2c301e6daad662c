//! One line for each figure, one column for each size.

use std::{collections::BTreeMap, fmt};

use tests::say;

const SIZES: [usize; 3] = [10, 100, 1000];

/// What was measured, in the order of its first measurement.
#[derive(Default)]
pub(super) struct Table(Vec<(&'static str, BTreeMap<usize, f64>)>);

impl Table {
    /// Notes a figure; shows it, too, since the table comes late.
    pub(super) fn note(&mut self, size: usize, what: &'static str, value: f64) {
        say(format_args!("{size:5}  {what}: {value:.1}"));
        let index = self.0.iter().position(|(known, _)| *known == what).unwrap_or_else(|| {
            self.0.push((what, BTreeMap::new()));
            self.0.len() - 1
        });
        self.0[index].1.insert(size, value);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what | 10 | 100 | 1,000 | grows |\n|---|---|---|---|---|")?;
        for (what, values) in &self.0 {
            write!(f, "| {what} |")?;
            for size in SIZES {
                match values.get(&size) {
                    Some(value) => write!(f, " {value:.1} |")?,
                    None => write!(f, " |")?,
                }
            }
            match (values.first_key_value(), values.last_key_value()) {
                (Some((small, first)), Some((large, last))) if *first > 0.0 => {
                    let growth = last / first;
                    writeln!(f, " {growth:.1} times for {} |", large / small)?;
                }
                _ => writeln!(f, " |")?,
            }
        }
        Ok(())
    }
}
