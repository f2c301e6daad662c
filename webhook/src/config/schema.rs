//! The configuration's JSON Schema, for editors and for checks before a
//! deployment.
//!
//! It is put together from the lists that the reader and the sidecar use; a
//! test compares its keys with those that the reader knows. Where the reader
//! takes several spellings, the schema names the documented one.

use contract::{
    Cloud, IdentityType, ImagePullPolicy, Key, LivenessProbe, LogLevel, ReadinessProbe,
    ResponseMode, SidecarMode, names,
};
use serde_json::{Map, Value, json};

use super::{IDENTITY_BINDING, PROFILE_ONLY, Policy, ProfileOnly, Resources, Shape};

/// The schema, draft 2020-12.
pub fn schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of prom-remotewrite-webhook",
        "type": "object",
        "additionalProperties": false,
        "required": ["image"],
        "properties": {
            "image": text("The sidecar's image."),
            "imagePullPolicy": one_of("When the image is pulled.", &pull_policies()),
            "imagePullSecrets": {
                "description": "Secrets to pull it with, appended to the pod's own.",
                "type": "array",
                "items": {"anyOf": [
                    {"type": "string"},
                    object(json!({"name": text("The Secret's name.")}), &["name"]),
                ]},
            },
            "sidecarMode": {
                "description": "Type of the sidecar's container: native (an init container that keeps running) or container (an ordinary one).",
                "enum": SidecarMode::WORDS,
                "default": SidecarMode::Native.word(),
            },
            "readinessProbe": {
                "description": "A readiness probe for clusters whose policies require one; it checks what the liveness probe checks, by http (exec in a pod with a service mesh) or exec.",
                "enum": ReadinessProbe::WORDS,
                "default": ReadinessProbe::None.word(),
            },
            "resources": resources(),
            "profiles": {
                "description": "Sets of settings that a pod selects by name; without a name, default. A pod that names several, separated by commas, has a destination for each.",
                "type": "object",
                "additionalProperties": profile(),
            },
            "policy": policy(),
        },
    })
}

fn resources() -> Value {
    let amounts = |cpu: Option<String>, memory: Option<String>| {
        let cpu = quantity("CPUs, such as 10m or 0.5.", cpu);
        let memory = quantity("Memory, such as 64Mi.", memory);
        object(json!({"cpu": cpu, "memory": memory}), &[])
    };
    let usual = Resources::default();
    let text = |quantity: Option<contract::Quantity>| quantity.map(|amount| amount.to_string());
    let mut schema = object(
        json!({
            "requests": amounts(text(usual.cpu_request), text(usual.memory_request)),
            "limits": amounts(text(usual.cpu_limit), text(usual.memory_limit)),
        }),
        &[],
    );
    describe(&mut schema, "Resources of the sidecar. If set, they replace all defaults.");
    schema
}

fn policy() -> Value {
    let names: Vec<&str> = Key::ALL.iter().map(|key| key.annotation()).collect();
    let usual = Policy::default();
    let keys: Vec<&str> = usual.overridable.iter().map(|key| key.annotation()).collect();
    let hosts: Vec<&str> = usual.ingestion_hosts.iter().map(super::HostRule::as_str).collect();
    let mut schema = object(
        json!({
            "overridable": {
                "description": "Annotations that a pod may set besides inject and profile.",
                "type": "array",
                "items": {"enum": names},
                "default": keys,
            },
            "ingestionHosts": {
                "description": "Hosts to which an annotation may send samples: a host, or .example for all hosts below it.",
                "type": "array",
                "items": {"type": "string"},
                "default": hosts,
            },
        }),
        &[],
    );
    describe(
        &mut schema,
        "Settings that annotations of a pod may change. It does not limit profiles.",
    );
    schema
}

fn profile() -> Value {
    let mut properties = Map::new();
    for key in Key::ALL {
        properties.insert(key.profile().to_owned(), setting(*key));
    }
    for setting in PROFILE_ONLY {
        properties.insert(setting.key.to_owned(), profile_only(setting));
    }
    properties.insert("trustConfigMap".to_owned(), trust_config_map());
    let binding = json!({
        "description": "For workloadIdentity: use an identity binding of AKS, which is a preview.",
        "type": "boolean",
        "default": false,
    });
    properties.insert(IDENTITY_BINDING.to_owned(), binding);
    let mut schema = object(properties.into(), &[]);
    if let Value::Object(schema) = &mut schema {
        // One certificate has one source.
        let sources = [Key::CertificateSecret, Key::SecretProviderClass].map(Key::profile);
        schema.insert("not".to_owned(), json!({"required": sources}));
    }
    schema
}

