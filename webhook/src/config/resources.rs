//! What the sidecar may use.

use contract::{InvalidValue, Quantity, SettingError};

use super::reader::{Reader, Section};

/// CPU and memory of the sidecar; `None` sets none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resources {
    /// CPU that is set aside.
    pub cpu_request: Option<Quantity>,
    /// CPU at most.
    pub cpu_limit: Option<Quantity>,
    /// Memory that is set aside.
    pub memory_request: Option<Quantity>,
    /// Memory at most.
    pub memory_limit: Option<Quantity>,
}

impl Resources {
    fn errors(&self) -> Vec<SettingError> {
        let (cpu, memory) = ("resources.requests.cpu", "resources.requests.memory");
        let cpu = above_limit(cpu, self.cpu_request.as_ref(), self.cpu_limit.as_ref());
        let memory = above_limit(memory, self.memory_request.as_ref(), self.memory_limit.as_ref());
        cpu.into_iter().chain(memory).collect()
    }
}

/// A request above its limit, with which every pod would be refused.
pub(super) fn above_limit(
    path: &str,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<SettingError> {
    let (request, limit) = (request?, limit?);
    let expected = InvalidValue::expected(format!("at most the limit, which is {limit}"));
    (request.thousandths() > limit.thousandths()).then(|| expected.at(path, request.as_str()))
}

impl Default for Resources {
    /// A proxy for one Prometheus: measured below 12 MiB, with a limit that
    /// leaves room for 32 MiB of requests and their copies. The limit is four
    /// times the request, the most that `LimitRange` objects commonly allow. No
    /// CPU limit: throttling would delay samples and save nothing.
    fn default() -> Self {
        Self {
            cpu_request: "10m".parse().ok(),
            cpu_limit: None,
            memory_request: "32Mi".parse().ok(),
            memory_limit: "128Mi".parse().ok(),
        }
    }
}

/// Resources that are given replace the defaults as a whole.
pub(super) fn read(reader: &mut Reader, top: &mut Section) -> Resources {
    let Some(mut resources) = reader.subsection(top, "resources") else {
        return Resources::default();
    };
    let mut amounts = |name| match reader.subsection(&mut resources, name) {
        None => (None, None),
        Some(mut section) => {
            let both = (reader.parsed(&mut section, "cpu"), reader.parsed(&mut section, "memory"));
            reader.reject_rest(section);
            both
        }
    };
    let (cpu_request, memory_request) = amounts("requests");
    let (cpu_limit, memory_limit) = amounts("limits");
    reader.reject_rest(resources);
    let resources = Resources { cpu_request, cpu_limit, memory_request, memory_limit };
    reader.errors.extend(resources.errors());
    resources
}
