//! Names and meanings.

use super::Exposition;

impl Exposition {
    pub(super) fn register_requests(&mut self) {
        let (registry, of) = (&mut self.registry, &self.families);
        registry.register(
            "requests",
            "Remote-write requests, by Azure's response and the response to Prometheus",
            of.requests.clone(),
        );
        registry.register(
            "upstream_failures",
            "Requests that got no response from Azure, by reason",
            of.failures.clone(),
        );
        registry.register(
            "refused_requests",
            "Requests that the sidecar rejected before forwarding them, by reason",
            of.refused.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time from a request's first byte to its response",
            of.request_seconds.clone(),
        );
        registry.register(
            "upstream_duration_seconds",
            "Time from forwarding a request to Azure's response",
            of.upstream_seconds.clone(),
        );
        registry.register(
            "replayed_requests",
            "Requests that were repeated with a new token",
            of.replays.clone(),
        );
        registry.register(
            "last_success_timestamp_seconds",
            "Time at which Azure last accepted a request, in seconds since 1970; 0 before the first",
            of.last_success.clone(),
        );
    }

    pub(super) fn register_outgoing(&mut self) {
        let (registry, of) = (&mut self.registry, &self.families);
        registry.register(
            "upstream_requests",
            "Requests sent to the ingestion endpoint, including pieces of batches and replays",
            of.upstream_requests.clone(),
        );
        registry.register(
            "outgoing_connections",
            "Attempts to connect to Azure, by peer (ingestion, entra, imds) and result (ok, or what failed: lookup, connect, proxy)",
            of.connections.clone(),
        );
        registry.register(
            "tls_handshakes",
            "TLS handshakes with Azure, by peer and result (ok, failed)",
            of.handshakes.clone(),
        );
        registry.register("trusted_roots", "Trusted root certificates in use", self.roots.clone());
        registry.register(
            "trusted_roots_last_reload_successful",
            "1 if the last change of the trusted roots was loaded, 0 if it failed and the previous ones stay in use",
            self.roots_reloaded.clone(),
        );
    }

    pub(super) fn register_load(&mut self) {
        let (registry, of) = (&mut self.registry, &self.families);
        registry.register(
            "received_bytes",
            "Bytes of remote-write bodies received",
            of.received_bytes.clone(),
        );
        registry.register(
            "in_flight_requests",
            "Remote-write requests in flight",
            of.in_flight_requests.clone(),
        );
        registry.register(
            "in_flight_bytes",
            "Bytes of the requests in flight",
            of.in_flight_bytes.clone(),
        );
        registry.register("connections", "Open connections of clients", self.connections.clone());
        registry.register(
            "displaced_connections",
            "Idle connections that were closed because all slots were in use",
            self.displaced_connections.clone(),
        );
        registry.register("dropped_log_lines", logs::DROPPED_LINES, logs::dropped_lines());
    }

    pub(super) fn register_rescues(&mut self) {
        let (registry, of) = (&mut self.registry, &self.families);
        registry.register(
            "split_requests",
            "Batches that were too large for Azure and were split by series",
            of.splits.clone(),
        );
        registry.register(
            "searched_requests",
            "Batches that were searched for the series because of which Azure rejected them",
            of.searches.clone(),
        );
        registry.register(
            "rescued_samples",
            "Samples that were stored from batches that Azure rejected as a whole",
            of.rescued_samples.clone(),
        );
        registry.register(
            "refused_samples",
            "Samples of single series that Azure rejected, by reason",
            of.refused_samples.clone(),
        );
    }

    pub(super) fn register_identity(&mut self) {
        let (registry, of) = (&mut self.registry, &self.families);
        registry.register(
            "token_fetches",
            "Token requests, by reason and result; a token that several destinations share counts for each",
            of.token_fetches.clone(),
        );
        registry.register(
            "token_expiry_timestamp_seconds",
            "Expiry of the current token, in seconds since 1970; 0 without one",
            of.token_expiry.clone(),
        );
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "Expiry of the application's certificate in use, in seconds since 1970; 0 without one",
            of.certificate_expiry.clone(),
        );
        registry.register(
            "next_certificate_expiry_timestamp_seconds",
            "Expiry of a newer certificate that Entra has not accepted yet, in seconds since 1970; 0 without one",
            of.next_certificate_expiry.clone(),
        );
    }
}
