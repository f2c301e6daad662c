# Image archives as `docker load` and `ctr images import` read them, made
# without an engine.
# shellcheck shell=bash disable=SC2154

# archive FOLDER NAME CONFIG OUT: an image of one layer; CONFIG is the inside of
# the JSON object that holds Entrypoint and the like.
archive() {
  local folder=$1 name=$2 config=$3 out=$4 parts machine layer id
  parts=$(mktemp --directory --tmpdir="$work" archive.XXXXXX)
  # Without times and in one order, the same files make the same image.
  tar --directory "$folder" --sort=name --mtime=@0 --numeric-owner -cf "$parts/layer.tar" .
  machine=$(architecture)
  layer=$(digest "$parts/layer.tar")
  printf '{"architecture": "%s", "os": "linux", "config": {%s},
    "rootfs": {"type": "layers", "diff_ids": ["sha256:%s"]}}' \
    "$machine" "$config" "$layer" >"$parts/config.json"
  id=$(digest "$parts/config.json")
  mv "$parts/config.json" "$parts/$id.json"
  printf '[{"Config": "%s.json", "RepoTags": ["%s"], "Layers": ["layer.tar"]}]' \
    "$id" "$name" >"$parts/manifest.json"
  tar --directory "$parts" -cf "$out" manifest.json "$id.json" layer.tar
  rm -rf "$parts"
}

digest() { sha256sum "$1" | cut --delimiter=' ' --fields=1; }

# What Go calls this machine.
architecture() {
  case $(uname --machine) in
    x86_64) echo amd64 ;;
    aarch64) echo arm64 ;;
    *) uname --machine ;;
  esac
}
