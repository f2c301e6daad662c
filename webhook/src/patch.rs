//! Additions as a JSON Patch that always applies.
//!
//! The API server refuses a pod whose patch doesn't apply, whatever the
//! failure policy says; two things make a patch fail: a parent that is not
//! there, and a second `add` of the same parent, which replaces the first. So
//! each parent is made exactly once, together with all that belongs in it.

use json_patch::{
    AddOperation, Patch, PatchOperation,
    jsonptr::{PointerBuf, Token},
};
use serde_json::{Map, Value};

/// What is added to a pod. Nothing in a pod is ever changed or removed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Additions {
    /// Fields of what is there, each with the way to it. The last step is absent or
    /// null; all others exist.
    pub fields: Vec<(Vec<String>, Value)>,
    /// Annotations.
    pub annotations: Vec<(String, String)>,
    /// Init containers, after the pod's own.
    pub init_containers: Vec<Value>,
    /// Containers, after the pod's own.
    pub containers: Vec<Value>,
    /// Volumes.
    pub volumes: Vec<Value>,
    /// Secrets that images are pulled with.
    pub image_pull_secrets: Vec<Value>,
}

/// Why additions cannot be made to this JSON.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PatchError {
    /// It is no pod.
    #[error("the object's {path:?} is not {expected}")]
    Shape {
        /// What has another type than a pod has it.
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
/// Where the pod has something else than Kubernetes has, so that nothing could
/// be added without replacing it.
pub fn patch(pod: &Value, additions: Additions) -> Result<Patch, PatchError> {
    let fields = additions.fields.into_iter();
    let mut operations: Vec<_> = fields.map(|(path, value)| add(&path, value)).collect();
    annotations(pod, additions.annotations, &mut operations)?;
    let lists = [
        ("initContainers", additions.init_containers),
        ("containers", additions.containers),
        ("volumes", additions.volumes),
        ("imagePullSecrets", additions.image_pull_secrets),
    ];
    let spec = child(pod, "spec")?;
    let mut new_spec = Map::new();
    for (name, items) in lists.into_iter().filter(|(_, items)| !items.is_empty()) {
        match spec {
            None => drop(new_spec.insert(name.to_owned(), items.into())),
            Some(spec) => append(spec, name, items, &mut operations)?,
        }
    }
    if !new_spec.is_empty() {
        operations.push(add(&["spec"], new_spec.into()));
    }
    Ok(Patch(operations))
}

fn annotations(
    pod: &Value,
    annotations: Vec<(String, String)>,
    operations: &mut Vec<PatchOperation>,
) -> Result<(), PatchError> {
    if annotations.is_empty() {
        return Ok(());
    }
    let texts = annotations.into_iter().map(|(name, text)| (name, Value::from(text)));
    let Some(metadata) = child(pod, "metadata")? else {
        let mut metadata = Map::new();
        metadata.insert("annotations".to_owned(), texts.collect::<Map<_, _>>().into());
        operations.push(add(&["metadata"], metadata.into()));
        return Ok(());
    };
    match metadata.get("annotations") {
        None | Some(Value::Null) => {
            let all = texts.collect::<Map<_, _>>();
            operations.push(add(&["metadata", "annotations"], all.into()));
        }
        Some(Value::Object(_)) => {
            let one = |(name, text): (String, Value)| {
                add(&["metadata", "annotations", name.as_str()], text)
            };
            operations.extend(texts.map(one));
        }
        Some(_) => return Err(shape("/metadata/annotations", "a mapping")),
    }
    Ok(())
}

fn append(
    spec: &Map<String, Value>,
    name: &str,
    items: Vec<Value>,
    operations: &mut Vec<PatchOperation>,
) -> Result<(), PatchError> {
    match spec.get(name) {
        None | Some(Value::Null) => operations.push(add(&["spec", name], items.into())),
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
fn add(path: &[impl AsRef<str>], value: Value) -> PatchOperation {
    let path = PointerBuf::from_tokens(path.iter().map(|token| Token::new(token.as_ref())));
    PatchOperation::Add(AddOperation { path, value })
}

fn shape(path: &str, expected: &'static str) -> PatchError {
    PatchError::Shape { path: path.to_owned(), expected }
}
