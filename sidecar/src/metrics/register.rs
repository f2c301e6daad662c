//! Names and meanings.

use super::Exposition;

impl Exposition {
    pub(super) fn register_requests(&mut self) {
        let (registry, of) = (&mut self.registry, &self.families);
        registry.register(
            "requests",
            "Remote-write requests, by Azure's response and the answer to Prometheus",
            of.requests.clone(),
        );
        registry.register(
            "upstream_failures",
            "Requests that got no answer from Azure, by reason",
            of.failures.clone(),
        );
        registry.register(
            "refused_requests",
            "Requests that were refused before they were sent on, by reason",
            of.refused.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "From a request's first byte to its answer",
            of.request_seconds.clone(),
        );
        registry.register(
            "upstream_duration_seconds",
            "From sending a request on to Azure's answer",
            of.upstream_seconds.clone(),
        );
        registry.register(
            "replayed_requests",
            "Requests that were sent again with a new token",
            of.replays.clone(),
        );
        registry.register(
            "last_success_timestamp_seconds",
            "When Azure last accepted a request",
            of.last_success.clone(),
        );
    }

    pub(super) fn register_outgoing(&mut self) {
        let (registry, of) = (&mut self.registry, &self.families);
        registry.register(
            "upstream_requests",
            "Requests sent to the ingestion endpoint, pieces of batches and replays included",
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
        registry.register(
            "trusted_roots",
            "Root certificates that connections are verified with",
            self.roots.clone(),
        );
        registry.register(
            "trusted_roots_last_reload_successful",
            "1, or 0 if the trusted roots have changed and cannot be used, so that the old ones stay in use",
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
            "Remote-write requests under way",
            of.in_flight_requests.clone(),
        );
        registry.register(
            "in_flight_bytes",
            "Bytes held for requests under way",
            of.in_flight_bytes.clone(),
        );
        registry.register("connections", "Connections that are open", self.connections.clone());
        registry.register(
            "displaced_connections",
            "Idle connections that were closed because all slots were taken",
            self.displaced_connections.clone(),
        );
        registry.register("dropped_log_lines", logs::DROPPED_LINES, logs::dropped_lines());
    }

    pub(super) fn register_rescues(&mut self) {
        let (registry, of) = (&mut self.registry, &self.families);
        registry.register(
            "split_requests",
            "Requests that were larger than Azure takes and were split by series",
            of.splits.clone(),
        );
        registry.register(
            "searched_requests",
            "Requests that were searched for the series for which Azure refused them",
            of.searches.clone(),
        );
        registry.register(
            "rescued_samples",
            "Samples that were stored of batches which Azure refused as a whole",
            of.rescued_samples.clone(),
        );
        registry.register(
            "refused_samples",
            "Samples of single series that Azure refuses, by reason",
            of.refused_samples.clone(),
        );
    }

    pub(super) fn register_identity(&mut self) {
        let (registry, of) = (&mut self.registry, &self.families);
        registry.register(
            "token_fetches",
            "Tokens asked for, by why and with which result; one that several destinations share counts for each",
            of.token_fetches.clone(),
        );
        registry.register(
            "token_expiry_timestamp_seconds",
            "When the held token ends; 0 without one",
            of.token_expiry.clone(),
        );
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the application's certificate that is in use ends; 0 without one",
            of.certificate_expiry.clone(),
        );
        registry.register(
            "next_certificate_expiry_timestamp_seconds",
            "When a newer certificate ends that Entra has not accepted yet; 0 without one",
            of.next_certificate_expiry.clone(),
        );
    }
}
