#!/usr/bin/env bash
# `make image-list`: every image that `make up` or k8s/overlays/production runs or builds on, one a line, for a mirror.
source "$(dirname "$0")/common.sh"

manifests=$(mktemp -d)
trap 'rm -r "$manifests"' EXIT
fetch "$ARGO_WORKFLOWS_MANIFEST" k8s/platform/argo-workflows/upstream.yaml
fetch "$KSERVE_MANIFEST" k8s/platform/kserve/upstream.yaml
if [ -n "$CERT_MANAGER_MANIFEST" ]; then fetch "$CERT_MANAGER_MANIFEST" "$manifests/cert-manager.yaml"; fi
for folder in platform/argo-workflows platform/kserve platform overlays/kind; do
  kubectl kustomize --load-restrictor LoadRestrictionsNone "k8s/$folder" > "$manifests/${folder//\//-}.yaml"
done

{
  sed -nE 's/^[ -]*image: *"?([^" ]+)"?$/\1/p' "$manifests"/*.yaml
  # What no manifest runs: controllers put it into pods, or programs are told it.
  sed -nE 's/.*--acme-http01-solver-image=([^" ]+).*/\1/p' "$manifests"/*.yaml
  sed -nE 's/^ *"image" *: *"(kserve\/agent:[^"]+)".*/\1/p' "$manifests/platform-kserve.yaml"
  echo "quay.io/argoproj/argoexec:$ARGO_WORKFLOWS_VERSION"
  echo "$PYTHON_IMAGE"
  echo "$KIND_NODE_IMAGE"
} | sort -u
