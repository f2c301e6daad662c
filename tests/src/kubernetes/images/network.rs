//! Images for what changes the network of nodes and pods, and for a pod that only connects.
//!
//! The packet filters are this machine's, as Debian and Ubuntu package them: Go modules
//! have none.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{Image, recipes::NOBODY};
use crate::{
    failure::{Context, Failure, Outcome},
    machine::environment,
};

/// What enforces network policies.
const KUBE_ROUTER: &str = "local/kube-router:v2.1.0";
/// What a service mesh adds to a pod.
const MESH: &str = "local/mesh:1";
/// A pod that connects.
const CLIENT: &str = "local/client:1";

/// The one program that is all commands of iptables, by the name that it is called.
const IPTABLES: &str = "xtables-nft-multi";

/// kube-router, with what it runs.
pub fn kube_router(tools: &Path) -> Outcome<Image> {
    let image = Image::new(KUBE_ROUTER, 0, "/bin/kube-router");
    packet_filters(image)?
        .program("/bin/ipset", &installed("ipset")?)?
        .program("/bin/kube-router", &tools.join("kube-router"))
}

/// Istio's init container and proxy, or what stands in for it.
pub fn mesh(tools: &Path) -> Outcome<Image> {
    packet_filters(Image::new(MESH, 0, "/bin/mesh-proxy"))?
        .program("/bin/istio-iptables", &tools.join("istio-iptables"))?
        .program("/bin/mesh-proxy", &tools.join("mesh-proxy"))
}

/// curl, and something to do for a container that waits to be told to run it.
pub fn client() -> Outcome<Image> {
    Image::new(CLIENT, NOBODY, "/bin/sleep")
        .program("/bin/sleep", &installed("sleep")?)?
        .program("/bin/curl", &installed("curl")?)
}

/// iptables with its plug-ins, which it loads from the folder that it was compiled with.
fn packet_filters(image: Image) -> Outcome<Image> {
    let folder = plugins()?;
    let mut image = image.program(&format!("/bin/{IPTABLES}"), &installed(IPTABLES)?)?;
    for command in ["iptables", "ip6tables"] {
        for kind in ["", "-nft"] {
            for action in ["", "-save", "-restore"] {
                image = image.link(&format!("/bin/{command}{kind}{action}"), IPTABLES);
            }
        }
    }
    for entry in fs::read_dir(&folder).context(format!("read {}", folder.display()))?.flatten() {
        let file = entry.path();
        if file.extension().is_some_and(|extension| extension == "so") {
            let path = file.to_str().context(format!("name {}", file.display()))?;
            image = image.program(path, &file)?;
        }
    }
    Ok(image)
}

fn plugins() -> Outcome<PathBuf> {
    let libraries = fs::read_dir("/usr/lib").context("read /usr/lib")?.flatten();
    let mut folders = libraries.map(|entry| entry.path().join("xtables"));
    let found = folders.find(|folder| folder.join("libxt_set.so").exists());
    found.ok_or_else(|| Failure::new("no folder of /usr/lib has xtables/libxt_set.so"))
}

/// A program of this machine; those for root are not on everyone's search path.
fn installed(program: &str) -> Outcome<PathBuf> {
    let administrators = ["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).join(program));
    let found = environment::on_path(program)
        .or_else(|| administrators.into_iter().find(|file| file.exists()));
    found.ok_or_else(|| Failure::new(format!("{program} is not installed")))
}
