//! The archive around a layer, as `docker save` writes it.
//!
//! <https://github.com/moby/docker-image-spec/blob/v1.3.1/spec.md>

use std::{
    fs::File,
    io::{self, BufWriter, Seek, Write},
    path::Path,
};

use serde_json::json;
use sha2::{Digest, Sha256};
use tar::Builder;

use super::{Image, layer};

/// Writes an image to a file.
pub(super) fn write(image: &Image, to: &Path) -> io::Result<()> {
    // A size stands before a file's bytes, so the layer is finished first.
    let mut hashed = Hashed { inner: BufWriter::new(tempfile::tempfile()?), hash: Sha256::new() };
    layer::write(&image.tree, &mut hashed)?;
    let Hashed { inner, hash } = hashed;
    let (mut file, digest) = (inner.into_inner()?, hex(&hash.finalize()));
    file.rewind()?;

    let configuration = configuration(image, &digest).to_string();
    let configuration_name = format!("{}.json", hex(&Sha256::digest(&configuration)));
    let layer_name = format!("{digest}.tar");
    let manifest = json!([{
        "Config": configuration_name,
        "RepoTags": [image.name],
        "Layers": [layer_name],
    }]);

    let mut archive = Builder::new(BufWriter::new(File::create(to)?));
    let mut add = |name: &str, size: u64, content: &mut dyn io::Read| {
        let mut header = layer::header(0o644, 0);
        header.set_size(size);
        archive.append_data(&mut header, name, content)
    };
    add(&configuration_name, configuration.len() as u64, &mut configuration.as_bytes())?;
    let manifest = manifest.to_string();
    add("manifest.json", manifest.len() as u64, &mut manifest.as_bytes())?;
    add(&layer_name, file.metadata()?.len(), &mut file)?;
    archive.into_inner()?.flush()
}

fn configuration(image: &Image, layer: &str) -> serde_json::Value {
    json!({
        "architecture": image.architecture.name(),
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": image.user.to_string(),
            "Env": ["PATH=/bin:/usr/bin"],
            "Entrypoint": [image.entrypoint],
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
        "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "files of a machine"}],
    })
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

/// Hashes what it passes on.
struct Hashed<W> {
    inner: W,
    hash: Sha256,
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(bytes.get(..written).unwrap_or_default());
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
