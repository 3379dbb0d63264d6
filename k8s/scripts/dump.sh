#!/usr/bin/env bash
# dump.sh FOLDER: everything that explains what happened on the cluster of kubectl's present context. Nothing is changed, and no
# Secret is read.
source "$(dirname "$0")/common.sh"

mkdir -p "${1:?dump.sh FOLDER}"
folder=$(cd "$1" && pwd)
namespaces=(regraft regraft-platform regraft-datasets argo kserve traefik)

write() {  # write NAME COMMAND...: what the command says, failures included
  local name=$1
  shift
  mkdir -p "$(dirname "$folder/$name")"
  "$@" > "$folder/$name" 2>&1 || true
}

write overview.txt kubectl get nodes,pods,deployments,jobs,services,ingresses,persistentvolumeclaims --all-namespaces --output wide
write nodes.txt kubectl describe nodes
for namespace in "${namespaces[@]}"; do
  write "$namespace/events.txt" kubectl --namespace "$namespace" get events --sort-by .metadata.creationTimestamp
  write "$namespace/pods.txt" kubectl --namespace "$namespace" describe pods
  write "$namespace/deployments.yaml" kubectl --namespace "$namespace" get deployments,replicasets,jobs,endpointslices --output yaml
  write "$namespace/configmaps.yaml" kubectl --namespace "$namespace" get configmaps --output yaml
  for pod in $(kubectl --namespace "$namespace" get pods --output jsonpath='{.items[*].metadata.name}' 2>/dev/null); do
    write "$namespace/logs/$pod.log" kubectl --namespace "$namespace" logs "$pod" --all-containers --prefix --timestamps
    write "$namespace/logs/$pod.previous.log" kubectl --namespace "$namespace" logs "$pod" --all-containers --prefix --timestamps --previous
  done
done
for kind in workflows workflowtaskresults workflowtemplates inferenceservices servingruntimes ingresses; do
  write "regraft/$kind.yaml" kubectl --namespace regraft get "$kind" --output yaml
done
context=$(kubectl config current-context)
case $context in kind-*) write kind/export.txt kind export logs "$folder/kind" --name "${context#kind-}" ;; esac
# Containers that never ended have no previous log.
for log in "$folder"/*/logs/*.previous.log; do
  if [ -e "$log" ] && grep -q 'previous terminated container' "$log"; then rm "$log"; fi
done
say "written to $folder"
