# Sourced by the other scripts.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }
