//! The alerts, as they stand in the chart.

use serde_json::Value;

use super::read;

/// The file, from `manifests` on.
pub(super) const FILE: &str = "chart/files/alerts.yaml";

/// One alert.
pub(crate) struct Alert {
    /// Its name.
    pub(crate) name: String,
    /// When it is so.
    pub(crate) expr: String,
    /// For how long it must be so.
    pub(super) pending: Option<String>,
    /// `critical`, `warning` or `info`.
    pub(super) severity: String,
    annotations: Value,
}

impl Alert {
    /// The number at the expression's end, which values may replace: it is one
    /// to be chosen, not just "any at all is too much" as behind `==`.
    pub(crate) fn threshold(&self) -> Option<&str> {
        let (rest, number) = self.expr.rsplit_once(' ')?;
        let chosen = rest.ends_with('<') || rest.ends_with('>');
        (chosen && number.parse::<f64>().is_ok()).then_some(number)
    }

    pub(super) fn annotation(&self, name: &str) -> &str {
        self.annotations[name].as_str().unwrap_or_default()
    }
}

/// All of them, in their order.
pub(crate) fn alerts() -> Vec<Alert> {
    let file: Value = serde_saphyr::from_str(&read(FILE)).unwrap();
    let groups = file["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_array().unwrap());
    let text = |rule: &Value, path: &str| rule.pointer(path)?.as_str().map(str::to_owned);
    let alert = |rule: &Value| Alert {
        name: text(rule, "/alert").unwrap(),
        expr: text(rule, "/expr").unwrap(),
        pending: text(rule, "/for"),
        severity: text(rule, "/labels/severity").unwrap(),
        annotations: rule["annotations"].clone(),
    };
    rules.map(alert).collect()
}
