//! Names that cross a process boundary.

/// The sidecar container, as Microsoft's documentation names it.
pub const CONTAINER: &str = "prom-remotewrite";
/// The sidecar's container port, as Microsoft's documentation names it.
pub const PORT: &str = "rw-port";
/// The port on which the sidecar listens by default.
pub const DEFAULT_LISTENING_PORT: u16 = 8081;

/// Where Prometheus posts its remote-write requests.
pub const WRITE_PATH: &str = "/api/v1/write";
/// Answers 200 while the process is alive.
pub const HEALTH_PATH: &str = "/health";
/// Answers 200 while a valid token is available.
pub const READY_PATH: &str = "/ready";
/// The sidecar's own metrics, in the text format.
pub const METRICS_PATH: &str = "/metrics";

/// The sidecar's program in its image, for exec probes.
pub const PROGRAM: &str = "/prom-remotewrite";
/// Its subcommand that exits with 0 while the sidecar in this container is alive.
pub const HEALTH_COMMAND: &str = "health";
/// Its subcommand that checks every step needed to write to Azure.
pub const CHECK_COMMAND: &str = "check";

/// The volume with the application's certificate.
pub const CERTIFICATE_VOLUME: &str = "prom-remotewrite-cert";
/// The volume with the projected service account token.
pub const TOKEN_VOLUME: &str = "prom-remotewrite-token";
/// The volume with the profile's trusted roots.
pub const TRUST_VOLUME: &str = "prom-remotewrite-trust";
/// The empty volume that hides the Kubernetes API token from the sidecar.
pub const NO_API_TOKEN_VOLUME: &str = "prom-remotewrite-no-api-token";

/// The volume with the projected token for an identity binding, and its CA.
pub const BINDING_VOLUME: &str = "prom-remotewrite-binding";

/// Where the certificate is mounted by default.
pub const DEFAULT_MOUNT_PATH: &str = "/mnt/secrets-store";
/// Where the webhook mounts the projected service account token.
pub const TOKEN_MOUNT_PATH: &str = "/var/run/secrets/prom-remotewrite/token";
/// The projected token's file below [`TOKEN_MOUNT_PATH`] and [`BINDING_MOUNT_PATH`].
pub const TOKEN_FILE: &str = "azure-identity-token";
/// Where the webhook mounts what an identity binding takes.
pub const BINDING_MOUNT_PATH: &str = "/var/run/secrets/prom-remotewrite/binding";
/// The file of the token proxy's CA below [`BINDING_MOUNT_PATH`].
pub const BINDING_CA_FILE: &str = "ca.crt";
/// Where the webhook mounts a profile's trusted roots.
pub const TRUST_MOUNT_PATH: &str = "/etc/prom-remotewrite/trust";
/// Where the kubelet mounts the Kubernetes API token; hidden from the sidecar.
pub const API_TOKEN_MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The audience that Entra requires of a federated token.
///
/// <https://azure.github.io/azure-workload-identity/docs/>
pub const FEDERATED_TOKEN_AUDIENCE: &str = "api://AzureADTokenExchange";
/// The audience of a service account token that the proxy of an identity binding
/// demands.
///
/// <https://learn.microsoft.com/azure/aks/workload-identity-overview>
pub const BINDING_TOKEN_AUDIENCE: &str = "api://AKSIdentityBinding";
/// Where pods reach the API server, and AKS' proxy of identity bindings beside it.
pub const API_SERVER: &str = "https://kubernetes.default.svc";
/// The API group in which a service account is given the use of a managed identity:
/// its resources are client ids.
///
/// <https://learn.microsoft.com/azure/aks/identity-bindings>
pub const BINDING_API_GROUP: &str = "cid.wi.aks.azure.com";
/// The verb that gives it.
pub const BINDING_VERB: &str = "use-managed-identity";

/// Exit status for an invalid configuration (`EX_CONFIG` of sysexits).
pub const EXIT_CONFIGURATION: u8 = 78;

/// The sidecar's environment variables.
///
/// Those that Microsoft's image reads keep its names and values; those of an Azure SDK,
/// of OpenSSL or of common usage keep theirs. Each description ends with the origin.
pub mod env {
    /// A variable, for lists and tables.
    #[derive(Clone, Copy, Debug)]
    pub struct Variable {
        /// Its name.
        pub name: &'static str,
        /// What it means, and where it comes from; a line may begin with a space.
        pub meaning: &'static str,
    }

