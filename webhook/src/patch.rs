//! Additions as a JSON Patch that always applies.
//!
//! The API server rejects a pod whose patch does not apply, whatever the failure
//! policy. Two things make a patch fail: a missing parent, and a second `add` of the
//! same parent, which replaces the first. So each parent is created exactly once,
//! together with its content.

use std::collections::BTreeMap;

use json_patch::{
    AddOperation, Patch, PatchOperation,
    jsonptr::{PointerBuf, Token},
};
use serde::Serialize;
use serde_json::{
    Map, Value,
    value::{RawValue, to_raw_value},
};

/// The additions to a pod. Nothing in a pod is ever changed or removed, but for probes and
/// requests of the sidecar itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Additions {
    /// Fields of existing objects, each with its path. The last step is absent or null, or
    /// what is replaced of the sidecar; all others exist.
    pub fields: Vec<(Vec<String>, Json)>,
    /// Annotations.
    pub annotations: Vec<(String, String)>,
    /// Init containers, after the pod's own.
    pub init_containers: Vec<Json>,
    /// Containers, after the pod's own.
    pub containers: Vec<Json>,
    /// Volumes.
    pub volumes: Vec<Json>,
    /// Secrets that images are pulled with.
    pub image_pull_secrets: Vec<Json>,
}

/// Something to add, as the text that the patch will have: as a [`Value`], a container
/// would be hundreds of small allocations.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct Json(Box<RawValue>);

impl Json {
    /// Serializing plain data to JSON cannot fail.
    pub fn of(value: &impl Serialize) -> Self {
        Self(to_raw_value(value).unwrap_or_default())
    }

    /// The same to look into.
    pub fn to_value(&self) -> Value {
        serde_json::from_str(self.0.get()).unwrap_or_default()
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// One operation of a JSON Patch.
#[derive(Debug, Serialize)]
#[serde(tag = "op", rename = "add")]
pub struct Add {
    /// Where to.
    pub path: PointerBuf,
    /// What.
    pub value: Json,
}

/// Why additions cannot be made to this JSON.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatchError {
    /// It is not a pod.
    #[error("the object's {path:?} is not {expected}")]
    Shape {
        /// A value whose type differs from that in a pod.
        path: String,
        /// The type that a pod has there.
        expected: &'static str,
    },
}

impl Additions {
    /// Whether there is nothing to add.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The patch that makes `additions` to `pod`.
///
/// # Errors
/// As [`operations`].
pub fn patch(pod: &Value, additions: Additions) -> Result<Patch, PatchError> {
    operations(pod, additions).map(|operations| to_patch(&operations))
}

/// These operations for those who look into a patch.
pub fn to_patch(operations: &[Add]) -> Patch {
    let operation = |Add { path, value }: &Add| {
        PatchOperation::Add(AddOperation { path: path.clone(), value: value.to_value() })
    };
    Patch(operations.iter().map(operation).collect())
}

/// The patch that makes `additions` to `pod`, in this order.
///
/// # Errors
/// Where the pod has something else than Kubernetes has, so that nothing could
/// be added without replacing it.
pub fn operations(pod: &Value, additions: Additions) -> Result<Vec<Add>, PatchError> {
    let fields = additions.fields.into_iter();
    let mut operations: Vec<_> = fields.map(|(path, value)| add(&path, value)).collect();
    annotations(pod, &additions.annotations, &mut operations)?;
    let lists = [
        ("initContainers", additions.init_containers),
        ("containers", additions.containers),
        ("volumes", additions.volumes),
        ("imagePullSecrets", additions.image_pull_secrets),
    ];
    let spec = child(pod, "spec")?;
    let mut new_spec = BTreeMap::new();
    for (name, items) in lists.into_iter().filter(|(_, items)| !items.is_empty()) {
        match spec {
            None => drop(new_spec.insert(name, items)),
            Some(spec) => append(spec, name, items, &mut operations)?,
        }
    }
    if !new_spec.is_empty() {
        operations.push(add(&["spec"], Json::of(&new_spec)));
    }
    Ok(operations)
}

fn annotations(
    pod: &Value,
    annotations: &[(String, String)],
    operations: &mut Vec<Add>,
) -> Result<(), PatchError> {
    if annotations.is_empty() {
        return Ok(());
    }
    let all = || annotations.iter().cloned().collect::<BTreeMap<_, _>>();
    let Some(metadata) = child(pod, "metadata")? else {
        let metadata = BTreeMap::from([("annotations", all())]);
        operations.push(add(&["metadata"], Json::of(&metadata)));
        return Ok(());
    };
    match metadata.get("annotations") {
        None | Some(Value::Null) => {
            operations.push(add(&["metadata", "annotations"], Json::of(&all())));
        }
        Some(Value::Object(_)) => {
            let one = |(name, text): &(String, String)| {
                add(&["metadata", "annotations", name.as_str()], Json::of(text))
            };
            operations.extend(annotations.iter().map(one));
        }
        Some(_) => return Err(shape("/metadata/annotations", "a mapping")),
    }
    Ok(())
}

fn append(
    spec: &Map<String, Value>,
    name: &str,
    items: Vec<Json>,
    operations: &mut Vec<Add>,
) -> Result<(), PatchError> {
    match spec.get(name) {
        None | Some(Value::Null) => operations.push(add(&["spec", name], Json::of(&items))),
        Some(Value::Array(_)) => {
            operations.extend(items.into_iter().map(|item| add(&["spec", name, "-"], item)));
        }
        Some(_) => return Err(shape(&format!("/spec/{name}"), "a list")),
    }
    Ok(())
}

/// The mapping at `name`; `None` where there is none yet.
fn child<'a>(pod: &'a Value, name: &str) -> Result<Option<&'a Map<String, Value>>, PatchError> {
    let Value::Object(pod) = pod else { return Err(shape("", "a mapping")) };
    match pod.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(map)) => Ok(Some(map)),
        Some(_) => Err(shape(&format!("/{name}"), "a mapping")),
    }
}

/// Pointers are built from tokens, which escapes `/` and `~` in them.
fn add(path: &[impl AsRef<str>], value: Json) -> Add {
    Add {
        path: PointerBuf::from_tokens(path.iter().map(|token| Token::new(token.as_ref()))),
        value,
    }
}

fn shape(path: &str, expected: &'static str) -> PatchError {
    PatchError::Shape { path: path.to_owned(), expected }
}
