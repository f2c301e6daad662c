//! Ways into values and objects, as `helm --set`, Argo CD's parameters, Flux'
//! `targetPath` and JSON patches write them, and what an edit does to them.

use json_patch::{Patch, PatchOperation};

/// The names in `text`, if it may be such a path: `a.b[0].c`, with `\.` for a dot in
/// a name, and perhaps `=` and a value; or `/a/b/0/c`.
pub(crate) fn parse(text: &str) -> Option<(&str, Vec<String>)> {
    if let Some(path) = text.strip_prefix('/') {
        let name = |name: &str| name.replace("~1", "/").replace("~0", "~");
        let names: Vec<String> = path.split('/').map(name).collect();
        return (names.len() > 1 && !text.contains([' ', '\n'])).then_some((text, names));
    }
    let (written, _) = text.split_once('=').unwrap_or((text, ""));
    let names = written.replace("\\.", "\u{0}").replace('[', ".").replace(']', "");
    let name = |name: &str| name.replace('\u{0}', ".").trim_matches(['"', '\'']).to_owned();
    let names: Vec<String> = names.split('.').map(name).collect();
    let is_way = names.len() > 2 && !written.contains([' ', '\n', '/', ':']);
    is_way.then_some((written, names))
}

/// What the path of these `names` leads to after `edit`, which removes and replaces:
/// `None` where it is the same as before.
pub(crate) fn effect(edit: &Patch, names: &[String]) -> Option<&'static str> {
    edit.0.iter().find_map(|operation| {
        let path = operation.path().tokens().map(|token| token.decoded().into_owned());
        let path: Vec<String> = path.collect();
        // The values may stand deep in the document.
        (0..path.len()).find_map(|start| {
            let path = path.get(start..)?;
            let common = path.iter().zip(names).take_while(|(one, other)| one == other).count();
            let number = |path: &[String]| path.get(common)?.parse::<usize>().ok();
            let is_item =
                common + 1 == path.len() && matches!(operation, PatchOperation::Remove(_));
            match (number(path), number(names)) {
                _ if common < 2 => None,
                _ if common == path.len().min(names.len()) => Some("sets what would be removed"),
                (Some(gone), Some(other)) if is_item && other > gone => {
                    Some("would lead to another item of its list")
                }
                _ => None,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_goes_or_moves_is_reached() {
        let patch: Patch = serde_json::from_value(json!([
            {"op": "replace", "path": "/values/p/spec/remoteWrite/0/url", "value": ""},
            {"op": "remove", "path": "/values/p/spec/containers/1"},
        ]))
        .unwrap();
        for (path, expected) in [
            ("p.spec.containers[1].env[0].value", "sets"),
            ("p.spec.containers[1]", "sets"),
            ("p.spec.containers", "sets"),
            ("values.p.spec.containers[1].image=a", "sets"),
            ("p.spec.remoteWrite[0].url", "sets"),
            ("p.spec.containers[2].image", "would lead"),
            ("p.spec.containers[0].image", ""),
            ("p.spec.remoteWrite[0].name", ""),
            ("p.spec.remoteWrite[1].url", ""),
            ("p.spec.retention", ""),
            ("q.spec.containers[1].image", ""),
        ] {
            let (_, names) = parse(path).unwrap();
            let effect = effect(&patch, &names).unwrap_or_default();
            assert!(
                effect.starts_with(expected) && effect.is_empty() == expected.is_empty(),
                "{path}: {effect}"
            );
        }
        for (path, is_reached) in [
            ("/p/spec/containers/1/env/3/value", true),
            ("/p/spec/containers/2", true),
            ("/p/spec/containers/-", false),
            ("/p/spec/containers/0/image", false),
        ] {
            let (_, names) = parse(path).unwrap();
            assert_eq!(effect(&patch, &names).is_some(), is_reached, "{path}");
        }
        let annotation = "/metadata/annotations/prom-remotewrite~1inject";
        let names = ["metadata", "annotations", "prom-remotewrite/inject"].map(str::to_owned);
        assert_eq!(parse(annotation), Some((annotation, names.to_vec())));
        let (_, names) = parse("a.azure\\.workload\\.identity/client-id").unwrap_or_default();
        assert!(names.is_empty(), "of no list");
        assert_eq!(parse("prometheus"), None);
        assert_eq!(parse("see a.b.c for this"), None);
    }
}