    /// A constant for each, of the same name.
    macro_rules! variables {
        ($($(#[doc = $line:literal])+ $name:ident;)+) => {
            $($(#[doc = $line])+ pub const $name: &str = stringify!($name);)+

            /// All of them.
            pub const ALL: &[Variable] =
                &[$(Variable { name: $name, meaning: concat!($($line),+) }),+];
        };
    }

    variables! {
        /// Full metrics ingestion URL, with its query. Microsoft's.
        INGESTION_URL;
        /// Port on which the sidecar listens. Microsoft's.
        LISTENING_PORT;
        /// Type of identity with which the sidecar authenticates. Microsoft's.
        IDENTITY_TYPE;
        /// Client id of the identity or application. Azure SDKs'.
        AZURE_CLIENT_ID;
        /// Entra tenant. Azure SDKs'.
        AZURE_TENANT_ID;
        /// File with the application's certificate and key. Microsoft's, since 2023; Azure SDKs'.
        AZURE_CLIENT_CERTIFICATE_PATH;
        /// The same. Microsoft's, until 2023.
        MDM_CERT_PATH;
        /// File with the password of a PFX certificate; ours.
        AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE;
        /// Send the certificate's chain, for subject name and issuer authentication. Azure SDKs'.
        AZURE_CLIENT_SEND_CERTIFICATE_CHAIN;
        /// File with the projected service account token. Azure SDKs'.
        AZURE_FEDERATED_TOKEN_FILE;
        /// Address of the token proxy of an AKS identity binding, used instead of Entra. Azure SDKs'.
        AZURE_KUBERNETES_TOKEN_PROXY;
        /// TLS server name (SNI) of the token proxy, instead of its host. Azure SDKs'.
        AZURE_KUBERNETES_SNI_NAME;
        /// File with the CA of the token proxy; read for each request. Azure SDKs'.
        AZURE_KUBERNETES_CA_FILE;
        /// CA of the token proxy, instead of a file. Azure SDKs'.
        AZURE_KUBERNETES_CA_DATA;
        /// Azure cloud, which sets audience and authority. Microsoft's.
        CLOUD;
        /// Audience of the token, instead of the cloud's. Microsoft's.
        INGESTION_AAD_AUDIENCE;
        /// Host of Microsoft Entra, instead of the cloud's. Azure SDKs'.
        AZURE_AUTHORITY_HOST;
        /// The same. Microsoft's.
        AAD_HOST_ENDPOINT;
        /// Address of the instance metadata service. Azure SDKs'.
        AZURE_POD_IDENTITY_AUTHORITY_HOST;
        /// Issues tokens of managed identities in App Service and Container Apps, which set it.
        IDENTITY_ENDPOINT;
        /// Secret that `IDENTITY_ENDPOINT` requires. The same platforms set it.
        IDENTITY_HEADER;
        /// Name of the cluster, for logs and `prom_remotewrite_build_info`. Microsoft's.
        CLUSTER;
        /// Clients that may write: those in the same pod, or all; ours.
        ACCEPT_FROM;
        /// Answer to Prometheus when Azure refuses a batch: one that lets it retry, or Azure's; ours.
        RESPONSE_MODE;
        /// Maximum size of all requests in flight together; ours.
        MAX_IN_FLIGHT_BYTES;
        /// Maximum number of open connections; ours.
        MAX_CONNECTIONS;
        /// Maximum size of a request's body; ours.
        MAX_REQUEST_BYTES;
        /// Maximum decompressed size that a request may announce; ours.
        MAX_DECOMPRESSED_BYTES;
        /// Maximum time for a request's headers, and for a client to send its first; ours.
        HEADER_TIMEOUT;
        /// Maximum time that a connection may be idle; ours.
        IDLE_TIMEOUT;
        /// Maximum time from a request's first byte to its answer; ours.
        UPSTREAM_TIMEOUT;
        /// Maximum time from SIGTERM to exit; ours.
        SHUTDOWN_TIMEOUT;
        /// The container is a native sidecar: it gets SIGTERM after Prometheus has exited.
        /// The webhook sets it; ours.
        NATIVE_SIDECAR;
        /// Forward proxy. Standard, also in lower case.
        HTTPS_PROXY;
        /// Hosts to reach without the proxy. Standard, also in lower case.
        NO_PROXY;
        /// Log level; ours.
        LOG_LEVEL;
        /// Log format; ours.
        LOG_FORMAT;
        /// `true` is `LOG_LEVEL=trace`. Microsoft's.
        TRACE_LOGGING;
        /// File with the trusted roots, instead of the system's; reloaded when it changes. OpenSSL's.
        SSL_CERT_FILE;
        /// Directory with the trusted roots, instead of the system's; reloaded when it changes. OpenSSL's.
        SSL_CERT_DIR;
    }
}
