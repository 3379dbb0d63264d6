#!/usr/bin/env bash
# regraft.sh ARGUMENT...: the command line inside the cluster of kubectl's present context, with the settings of the steps.
# For what needs the bucket or the registry itself: regraft.sh bless RUN --by NAME --why REASON
set -euo pipefail

kubectl() { command kubectl --namespace regraft "$@"; }

pod=regraft-$(date +%s)
image=$(kubectl get workflowtemplate regraft-pipeline --output 'jsonpath={.spec.templates[0].container.image}')
# As JSON strings; an argument is text without control characters.
arguments=$(for argument in regraft "$@"; do sed 's/["\\]/\\&/g; s/.*/"&"/' <<< "$argument"; done | paste -sd, -)

trap 'kubectl delete pod "$pod" --wait=false > /dev/null' EXIT
kubectl run "$pod" --restart Never --image "$image" --overrides '{
  "spec": {
    "automountServiceAccountToken": false,
    "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    "containers": [{
      "name": "regraft",
      "image": "'"$image"'",
      "args": ['"$arguments"'],
      "envFrom": [{"configMapRef": {"name": "regraft"}}, {"secretRef": {"name": "regraft-s3"}}],
      "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
      "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}
    }]
  }
}' > /dev/null
until kubectl logs "$pod" --follow 2> /dev/null; do sleep 1; done
kubectl wait "pod/$pod" --for 'jsonpath={.status.containerStatuses[0].state.terminated}' --timeout 60s > /dev/null
exit "$(kubectl get pod "$pod" --output 'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}')"
