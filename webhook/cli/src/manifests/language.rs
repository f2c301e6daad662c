//! Texts that are not Kubernetes YAML: their format, and how to use them.

use serde_json::Value;

use crate::tree::walk;

/// A format, and what shows it.
struct Language {
    /// Beginnings of lines.
    starts: &'static str,
    /// What stands anywhere else.
    marks: &'static str,
    name: &'static str,
    next_step: &'static str,
}

const RUN: &str = "run it, and use the YAML that it writes";

const JSONNET: Language = Language {
    starts: "local |function(",
    marks: "+: {|+:: {|+: [|:: {|(import '|(import \"|import 'k|std.manifest|std.map|std.extVar|std.mergePatch|$._config",
    name: "Jsonnet",
    next_step: "run jsonnet, and use the YAML or JSON that it writes",
};

/// Formats with beginnings and marks between bars; the first that fits.
const LANGUAGES: [Language; 9] = [
    Language {
        starts: "resource \"|module \"|data \"|variable \"|provider \"|output \"|locals {|terraform {|job \"",
        marks: "= var.|= local.|= module.|yamlencode(|templatefile(",
        name: "Terraform (HCL)",
        next_step: "put its values into a separate YAML file, use that here, and name it with values = [file(\"values.yaml\")]",
    },
    Language {
        starts: "",
        marks: "%{ if|%{if|%{~ if|%{ for|%{for|%{~ for|%{ end|%{end|%{~ end",
        name: "a template of Terraform",
        next_step: "use what terraform console prints for templatefile(…)",
    },
    Language {
        starts: "targetScope|param |resource |module |@description(|@secure(",
        marks: "",
        name: "Bicep",
        next_step: "put its manifest or its values into a separate YAML file, and use that here",
    },
    Language {
        starts: "```",
        marks: "",
        name: "Markdown",
        next_step: "copy its YAML into a separate file, and use that here",
    },
    Language {
        starts: "import {|import * as |import type |export const |export default |export class |export function |export async |export interface |interface |const |let |var |new |async |function |module.exports",
        marks: "",
        name: "TypeScript or JavaScript",
        next_step: RUN,
    },
    JSONNET,
    Language {
        starts: "prometheus.remote_write \"|prometheus.scrape \"|loki.write \"|otelcol.|logging {",
        marks: "",
        name: "Grafana Alloy's configuration",
        next_step: "write a profile with its identity by hand, annotate Alloy's pod, and let the endpoint write to http://localhost:8081/api/v1/write without azuread",
    },
    Language {
        starts: "#!|kubectl |helm |docker |cat <<|export |set -e",
        marks: "",
        name: "a script",
        next_step: RUN,
    },
    Language {
        starts: "import |from |func |def |package |class |using ",
        marks: "",
        name: "a program",
        next_step: RUN,
    },
];

impl Language {
    fn is_of(&self, text: &str) -> bool {
        let known = |list: &'static str| list.split('|').filter(|word| !word.is_empty());
        let is_begun = |line: &str| known(self.starts).any(|start| line.starts_with(start));
        text.lines().any(is_begun) || known(self.marks).any(|mark| text.contains(mark))
    }

    fn words(&self) -> String {
        format!("not Kubernetes YAML: this is {}: {}", self.name, self.next_step)
    }
}

/// What `text`, which YAML cannot read or takes for one text, is in fact, and the next
/// step; `None` where nothing shows it.
pub(crate) fn of(text: &str) -> Option<String> {
    let known = LANGUAGES.iter().find(|language| language.is_of(text)).map(Language::words);
    // Of values that YAML cannot begin with, anyone who replaces them marks the ends.
    let is_template = ["{{", "{%", "<%", ": %", ": @"].iter().any(|mark| text.contains(mark));
    known.or_else(|| is_template.then(|| "not Kubernetes YAML: this is a template (Helm, Jinja, Go): use the rendered output of helm template or Ansible, or quote each {{…}} that is a value".to_owned()))
}

/// What a value is that YAML can read and Kubernetes does not know, and the next step.
pub(crate) fn of_value(value: &Value) -> Option<String> {
    if let Some(text) = value.as_str() {
        let unknown = || {
            "not Kubernetes YAML: this is a text: use the Kubernetes object or the Helm values that result from it".to_owned()
        };
        return of(text).or_else(|| Some(unknown()));
    }
    let services = value.get("services").and_then(Value::as_object);
    if services.is_some_and(|all| all.values().any(|it| it.get("environment").is_some())) {
        return Some("this is a Compose file, and has no pods: add this project's image as a service there, with the variables of the sidecar's README (which include Microsoft's)".to_owned());
    }
    // Such a key adds to one that is inherited.
    let mut adds = false;
    walk(value, &mut |node, path| {
        let is_inner = node.is_object() || node.is_array();
        adds |= is_inner && path.last().is_some_and(|key| key.ends_with(['+', ':']));
        !adds
    });
    adds.then(|| JSONNET.words())
}
