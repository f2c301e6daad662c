//! Texts that are not Kubernetes YAML: their format, and how to use them.

use std::fmt;

use serde_json::Value;

/// Beginnings of lines, what a text with such a line is, and the next step; the
/// first that fits.
const LANGUAGES: [(&str, &str, &str); 5] = [
    (
        "resource \"|module \"|data \"|variable \"|provider \"|output \"|locals {|terraform {|job \"",
        "Terraform (HCL)",
        "put its values into a separate YAML file, use that here, and name it with values = [file(\"values.yaml\")]",
    ),
    (
        "targetScope|param |resource |module |var |@description(|@secure(",
        "Bicep",
        "put its manifest or its values into a separate YAML file, and use that here",
    ),
    ("```", "Markdown", "copy its YAML into a separate file, and use that here"),
    (
        "#!|kubectl |helm |docker |cat <<|export |set -e",
        "a script",
        "run it, and use the YAML that it writes",
    ),
    (
        "import |from |local |const |func |def |package |class |using ",
        "a program",
        "run it, and use the YAML that it writes",
    ),
];

/// The kind of an object that YAML can read and Kubernetes does not know, and the next
/// step.
pub(crate) fn of_object(object: &Value) -> Option<&'static str> {
    let is_compose = object.get("services").is_some() && object.get("kind").is_none();
    is_compose.then_some("this is a Compose file, and has no pods: add this project's image as a service there, with the variables of the sidecar's README (which include Microsoft's)")
}

/// What `text`, which YAML cannot read or takes for one text, is in fact, and the
/// next step; `None` where nothing shows it.
pub(crate) fn of(text: &str) -> Option<impl fmt::Display> {
    let is_begun = |starts: &str| {
        text.lines().any(|line| starts.split('|').any(|start| line.starts_with(start)))
    };
    let known = LANGUAGES.iter().find(|(starts, ..)| is_begun(starts));
    let known = known.map(|(_, name, step)| format!("this is {name}: {step}"));
    // Of values that YAML cannot begin with, anyone who replaces them marks the ends.
    let is_template = ["{{", "{%", "<%", ": %", ": @"].iter().any(|mark| text.contains(mark));
    known.or_else(|| is_template.then(|| "this is a template (Helm, Jinja, Go): use the rendered output of helm template or Ansible, or quote each {{…}} that is a value".to_owned()))
}
