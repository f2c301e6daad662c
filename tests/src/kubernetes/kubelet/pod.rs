//! One container of a pod, as its spec describes it.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Files, Issuer};
use crate::{
    failure::{Context, Failure, Outcome},
    keys::{
        jwt::{self, Algorithm},
        secret,
    },
};

/// A container as the pod has it.
pub(super) struct Container<'a> {
    name: &'a str,
    value: &'a Value,
}

/// A variable with its value.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Variable {
    pub(super) name: String,
    #[serde(default)]
    pub(super) value: String,
}

/// Where a volume is mounted.
pub(super) struct Mount {
    pub(super) name: String,
    pub(super) path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MountEntry {
    name: String,
    mount_path: String,
    #[serde(default, rename = "readOnly")]
    _read_only: bool,
}

#[derive(Deserialize)]
struct Item {
    key: String,
    path: String,
}

impl<'a> Container<'a> {
    /// An init container that keeps running, or an ordinary one.
    pub(super) fn find(pod: &'a Value, name: &'a str) -> Outcome<Self> {
        let named = |value: &&Value| value.get("name").and_then(Value::as_str) == Some(name);
        let list = |path| pod.pointer(path).and_then(Value::as_array).into_iter().flatten();
        let native = |value: &&Value| value.get("restartPolicy") == Some(&json!("Always"));
        let found = list("/spec/initContainers").filter(native).find(named);
        let value = found.or_else(|| list("/spec/containers").find(named));
        Ok(Self {
            name,
            value: value.context(format!("find a container {name} that goes on running"))?,
        })
    }

    pub(super) fn arguments(&self) -> Outcome<Vec<String>> {
        if self.value.get("command").is_some() {
            return Err(Failure::new(format!(
                "container {} replaces its image's program",
                self.name
            )));
        }
        self.list("args")
    }

    pub(super) fn variables(&self) -> Outcome<Vec<Variable>> {
        if self.value.get("envFrom").is_some() {
            return Err(Failure::new(format!("container {} has envFrom", self.name)));
        }
        self.list("env")
    }

    pub(super) fn mounts(&self) -> Outcome<Vec<Mount>> {
        let mounts = self.list::<MountEntry>("volumeMounts")?.into_iter();
        Ok(mounts.map(|entry| Mount { name: entry.name, path: entry.mount_path }).collect())
    }

    fn list<T: for<'de> Deserialize<'de>>(&self, field: &str) -> Outcome<Vec<T>> {
        match self.value.get(field) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(value) => {
                Vec::deserialize(value).context(format!("play {field} of container {}", self.name))
            }
        }
    }
}

/// The volume `name`.
pub(super) fn volume<'a>(pod: &'a Value, name: &str) -> Outcome<&'a Value> {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten();
    let mut named = volumes.filter(|value| value.get("name").and_then(Value::as_str) == Some(name));
    match (named.next(), named.next()) {
        (Some(volume), None) => Ok(volume),
        (None, _) => Err(Failure::new(format!("the pod has no volume {name}"))),
        (Some(_), Some(_)) => Err(Failure::new(format!("the pod has two volumes {name}"))),
    }
}

/// The chosen keys under their paths, or all of them.
pub(super) fn items(files: &Files, items: Option<&Value>) -> Outcome<Files> {
    let Some(items) = items.filter(|items| !items.is_null()) else { return Ok(files.clone()) };
    let items = Vec::<Item>::deserialize(items).context("read a volume's items")?;
    let one = |item: Item| {
        let content = files.get(&item.key).context(format!("find the key {:?}", item.key))?;
        Ok((item.path, content.clone()))
    };
    items.into_iter().map(one).collect()
}

impl Issuer {
    /// A token for the pod's service account, as the API server signs it.
    pub(super) fn token(&self, pod: &Value, asked: &Value, now: u64) -> Outcome<String> {
        let text = |path| pod.pointer(path).and_then(Value::as_str).unwrap_or("default");
        let account = text("/spec/serviceAccountName");
        let subject = format!("system:serviceaccount:{}:{account}", text("/metadata/namespace"));
        // The API server's own audience and hour, where the pod names none.
        let own = json!(self.url);
        let audience = asked.get("audience").unwrap_or(&own);
        let seconds = asked.get("expirationSeconds").and_then(Value::as_u64).unwrap_or(3600);
        let claims = json!({
            "iss": self.url, "sub": subject, "aud": [audience],
            "iat": now, "nbf": now, "exp": now + seconds, "jti": secret::uuid(),
        });
        let header = json!({"alg": "RS256", "kid": "stand-in"});
        jwt::sign(Algorithm::Rs256, &header, &claims, self.key.key_der())
    }
}
