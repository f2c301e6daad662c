#!/usr/bin/env bash
# Prints krew.yaml for a release: `krew.sh VERSION FOLDER`, with the archives of all
# platforms in the folder.
set -euo pipefail
version=$1 folder=$2
template="$(dirname "${BASH_SOURCE[0]}")/krew.yaml"

uri=
while IFS= read -r line; do
  line=${line//VERSION/$version}
  case $line in
    *" uri: "*) uri=$line ;;
    *" sha256: "*)
      hash=$(sha256sum -- "$folder/${uri##*/}")
      line=${line/SHA256/${hash%% *}}
      ;;
  esac
  printf '%s\n' "$line"
done <"$template"
