//! Real tools: what [`toolbox`] finds or builds, and the sources of their modules.

mod module;

pub use module::source;
pub use toolbox::{
    ADDONS, CERT_MANAGER, COLLECTOR, CONTAINERD, HELM, ISTIO, KIND, KUBE_ROUTER, KUBECTL,
    KUBERNETES, KUBERNETES_1_29, KUBERNETES_1_32, KUBERNETES_1_34, KUBERNETES_1_36, LOCAL_PATH,
    MESH, NODE, PROMETHEUS, PROMETHEUS_2_42, PROMETHEUS_2_53, PROMETHEUS_3_5, PROMTOOL, Recipe,
    TELEGRAF, Tool, VMAGENT, Variable, built, cache_folder, find,
};
