//! Names that cross a process boundary.

/// The sidecar container, as Microsoft's documentation names it.
pub const CONTAINER: &str = "prom-remotewrite";
/// The sidecar's container port, as Microsoft's documentation names it.
pub const PORT: &str = "rw-port";
/// The port on which the sidecar listens unless it is told otherwise.
pub const DEFAULT_LISTENING_PORT: u16 = 8081;

/// Where Prometheus posts its remote-write requests.
pub const WRITE_PATH: &str = "/api/v1/write";
/// Answers 200 while the process lives.
pub const HEALTH_PATH: &str = "/health";
/// Answers 200 while a usable token is held.
pub const READY_PATH: &str = "/ready";
/// The sidecar's own metrics, in the text format.
pub const METRICS_PATH: &str = "/metrics";

/// The sidecar's program in its image, for exec probes.
pub const PROGRAM: &str = "/prom-remotewrite";
/// Its subcommand that exits with 0 while the sidecar in this container lives.
pub const HEALTH_COMMAND: &str = "health";
/// Its subcommand that says whether everything works that a write needs.
pub const CHECK_COMMAND: &str = "check";

/// The volume with the application's certificate.
pub const CERTIFICATE_VOLUME: &str = "prom-remotewrite-cert";
/// The volume with the projected service account token.
pub const TOKEN_VOLUME: &str = "prom-remotewrite-token";
/// The volume with the profile's trusted roots.
pub const TRUST_VOLUME: &str = "prom-remotewrite-trust";
/// The empty volume that hides the Kubernetes API token from the sidecar.
pub const NO_API_TOKEN_VOLUME: &str = "prom-remotewrite-no-api-token";

/// Where the certificate is mounted unless a pod or profile says otherwise.
pub const DEFAULT_MOUNT_PATH: &str = "/mnt/secrets-store";
/// Where the webhook mounts the projected service account token.
pub const TOKEN_MOUNT_PATH: &str = "/var/run/secrets/prom-remotewrite/token";
/// The projected token's file below [`TOKEN_MOUNT_PATH`].
pub const TOKEN_FILE: &str = "azure-identity-token";
/// Where the webhook mounts a profile's trusted roots.
pub const TRUST_MOUNT_PATH: &str = "/etc/prom-remotewrite/trust";
/// Where the kubelet mounts the Kubernetes API token; hidden from the sidecar.
pub const API_TOKEN_MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The audience that Entra demands of a federated token.
///
/// <https://azure.github.io/azure-workload-identity/docs/>
pub const FEDERATED_TOKEN_AUDIENCE: &str = "api://AzureADTokenExchange";

/// Exit status for a configuration that cannot work (`EX_CONFIG` of sysexits).
pub const EXIT_CONFIGURATION: u8 = 78;

