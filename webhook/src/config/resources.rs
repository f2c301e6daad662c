//! What the sidecar may use.

use contract::{Mistake, Quantity, Rejected};

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
    /// Requests above their limits, with which every pod would be refused.
    fn mistakes(&self) -> Vec<Mistake> {
        let above = |name, request: &Option<Quantity>, limit: &Option<Quantity>| {
            let (request, limit) = (request.as_ref()?, limit.as_ref()?);
            let expected = Rejected::expected(format!("at most the limit, which is {limit}"));
            (request.thousandths() > limit.thousandths())
                .then(|| expected.at(format!("resources.requests.{name}"), request.as_str()))
        };
        [
            above("cpu", &self.cpu_request, &self.cpu_limit),
            above("memory", &self.memory_request, &self.memory_limit),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
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
    let Some(mut given) = reader.subsection(top, "resources") else { return Resources::default() };
    let mut amounts = |name| match reader.subsection(&mut given, name) {
        None => (None, None),
        Some(mut section) => {
            let both = (reader.parsed(&mut section, "cpu"), reader.parsed(&mut section, "memory"));
            reader.finish(section);
            both
        }
    };
    let (cpu_request, memory_request) = amounts("requests");
    let (cpu_limit, memory_limit) = amounts("limits");
    reader.finish(given);
    let resources = Resources { cpu_request, cpu_limit, memory_request, memory_limit };
    reader.mistakes.extend(resources.mistakes());
    resources
}
