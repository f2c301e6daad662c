use std::{
    fs::{self, File},
    io::Read,
};

use serde_json::Value;
use sha2::{Digest, Sha256};
use tar::Archive;
use tempfile::TempDir;

use super::*;

/// The files of an archive.
fn files(reader: impl Read) -> BTreeMap<String, (tar::Header, Vec<u8>)> {
    let mut files = BTreeMap::new();
    for entry in Archive::new(reader).entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(path, (entry.header().clone(), bytes));
    }
    files
}

fn image(folder: &Path) -> Image {
    let script = folder.join("script");
    fs::write(&script, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o700)).unwrap();
    Image::new("local/one:1", 65532, "/bin/script")
        .folder("/data", 65532)
        .link("/bin/other", "script")
        .file("/bin/script", &script)
        .unwrap()
}

#[test]
fn an_archive_is_what_engines_read() {
    let folder = TempDir::new().unwrap();
    let file = image(folder.path()).save_in(folder.path()).unwrap();
    assert_eq!(file.file_name().unwrap(), "local_one_1.tar");
    let archive = files(File::open(file).unwrap());

    let manifest: Value = serde_json::from_slice(&archive["manifest.json"].1).unwrap();
    assert_eq!(manifest[0]["RepoTags"][0], "local/one:1");
    let configuration = &archive[manifest[0]["Config"].as_str().unwrap()].1;
    let configuration: Value = serde_json::from_slice(configuration).unwrap();
    assert_eq!(configuration["config"]["User"], "65532");
    assert_eq!(configuration["config"]["Entrypoint"][0], "/bin/script");
    let layer = &archive[manifest[0]["Layers"][0].as_str().unwrap()].1;
    let named = manifest[0]["Layers"][0].as_str().unwrap().strip_suffix(".tar").unwrap();
    assert_eq!(named, archive::hex(&Sha256::digest(layer)));
    assert_eq!(configuration["rootfs"]["diff_ids"][0], format!("sha256:{named}"));

    let layer = files(layer.as_slice());
    let modes: Vec<_> = layer
        .iter()
        .map(|(path, (header, _))| (path.as_str(), header.mode().unwrap(), header.uid().unwrap()))
        .collect();
    assert_eq!(
        modes,
        [
            ("bin", 0o755, 0),
            ("bin/other", 0o777, 0),
            ("bin/script", 0o755, 0),
            ("data", 0o755, 65532),
            ("etc", 0o755, 0),
            ("etc/group", 0o644, 0),
            ("etc/passwd", 0o644, 0),
            ("tmp", 0o1777, 0),
        ]
    );
    assert_eq!(layer["bin/other"].0.link_name().unwrap().unwrap(), Path::new("script"));
    assert_eq!(layer["bin/script"].1, b"#!/bin/sh\n");
}

#[test]
fn the_same_files_give_the_same_bytes() {
    let folders = [TempDir::new().unwrap(), TempDir::new().unwrap()];
    let [one, other] = folders.each_ref().map(|folder| {
        let file = image(folder.path()).save_in(folder.path()).unwrap();
        fs::read(file).unwrap()
    });
    assert!(one == other);
}

#[test]
fn a_program_brings_what_it_links() {
    let own = std::env::current_exe().unwrap();
    let image = Image::new("local/own:1", 65532, "/own").program("/own", &own).unwrap();
    let names: Vec<&str> = image.tree.keys().filter_map(|path| path.rsplit('/').next()).collect();
    assert!(names.contains(&"libc.so.6"), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("ld-linux")), "{names:?}");
    assert!(names.contains(&"nsswitch.conf"), "{names:?}");
}

#[test]
fn ldd_is_read() {
    let text = "\tlinux-vdso.so.1 (0x00007fc)\n\tlibm.so.6 => /lib/libm.so.6 (0x0000)\n\t/lib64/ld-linux-x86-64.so.2 (0x0)\n";
    let expected = ["/lib/libm.so.6", "/lib64/ld-linux-x86-64.so.2"].map(PathBuf::from);
    assert_eq!(linked::listed(text).unwrap(), expected.into());
    let failure = linked::listed("\tlibodd.so.1 => not found\n").unwrap_err();
    assert_eq!(failure.to_string(), "there is no libodd.so.1");
}

#[test]
fn readelf_is_read() {
    let text = "\
      [Requesting program interpreter: /lib/ld-linux-aarch64.so.1]
 0x0000000000000001 (NEEDED)             Shared library: [libgcc_s.so.1]
 0x0000000000000001 (NEEDED)             Shared library: [ld-linux-aarch64.so.1]
 0x000000000000000c (INIT)               0x1f0000
";
    let expected = ["ld-linux-aarch64.so.1", "libgcc_s.so.1"].map(str::to_owned);
    assert_eq!(linked::needed(text), expected.into());
}
