# The images that a node starts with, each a folder in $work/images and an
# archive beside it.
# shellcheck shell=bash disable=SC2154

images() {
  local asked name short folder
  mkdir "$work/images"
  # Of its own: what fails in the list of a loop ends nothing.
  asked=$(kubeadm_images)
  for name in $asked local/box:1 local/local-path-provisioner:v0.0.30; do
    short=${name##*/}
    short=${short%%:*}
    folder=$work/images/$short
    mkdir -p "$folder"/{etc,tmp,usr/local/bin}
    chmod 1777 "$folder/tmp"
    echo 'root:x:0:0:root:/:/bin/false' >"$folder/etc/passwd"
    case $short in
      kube-apiserver | kube-controller-manager | etcd) program "$CONTROL_PLANE" ;;
      kube-scheduler) program "$NODE" ;;
      kube-proxy)
        program "$NODE"
        packet_filters
        ;;
      coredns | pause) program "$ADDONS" ;;
      local-path-provisioner) program "$LOCAL_PATH" ;;
      box) box ;;
      *) echo "kubeadm asks for $name, which nothing here makes" >&2; return 1 ;;
    esac
    # kubeadm calls some by their bare names.
    archive "$folder" "$name" "\"Entrypoint\": [\"$short\"],
      \"Env\": [\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\"]" \
      "$folder.tar"
  done
}

program() { install -m 0755 "$1/$short" "$folder/usr/local/bin/"; }

# Debian's static busybox with a link for each of its names.
box() {
  local names name
  mkdir "$folder/bin" "$folder/host"
  install -m 0755 "$root/bin/busybox" "$folder/bin/"
  names=$(in_root busybox --list)
  for name in $names; do
    [[ $name == busybox ]] || ln -s busybox "$folder/bin/$name"
  done
  ln -s /bin/sh "$folder/usr/local/bin/box"
}

# The programs that kube-proxy calls, with the libraries that they load, and
# those that the plug-ins of iptables load: libxt_statistic.so alone takes libm.
packet_filters() {
  local programs plugins file name
  programs="/usr/sbin/xtables-nft-multi /usr/sbin/nft /usr/sbin/conntrack"
  plugins=$(cd "$root" && find usr/lib/*/xtables -name '*.so' -printf '/%p\n')
  for file in $programs $plugins; do
    echo "$file"
    in_root ldd "$file" | sed -n 's#.*[[:space:]]\(/[^ ]*\) (0x.*#\1#p'
  done | sort --unique | while read -r file; do
    mkdir -p "$folder$(dirname "$file")"
    cp -L "$root$file" "$folder$file"
  done
  for name in ip{,6}tables{,-save,-restore}; do
    ln -s xtables-nft-multi "$folder/usr/sbin/$name"
  done
}
