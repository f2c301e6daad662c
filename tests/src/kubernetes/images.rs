//! Container images made of files of this machine: no engine, no image to
//! start from, no registry.
//!
//! An image here is one layer and a few lines about it, in the archive that
//! `docker load`, `kind load image-archive` and `ctr images import` take. The
//! same files give the same bytes: entries are sorted, owned by numbers, and
//! all from 1970.
//!
//! A program that links libraries brings them along ([`linked`]), which makes the layout
//! that distroless' `cc` image has. A static build against musl would save that. It was
//! not taken: it needs a second C toolchain, and has another allocator, whose cost no one
//! has measured.

mod archive;
mod layer;
mod linked;
mod network;
mod recipes;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use self::layer::{Content, Entry};
pub use network::{client, kube_router, mesh};
pub use recipes::{
    AZURE, CSI_DRIVER, CSI_PROVIDER, CSI_REGISTRAR, DNS, OPERATOR, PROMETHEUS, RELOADER, azure,
    csi_driver, foreign, product, prometheus,
};

use crate::{
    failure::{Context, Failure, Outcome},
    product::architecture::Architecture,
};

/// Where distributions keep the certificate roots, in one file.
const ROOTS: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
];

/// An image before it is written.
#[derive(Clone, Debug)]
pub struct Image {
    name: String,
    architecture: Architecture,
    user: u32,
    entrypoint: String,
    tree: BTreeMap<String, Entry>,
}

impl Image {
    /// An image that runs the program at the path `entrypoint` as `user`, with
    /// what every program expects: `/tmp`, and names for root and for `user`.
    pub fn new(name: impl Into<String>, user: u32, entrypoint: &str) -> Self {
        let (passwd, group) = accounts(user);
        let mut image = Self {
            name: name.into(),
            architecture: Architecture::HERE,
            user,
            entrypoint: entrypoint.to_owned(),
            tree: BTreeMap::new(),
        };
        image.put("/tmp", Entry { mode: 0o1777, owner: 0, content: Content::Folder });
        image.text("/etc/passwd", &passwd).text("/etc/group", &group)
    }

    /// The same for another architecture: before its programs are added.
    #[must_use]
    pub fn of(self, architecture: Architecture) -> Self {
        Self { architecture, ..self }
    }

    /// Its name with its tag.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Adds a program and all that it loads when it starts.
    pub fn program(self, path: &str, source: &Path) -> Outcome<Self> {
        let libraries = linked::libraries(source, self.architecture)?;
        let mut image = self.file(path, source)?;
        if !libraries.is_empty() {
            // What glibc resolves names by where no one tells it.
            image = image.text("/etc/nsswitch.conf", "hosts: files dns\n");
        }
        for (path, library) in libraries {
            let path = path.to_str().context(format!("name {}", path.display()))?;
            image = image.file(path, &library)?;
        }
        Ok(image)
    }

    /// Adds a file, which anyone who can run it here can run there.
    pub fn file(mut self, path: &str, source: &Path) -> Outcome<Self> {
        let found = fs::metadata(source).context(format!("look at {}", source.display()))?;
        let runs = found.permissions().mode() & 0o111 != 0;
        let mode = if runs { 0o755 } else { 0o644 };
        self.put(path, Entry { mode, owner: 0, content: Content::File(source.to_owned()) });
        Ok(self)
    }

    /// Adds a file with this text.
    #[must_use]
    pub fn text(mut self, path: &str, text: &str) -> Self {
        let content = Content::Bytes(text.as_bytes().to_vec());
        self.put(path, Entry { mode: 0o644, owner: 0, content });
        self
    }

    /// Adds a symbolic link.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.put(path, Entry { mode: 0o777, owner: 0, content: Content::Link(target.to_owned()) });
        self
    }

    /// Adds a folder that belongs to `owner`.
    #[must_use]
    pub fn folder(mut self, path: &str, owner: u32) -> Self {
        self.put(path, Entry { mode: 0o755, owner, content: Content::Folder });
        self
    }

    /// Adds the certificate roots of this machine.
    pub fn certificate_roots(self) -> Outcome<Self> {
        let found = ROOTS.iter().map(Path::new).find(|file| file.exists());
        let found = found.ok_or_else(|| {
            Failure::new(format!("there are no certificate roots at {}", ROOTS.join(" or ")))
        })?;
        self.file(ROOTS[0], found)
    }

    /// Writes the archive.
    pub fn save(&self, to: &Path) -> Outcome<()> {
        archive::write(self, to).context(format!("write the image {}", self.name))
    }

    /// Writes the archive into a folder, under a name that describes it.
    pub fn save_in(&self, folder: &Path) -> Outcome<PathBuf> {
        let file = folder.join(format!("{}.tar", self.name.replace(['/', ':'], "_")));
        self.save(&file)?;
        Ok(file)
    }

    /// Adds an entry, and the folders above it that no one named.
    fn put(&mut self, path: &str, entry: Entry) {
        let path = path.trim_start_matches('/');
        for (at, _) in path.match_indices('/') {
            let above = path.get(..at).unwrap_or_default().to_owned();
            self.tree.entry(above).or_insert(Entry {
                mode: 0o755,
                owner: 0,
                content: Content::Folder,
            });
        }
        self.tree.insert(path.to_owned(), entry);
    }
}

/// `/etc/passwd` and `/etc/group`.
fn accounts(user: u32) -> (String, String) {
    let root = ("root:x:0:0:root:/:/sbin/nologin\n", "root:x:0:\n");
    if user == 0 {
        return (root.0.to_owned(), root.1.to_owned());
    }
    (
        format!("{}nonroot:x:{user}:{user}:nonroot:/tmp:/sbin/nologin\n", root.0),
        format!("{}nonroot:x:{user}:\n", root.1),
    )
}
