//! What an annotation or a profile may say, typed.

use crate::{
    Audience, CertificateName, ClientId, Cloud, IdentityType, Image, ImagePullPolicy, IngestionUrl,
    InvalidValue, LivenessProbe, LogLevel, MountPath, ObjectName, Port, Quantity, ResponseMode,
    SidecarMode, TenantId, without_userinfo,
};

/// Declares the keys, the fields, and the way from one to the other, so that a
/// key cannot be forgotten in one of them.
macro_rules! keys {
    ($($(#[$doc:meta])* $key:ident $field:ident : $type:ty = $kebab:literal $camel:literal),+ $(,)?) => {
        /// A setting that a pod's annotation or a profile may give.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Key { $($(#[$doc])* $key),+ }

        impl Key {
            /// All of them, in the order in which they are documented.
            pub const ALL: &[Self] = &[$(Self::$key),+];

            /// Its name in an annotation, without the prefix, and in the policy.
            pub const fn annotation(self) -> &'static str {
                match self { $(Self::$key => $kebab),+ }
            }

            /// Its name in a profile.
            pub const fn profile(self) -> &'static str {
                match self { $(Self::$key => $camel),+ }
            }
        }

        /// Settings, each given or not.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Overrides { $($(#[$doc])* pub $field: Option<$type>),+ }

        impl Overrides {
            /// Sets `key` from its text.
            pub fn set(&mut self, key: Key, text: &str) -> Result<(), InvalidValue> {
                match key { $(Key::$key => self.$field = Some(text.parse()?)),+ }
                Ok(())
            }

            /// Whether `key` is given.
            pub const fn has(&self, key: Key) -> bool {
                match key { $(Key::$key => self.$field.is_some()),+ }
            }

            /// The text for `key`, if it is given.
            pub fn get(&self, key: Key) -> Option<String> {
                match key { $(Key::$key => self.$field.as_ref().map(ToString::to_string)),+ }
            }

            /// These settings, and where one is not given, that of `defaults`.
            #[must_use]
            pub fn or(self, defaults: &Self) -> Self {
                Self { $($field: self.$field.or_else(|| defaults.$field.clone())),+ }
            }
        }
    };
}

keys! {
    /// Where the samples go.
    IngestionUrl ingestion_url: IngestionUrl = "ingestion-url" "ingestionUrl",
    /// Which of Azure's clouds.
    Cloud cloud: Cloud = "cloud" "cloud",
    /// Replaces the cloud's audience.
    Audience audience: Audience = "audience" "audience",
    /// How the sidecar proves who it is.
    IdentityType identity_type: IdentityType = "identity-type" "identityType",
    /// The identity's or application's id.
    ClientId client_id: ClientId = "client-id" "clientId",
    /// The Entra tenant.
    TenantId tenant_id: TenantId = "tenant-id" "tenantId",
    /// The certificate's file, or key of the Secret.
    CertificateName certificate_name: CertificateName = "certificate-name" "certificateName",
    /// The `SecretProviderClass` that delivers the certificate.
    SecretProviderClass secret_provider_class: ObjectName = "secret-provider-class" "secretProviderClass",
    /// The Secret that holds the certificate, instead of the CSI driver.
    CertificateSecret certificate_secret: ObjectName = "certificate-secret" "certificateSecret",
    /// Where the certificate is mounted.
    MountPath mount_path: MountPath = "mount-path" "mountPath",
    /// The port on which the sidecar listens.
    ListeningPort listening_port: Port = "listening-port" "listeningPort",
    /// The sidecar's image.
    Image image: Image = "image" "image",
    /// When the image is pulled.
    ImagePullPolicy image_pull_policy: ImagePullPolicy = "image-pull-policy" "imagePullPolicy",
    /// CPU that is set aside.
    CpuRequest cpu_request: Quantity = "cpu-request" "cpuRequest",
    /// CPU at most.
    CpuLimit cpu_limit: Quantity = "cpu-limit" "cpuLimit",
    /// Memory that is set aside.
    MemoryRequest memory_request: Quantity = "memory-request" "memoryRequest",
    /// Memory at most.
    MemoryLimit memory_limit: Quantity = "memory-limit" "memoryLimit",
    /// How much the sidecar logs.
    LogLevel log_level: LogLevel = "log-level" "logLevel",
    /// As which kind of container it is injected.
    SidecarMode sidecar_mode: SidecarMode = "sidecar-mode" "sidecarMode",
    /// How the kubelet checks that the sidecar is alive.
    LivenessProbe liveness_probe: LivenessProbe = "liveness-probe" "livenessProbe",
    /// What Prometheus is told when Azure refuses.
    ResponseMode response_mode: ResponseMode = "response-mode" "responseMode",
}

impl Key {
    /// How a value of this key may be shown: a URL without its credentials.
    pub fn shown(self, value: &str) -> String {
        match self {
            Self::IngestionUrl => without_userinfo(value).into_owned(),
            _ => value.to_owned(),
        }
    }
}
