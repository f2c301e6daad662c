//! Examples at the end of each command's `--help`. The tests run them.

pub(crate) const INJECT: &str = "\
Examples:
  kubectl prom-remotewrite inject --config my-profiles.yaml -f manifests.yaml | kubectl apply -f -";

pub(crate) const EXPLAIN: &str = "\
Examples:
  kubectl prom-remotewrite explain --config my-profiles.yaml -f manifests.yaml
  kubectl prom-remotewrite explain --config my-profiles.yaml -f manifests.yaml --cluster";

pub(crate) const MIGRATE: &str = "\
Examples:
  kubectl prom-remotewrite migrate -f values.yaml > migrated.yaml
  kubectl prom-remotewrite migrate -f values.yaml --diff --release-values release.yaml --profile-to profile.yaml";

pub(crate) const VALIDATE: &str = "\
Examples:
  kubectl prom-remotewrite validate --config my-profiles.yaml";

pub(crate) const POLICY: &str = "\
Examples:
  kubectl prom-remotewrite policy --config my-profiles.yaml | kubectl apply -f -
  kubectl prom-remotewrite policy --config my-profiles.yaml --profile default --namespace monitoring";

pub(crate) const STATUS: &str = "\
Examples:
  kubectl prom-remotewrite status
  kubectl prom-remotewrite status --namespace monitoring --output wide
  kubectl prom-remotewrite status --context west --context east --output json
  kubectl prom-remotewrite status --rbac | kubectl apply -f -
  kubectl create clusterrolebinding prom-remotewrite-status --clusterrole=prom-remotewrite-status --user=USER";

pub(crate) const CHECK: &str = "\
Examples:
  kubectl prom-remotewrite check
  kubectl prom-remotewrite check --namespace monitoring prometheus-k8s-0";

pub(crate) const SCHEMA: &str = "\
Examples:
  kubectl prom-remotewrite schema > config.schema.json";