fn setting(key: Key) -> Value {
    let clouds =
        [Cloud::AzurePublic, Cloud::AzureGovernment, Cloud::AzureChina, Cloud::Custom, Cloud::Int];
    match key {
        Key::IngestionUrl => text("Full metrics ingestion URL."),
        Key::Cloud => {
            one_of("Azure cloud, which sets audience and authority.", &clouds.map(Cloud::name))
        }
        Key::Audience => text("Audience of the token, instead of the cloud's."),
        Key::IdentityType => {
            let kinds = IdentityType::ALL.map(IdentityType::name);
            one_of("Type of identity with which the sidecar authenticates.", &kinds)
        }
        Key::ClientId => text("Client id of the identity or application."),
        Key::TenantId => text("Entra tenant."),
        Key::CertificateName => text("File name of the certificate, or key of the Secret."),
        Key::SecretProviderClass => text("SecretProviderClass that delivers the certificate."),
        Key::CertificateSecret => {
            text("Secret that contains the certificate, instead of a SecretProviderClass.")
        }
        Key::MountPath => with_default(
            "Directory in which the certificate is mounted.",
            names::DEFAULT_MOUNT_PATH,
        ),
        Key::ListeningPort => json!({
            "description": "Port on which the sidecar listens.",
            "type": "integer",
            "minimum": 1,
            "maximum": u16::MAX,
            "default": names::DEFAULT_LISTENING_PORT,
        }),
        Key::Image => text("Image of the sidecar, instead of the one for all profiles."),
        Key::ImagePullPolicy => one_of("When the image is pulled.", &pull_policies()),
        Key::CpuRequest => quantity("CPU request of the sidecar, such as 10m.", None),
        Key::CpuLimit => quantity("CPU limit of the sidecar; a limit delays samples.", None),
        Key::MemoryRequest => quantity("Memory request of the sidecar, such as 32Mi.", None),
        Key::MemoryLimit => quantity("Memory limit of the sidecar, such as 128Mi.", None),
        Key::LogLevel => one_of("Log level of the sidecar.", LogLevel::WORDS),
        Key::SidecarMode => one_of("Type of the sidecar's container.", SidecarMode::WORDS),
        Key::LivenessProbe => one_of(
            "Liveness probe of the sidecar; by default http, and exec in a pod with a service mesh.",
            LivenessProbe::WORDS,
        ),
        Key::ResponseMode => one_of(
            "Answer to Prometheus when Azure refuses a batch: protective lets it retry, transparent passes Azure's status on.",
            ResponseMode::WORDS,
        ),
    }
}

fn trust_config_map() -> Value {
    let names = json!({"name": text("ConfigMap in the pod's namespace."), "key": text("Key of the ConfigMap, with roots in PEM.")});
    let mut schema = object(names, &["name", "key"]);
    describe(&mut schema, "Trusted roots of the sidecar, instead of the system's.");
    schema
}

fn profile_only(setting: &ProfileOnly) -> Value {
    match setting.shape {
        Shape::Text | Shape::Duration => text(setting.meaning),
        Shape::Size => {
            json!({"description": setting.meaning, "type": ["string", "integer"]})
        }
        Shape::Count => {
            json!({"description": setting.meaning, "type": "integer", "minimum": 1})
        }
        Shape::Switch => {
            json!({"description": setting.meaning, "type": "boolean", "default": false})
        }
        Shape::Words(words) => one_of(setting.meaning, words),
    }
}

fn pull_policies() -> [&'static str; 3] {
    [ImagePullPolicy::Always, ImagePullPolicy::IfNotPresent, ImagePullPolicy::Never]
        .map(ImagePullPolicy::word)
}

#[expect(clippy::needless_pass_by_value, reason = "json! makes values")]
fn object(properties: Value, required: &[&str]) -> Value {
    let mut schema =
        json!({"type": "object", "additionalProperties": false, "properties": properties});
    if let (Value::Object(schema), false) = (&mut schema, required.is_empty()) {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

fn describe(schema: &mut Value, text: &str) {
    if let Value::Object(schema) = schema {
        schema.insert("description".to_owned(), text.into());
    }
}

fn text(description: &str) -> Value {
    json!({"description": description, "type": "string"})
}

fn with_default(description: &str, default: &str) -> Value {
    json!({"description": description, "type": "string", "default": default})
}

fn one_of(description: &str, words: &[&str]) -> Value {
    json!({"description": description, "enum": words})
}

fn quantity(description: &str, default: Option<String>) -> Value {
    let mut schema = json!({"description": description, "type": ["string", "number"]});
    if let (Value::Object(schema), Some(default)) = (&mut schema, default) {
        schema.insert("default".to_owned(), default.into());
    }
    schema
}
