# The file system of a node, in $root.
# shellcheck shell=bash disable=SC2154

unpack() {
  mkdir "$root"
  tar --directory "$root" -xpf "$BASE" --exclude='./dev/*'
}

# Without their modes: the module cache is read-only.
kind_files() {
  cp -r --no-preserve=mode,ownership "$KIND_FILES/." "$root/"
  chmod -R u=rwX,go=rX "$root/kind" "$root/etc/containerd" "$root/etc/systemd/system"
  chmod 0755 "$root"/usr/local/bin/* "$root"/kind/bin/*
}

# What kind's own Dockerfile does to Debian's systemd.
systemd() {
  local units=$root/lib/systemd/system
  rm -f "$units"/sysinit.target.wants/systemd-tmpfiles-setup.service \
    "$units"/multi-user.target.wants/* "$root"/etc/systemd/system/*.wants/* \
    "$units"/local-fs.target.wants/* "$units"/sockets.target.wants/*udev* \
    "$units"/sockets.target.wants/*initctl* "$units"/basic.target.wants/*
  echo 'ReadKMsg=no' >>"$root/etc/systemd/journald.conf"
  ln -sf /usr/lib/systemd/systemd "$root/sbin/init"
  in_root systemctl --quiet enable kubelet.service containerd.service undo-mount-hacks.service
  in_root systemctl --quiet mask systemd-binfmt.service
  rm -f "$root/etc/hostname" "$root/etc/resolv.conf"
  : >"$root/etc/machine-id"
}

programs() {
  local plugin
  install -m 0755 "$CONTAINERD"/{containerd,containerd-shim-runc-v2,ctr} "$ADDONS/crictl" \
    "$root/usr/local/bin/"
  install -m 0755 "$NODE"/{kubeadm,kubelet} "$KUBECTL/kubectl" "$root/usr/bin/"
  mkdir -p "$root/opt/cni/bin" "$root/etc/cni/net.d"
  for plugin in host-local loopback portmap ptp; do
    ln -s "/usr/lib/cni/$plugin" "$root/opt/cni/bin/$plugin"
  done
}

settings() {
  local pause
  mkdir -p "$root/etc/kubernetes/manifests" "$root/kind/manifests"
  echo -n "$VERSION" >"$root/kind/version"
  pause=$(kubeadm_images | grep /pause:)
  # A lower oom_score_adj takes CAP_SYS_RESOURCE, which a host may not have.
  sed -i -e 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' \
    -e "s#sandbox_image = .*#sandbox_image = \"$pause\"#" \
    "$root/etc/containerd/config.toml"
  in_root ctr oci spec |
    in_root jq 'del(.process.rlimits)
      | .hooks.createContainer = [{path: "/kind/bin/mount-product-files.sh"}]' \
      >"$root/etc/containerd/cri-base.json"
  cp "$here/default-cni.yaml" "$root/kind/manifests/"
  default_storage >"$root/kind/manifests/default-storage.yaml"
}

# kind's own manifest, which is a constant in its source, with images that are here.
default_storage() {
  local manifest
  # shellcheck disable=SC2016
  manifest=$(sed -n '/^const defaultStorageManifest = `/,/^`$/p' "$KIND_STORAGE" |
    sed -e '1d;$d' -e 's#` + storageProvisionerImage + `#local/local-path-provisioner:v0.0.30#' \
      -e 's#` + storageHelperImage + `#local/box:1#')
  if [[ $manifest != *local/box:1* || $manifest == *\`* ]]; then
    echo "kind's storage manifest has changed its form: see $KIND_STORAGE" >&2
    return 1
  fi
  echo "$manifest"
}

kubeadm_images() { "$NODE/kubeadm" config images list --kubernetes-version "$VERSION"; }

in_root() { chroot "$root" "$@"; }
