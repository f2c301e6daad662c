//! The stand-in's services.

/// One of the stand-in's services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// The instance metadata service.
    Imds,
    /// The token endpoint.
    Entra,
    /// The ingestion endpoint.
    Ingestion,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Imds, Self::Entra, Self::Ingestion];
}

/// One of something for each service.
#[derive(Debug, Default)]
pub(crate) struct ServiceTable<T> {
    imds: T,
    entra: T,
    ingestion: T,
}

impl<T> ServiceTable<T> {
    pub(crate) const fn of(&self, service: Service) -> &T {
        match service {
            Service::Imds => &self.imds,
            Service::Entra => &self.entra,
            Service::Ingestion => &self.ingestion,
        }
    }
}
