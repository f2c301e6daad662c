//! The files of an image, as a tar archive that depends on nothing else.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    path::PathBuf,
};

use tar::{Builder, EntryType, Header};

/// Something in the tree of an image.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Permissions.
    pub(super) mode: u32,
    /// User and group.
    pub(super) owner: u32,
    /// What it is.
    pub(super) content: Content,
}

/// What an entry is.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Folder,
    Bytes(Vec<u8>),
    /// A file of this machine, read when the image is written.
    File(PathBuf),
    Link(String),
}

/// Writes the tree; a folder comes before what is in it, because it sorts first.
pub(super) fn write(tree: &BTreeMap<String, Entry>, to: impl Write) -> io::Result<()> {
    let mut archive = Builder::new(to);
    for (path, entry) in tree {
        add(&mut archive, path, entry)?;
    }
    archive.finish()
}

fn add(archive: &mut Builder<impl Write>, path: &str, entry: &Entry) -> io::Result<()> {
    let mut header = header(entry.mode, entry.owner);
    match &entry.content {
        Content::Folder => {
            header.set_entry_type(EntryType::Directory);
            archive.append_data(&mut header, path, io::empty())
        }
        Content::Link(target) => {
            header.set_entry_type(EntryType::Symlink);
            archive.append_link(&mut header, path, target)
        }
        Content::Bytes(bytes) => {
            header.set_size(bytes.len() as u64);
            archive.append_data(&mut header, path, bytes.as_slice())
        }
        Content::File(source) => {
            let file = File::open(source)?;
            header.set_size(file.metadata()?.len());
            archive.append_data(&mut header, path, file)
        }
    }
}

/// A header from 1970, with nothing in it.
pub(super) fn header(mode: u32, owner: u32) -> Header {
    let mut header = Header::new_gnu();
    header.set_mode(mode);
    header.set_uid(owner.into());
    header.set_gid(owner.into());
    header.set_mtime(0);
    header.set_size(0);
    header
}
