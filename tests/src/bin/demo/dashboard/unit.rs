//! Values as Grafana writes them in a unit.

/// Thousands, and what they are called.
const DECIMAL: (f64, [&str; 4]) = (1000.0, ["", "k", "M", "G"]);
const BINARY: (f64, [&str; 4]) = (1024.0, ["", "Ki", "Mi", "Gi"]);
/// Seconds in a unit of time, longest first.
const TIMES: [(f64, &str); 6] =
    [(86_400.0, "d"), (3_600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs")];

/// A value with its unit.
pub(super) fn show(value: f64, unit: &str) -> String {
    match unit {
        "s" => {
            let fits = |(length, _): &&(f64, &str)| value.abs() >= *length;
            let (length, name) = TIMES.iter().find(fits).copied().unwrap_or((1.0, "s"));
            format!("{} {name}", number(value / length))
        }
        "percentunit" => format!("{} %", number(value * 100.0)),
        "bytes" => scaled(value, BINARY, "B"),
        "Bps" => scaled(value, DECIMAL, "B/s"),
        "reqps" => scaled(value, DECIMAL, "req/s"),
        "cps" => scaled(value, DECIMAL, "c/s"),
        _ => scaled(value, DECIMAL, "").trim_end().to_owned(),
    }
}

fn scaled(mut value: f64, (base, prefixes): (f64, [&str; 4]), unit: &str) -> String {
    let mut chosen = "";
    for prefix in prefixes {
        chosen = prefix;
        if value.abs() < base {
            break;
        }
        value /= base;
    }
    format!("{} {chosen}{unit}", number(value))
}

/// Three digits.
fn number(value: f64) -> String {
    let digits = if value.abs() < 10.0 { 2 } else { usize::from(value.abs() < 100.0) };
    let text = format!("{value:.digits$}");
    let trimmed =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    trimmed.to_owned()
}

#[cfg(test)]
mod tests {
    use super::show;

    #[test]
    fn values_are_short_and_have_their_unit() {
        let cases = [
            (3599.0, "s", "60 min"),
            (0.0042, "s", "4.2 ms"),
            (0.0, "s", "0 s"),
            (31_536_000.0, "s", "365 d"),
            (12_345.0, "Bps", "12.3 kB/s"),
            (1_048_576.0, "bytes", "1 MiB"),
            (0.125, "percentunit", "12.5 %"),
            (2.0, "none", "2"),
            (100.0, "short", "100"),
            (4.0, "reqps", "4 req/s"),
        ];
        for (value, unit, expected) in cases {
            assert_eq!(show(value, unit), expected);
        }
    }
}