/// The sidecar's environment variables.
///
/// Those that Microsoft's image reads keep its names and values; those that
/// belong to an Azure SDK, OpenSSL or everybody keep theirs.
pub mod env {
    /// The metrics ingestion endpoint, whole, with its query. Microsoft's.
    pub const INGESTION_URL: &str = "INGESTION_URL";
    /// The port of the one listener. Microsoft's.
    pub const LISTENING_PORT: &str = "LISTENING_PORT";
    /// How the sidecar proves who it is. Microsoft's.
    pub const IDENTITY_TYPE: &str = "IDENTITY_TYPE";
    /// The identity's or application's id. Azure SDKs'.
    pub const AZURE_CLIENT_ID: &str = "AZURE_CLIENT_ID";
    /// The Entra tenant. Azure SDKs'.
    pub const AZURE_TENANT_ID: &str = "AZURE_TENANT_ID";
    /// The certificate's file. Microsoft's, since 2023; Azure SDKs'.
    pub const AZURE_CLIENT_CERTIFICATE_PATH: &str = "AZURE_CLIENT_CERTIFICATE_PATH";
    /// The certificate's file. Microsoft's, until 2023.
    pub const MDM_CERT_PATH: &str = "MDM_CERT_PATH";
    /// A file with the PFX's password; ours.
    pub const AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE: &str =
        "AZURE_CLIENT_CERTIFICATE_PASSWORD_FILE";
    /// Send the chain, for subject name and issuer authentication. Azure SDKs'.
    pub const AZURE_CLIENT_SEND_CERTIFICATE_CHAIN: &str = "AZURE_CLIENT_SEND_CERTIFICATE_CHAIN";
    /// The projected service account token. Azure SDKs'.
    pub const AZURE_FEDERATED_TOKEN_FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";
    /// Which of Azure's clouds. Microsoft's.
    pub const CLOUD: &str = "CLOUD";
    /// Replaces the cloud's audience. Microsoft's.
    pub const INGESTION_AAD_AUDIENCE: &str = "INGESTION_AAD_AUDIENCE";
    /// Replaces the cloud's authority. Azure SDKs'.
    pub const AZURE_AUTHORITY_HOST: &str = "AZURE_AUTHORITY_HOST";
    /// Replaces the cloud's authority. Microsoft's.
    pub const AAD_HOST_ENDPOINT: &str = "AAD_HOST_ENDPOINT";
    /// Replaces the instance metadata service's address. Azure SDKs'.
    pub const AZURE_POD_IDENTITY_AUTHORITY_HOST: &str = "AZURE_POD_IDENTITY_AUTHORITY_HOST";
    /// Gives a managed identity's tokens in App Service and Container Apps, which set it.
    pub const IDENTITY_ENDPOINT: &str = "IDENTITY_ENDPOINT";
    /// The secret that `IDENTITY_ENDPOINT` wants to see. The same platforms set it.
    pub const IDENTITY_HEADER: &str = "IDENTITY_HEADER";
    /// The cluster's name, for logs and build info. Microsoft's.
    pub const CLUSTER: &str = "CLUSTER";
    /// Who may write; ours.
    pub const ACCEPT_FROM: &str = "ACCEPT_FROM";
    /// What is answered when Azure refuses; ours.
    pub const RESPONSE_MODE: &str = "RESPONSE_MODE";
    /// Bound on the bytes of all requests under way; ours.
    pub const MAX_IN_FLIGHT_BYTES: &str = "MAX_IN_FLIGHT_BYTES";
    /// Bound on open connections; ours.
    pub const MAX_CONNECTIONS: &str = "MAX_CONNECTIONS";
    /// Bound on one request's body; ours.
    pub const MAX_REQUEST_BYTES: &str = "MAX_REQUEST_BYTES";
    /// Bound on what one request claims to decompress to; ours.
    pub const MAX_DECOMPRESSED_BYTES: &str = "MAX_DECOMPRESSED_BYTES";
    /// How long a client may take for a request's head, and to begin its first; ours.
    pub const HEADER_TIMEOUT: &str = "HEADER_TIMEOUT";
    /// How long a connection may be idle; ours.
    pub const IDLE_TIMEOUT: &str = "IDLE_TIMEOUT";
    /// From a request's first byte to its answer; ours.
    pub const UPSTREAM_TIMEOUT: &str = "UPSTREAM_TIMEOUT";
    /// From SIGTERM to the end, at the latest; ours.
    pub const SHUTDOWN_TIMEOUT: &str = "SHUTDOWN_TIMEOUT";
    /// The container is a native sidecar, which is told to stop after Prometheus
    /// has exited. The webhook sets it; ours.
    pub const NATIVE_SIDECAR: &str = "NATIVE_SIDECAR";
    /// The forward proxy. Everybody's, also in lower case.
    pub const HTTPS_PROXY: &str = "HTTPS_PROXY";
    /// Hosts that are reached without the proxy. Everybody's, also in lower case.
    pub const NO_PROXY: &str = "NO_PROXY";
    /// How much is logged; ours.
    pub const LOG_LEVEL: &str = "LOG_LEVEL";
    /// How it is logged; ours.
    pub const LOG_FORMAT: &str = "LOG_FORMAT";
    /// `true` is `LOG_LEVEL=trace`. Microsoft's.
    pub const TRACE_LOGGING: &str = "TRACE_LOGGING";
    /// Replaces the system's roots; read again when it changes. OpenSSL's.
    pub const SSL_CERT_FILE: &str = "SSL_CERT_FILE";
    /// Replaces the system's roots; read again when it changes. OpenSSL's.
    pub const SSL_CERT_DIR: &str = "SSL_CERT_DIR";
}
