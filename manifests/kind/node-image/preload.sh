# Puts the images into the node's containerd: one is started for a moment
# whose root is the node's.
# shellcheck shell=bash disable=SC2154

preload() {
  local tries archive run=$work/containerd
  mkdir "$run"
  cat >"$run/config.toml" <<TOML
version = 3
root = "$root/var/lib/containerd"
state = "$run/state"
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime",
  "io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt"]
[grpc]
  address = "$run/socket"
[ttrpc]
  address = "$run/socket.ttrpc"
TOML
  "$CONTAINERD/containerd" --config "$run/config.toml" >"$run/log" 2>&1 &
  containerd_pid=$!
  for ((tries = 0; tries < 100; tries++)); do
    images_ctr version >/dev/null 2>&1 && break
    sleep 0.1
  done
  for archive in "$work"/images/*.tar; do
    # Pinned: a kubelet that runs out of disk does not throw it away.
    images_ctr images import --no-unpack --digests --all-platforms \
      --label=io.cri-containerd.pinned=pinned "$archive" >>"$run/log" 2>&1 ||
      { tail -n 20 "$run/log" >&2; return 1; }
  done
  kill "$containerd_pid"
  wait "$containerd_pid" || true
  containerd_pid=
  find "$root/var/lib/containerd" -type s -delete
}

images_ctr() { "$CONTAINERD/ctr" --address "$run/socket" --namespace k8s.io "$@"; }
