#!/usr/bin/env bash
# promtool in .tools/bin, from Debian's prometheus package, of which nothing is installed. Where it is there, it stays.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v promtool >/dev/null || [ -x .tools/bin/promtool ]; then exit; fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
chmod 755 "$folder"
(cd "$folder" && { apt-get download -q prometheus || { apt-get update -q && apt-get download -q prometheus; }; })
mkdir -p .tools/bin
dpkg-deb --fsys-tarfile "$folder"/prometheus_*.deb | tar --extract --to-stdout ./usr/bin/promtool > .tools/bin/promtool
chmod 755 .tools/bin/promtool
