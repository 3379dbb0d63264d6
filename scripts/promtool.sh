#!/usr/bin/env bash
# promtool and prometheus in .tools/bin, from Debian's package, of which nothing is installed. What is there stays.
set -euo pipefail
cd "$(dirname "$0")/.."

missing() { ! command -v "$1" >/dev/null && ! [ -x ".tools/bin/$1" ]; }
if ! missing promtool && ! missing prometheus; then exit; fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
(cd "$folder" && { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; })
mkdir -p .tools/bin
for program in promtool prometheus; do
  if ! missing "$program"; then continue; fi
  dpkg-deb --fsys-tarfile "$folder"/prometheus_*.deb | tar --extract --to-stdout "./usr/bin/$program" > ".tools/bin/$program"
  chmod 755 ".tools/bin/$program"
done
