//! A destination, as a profile describes it: URL and identity.

use contract::{
    Cloud, DestinationName, Identity, Key, MountPath, ResponseMode, Settings, names::WRITE_PATH,
};

use super::{CertificateSource, Merge};

/// A further destination of a sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Its name, which is its profile's.
    pub name: DestinationName,
    /// Its settings, and those of all destinations.
    pub settings: Settings,
    /// Where its certificate comes from, for an identity that has one.
    pub certificate: Option<CertificateSource>,
    /// Where the certificate is mounted.
    pub mount_path: MountPath,
}

/// One destination of a sidecar, named or not.
#[derive(Clone, Copy, Debug)]
pub struct DestinationView<'a> {
    /// Its name; the first one has none.
    pub name: Option<&'a DestinationName>,
    /// Its settings, and those of all destinations.
    pub settings: &'a Settings,
    /// Where its certificate comes from, for an identity that has one.
    pub certificate: Option<&'a CertificateSource>,
    /// Where the certificate is mounted.
    pub mount_path: &'a MountPath,
}

impl DestinationView<'_> {
    /// The path to which Prometheus writes what is for it.
    pub fn write_path(&self) -> String {
        self.name.map_or_else(|| WRITE_PATH.to_owned(), DestinationName::write_path)
    }

    /// The URL to which Prometheus writes what is for it.
    pub fn remote_write_url(&self) -> String {
        format!("http://localhost:{}{}", self.settings.listening_port, self.write_path())
    }

    /// The certificate's file below where it is mounted, for an identity that has one.
    pub fn certificate_file(&self) -> Option<String> {
        let Identity::AadApplication { certificate, .. } = &self.settings.identity else {
            return None;
        };
        let path = certificate.path.to_string_lossy();
        let directory = self.mount_path.as_str().trim_end_matches('/');
        Some(path.strip_prefix(directory)?.trim_start_matches('/').to_owned())
    }
}

impl Destination {
    pub(super) const fn view(&self) -> DestinationView<'_> {
        DestinationView {
            name: Some(&self.name),
            settings: &self.settings,
            certificate: self.certificate.as_ref(),
            mount_path: &self.mount_path,
        }
    }

    /// This destination in a sidecar with these settings.
    pub(super) fn within(self, sidecar: &Settings) -> Self {
        let Settings { ingestion_url, identity, cloud, audience, response_mode, .. } =
            self.settings;
        let settings =
            Settings { ingestion_url, identity, cloud, audience, response_mode, ..sidecar.clone() };
        Self { settings, ..self }
    }
}

impl Merge<'_> {
    /// The description of the destination, if nothing is missing.
    pub(super) fn destination(&mut self) -> (Option<Settings>, Option<CertificateSource>) {
        let ingestion_url = self.merged.ingestion_url.clone();
        let ingestion_url = self.required(
            ingestion_url,
            Key::IngestionUrl,
            "the metrics ingestion URL with the data collection rule in its path",
        );
        let certificate = self.certificate_source();
        let identity = self.identity();
        let audience = self.audience();
        let (Some(url), Some(identity), Some(audience)) = (ingestion_url, identity, audience)
        else {
            return (None, certificate);
        };
        let mut settings = self.profile.settings_for(url, identity, audience);
        settings.cloud = self.cloud();
        settings.response_mode = self.merged.response_mode.unwrap_or(ResponseMode::Protective);
        (Some(settings), certificate)
    }

    /// The further destination of this name.
    pub(super) fn further(&mut self, name: &DestinationName) -> Option<Destination> {
        let (settings, certificate) = self.destination();
        Some(Destination {
            name: name.clone(),
            settings: settings?,
            certificate,
            mount_path: self.mount_path()?,
        })
    }

    pub(super) fn cloud(&self) -> Cloud {
        self.merged.cloud.unwrap_or_default()
    }
}
