# Sourced by the other scripts.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

CLUSTER=${CLUSTER:-regraft}

say() { printf '\033[1m%s\033[0m\n' "$*" >&2; }

# Never another cluster than the one of kind that these scripts make.
kubectl() { command kubectl --context "kind-$CLUSTER" "$@"; }

# What is not said in a manifest is left to whom it belongs; what is said is so.
apply() { kubectl apply --server-side --force-conflicts --validate=strict "$@" | sed 's/^/  /' >&2; }
