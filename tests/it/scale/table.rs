//! One line for each figure, one column for each size.

use std::{collections::BTreeMap, fmt};

use tests::say;

const SIZES: [usize; 3] = [10, 100, 1000];

/// What was measured, in the order of its first measurement.
#[derive(Default)]
pub(super) struct Table(Vec<Row>);

/// Its name begins with … if it continues the row above.
struct Row {
    /// The name of the first of the rows that belong together.
    head: &'static str,
    name: &'static str,
    values: BTreeMap<usize, f64>,
}

impl Table {
    /// Notes figures that belong together; shows them, too, since the table comes late.
    pub(super) fn note<const N: usize>(&mut self, size: usize, figures: [(&'static str, f64); N]) {
        let head = figures.first().map_or("", |(name, _)| *name);
        for (name, value) in figures {
            say(format_args!("{size:5}  {name}: {}", text(value)));
            let same = |row: &Row| (row.head, row.name) == (head, name);
            let index = self.0.iter().position(same).unwrap_or_else(|| {
                self.0.push(Row { head, name, values: BTreeMap::new() });
                self.0.len() - 1
            });
            self.0[index].values.insert(size, value);
        }
    }
}

/// Counts without decimals.
fn text(value: f64) -> String {
    if value.fract() == 0.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| what is measured | 10 | 100 | 1,000 |\n|---|---|---|---|")?;
        for Row { name, values, .. } in &self.0 {
            write!(f, "| {name} |")?;
            for size in SIZES {
                match values.get(&size) {
                    Some(value) => write!(f, " {} |", text(*value))?,
                    None => write!(f, " |")?,
                }
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
