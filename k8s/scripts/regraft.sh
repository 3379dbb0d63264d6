#!/usr/bin/env bash
# regraft.sh ARGUMENT...: the command line inside the cluster of kubectl's present context, with the settings of the steps.
# For what needs the bucket or the registry itself: regraft.sh bless RUN --by NAME --why REASON
set -euo pipefail

kubectl() { command kubectl --namespace regraft "$@"; }

pod=regraft-$(date +%s)-$RANDOM
image=$(kubectl get workflowtemplate regraft-pipeline --output 'jsonpath={.spec.templates[?(@.container)].container.image}')
image=${image%% *}
# As JSON strings; an argument is text without control characters.
arguments=$(for argument in regraft "$@"; do sed 's/["\\]/\\&/g; s/.*/"&"/' <<< "$argument"; done | paste -sd, -)

trap 'kubectl delete pod "$pod" --wait=false > /dev/null' EXIT
# The label is who the network policies know it by.
kubectl run "$pod" --restart Never --image "$image" \
  --labels app.kubernetes.io/name=command,app.kubernetes.io/part-of=regraft,sidecar.istio.io/inject=false \
  --annotations sidecar.istio.io/inject=false --annotations linkerd.io/inject=disabled --overrides '{
  "spec": {
    "automountServiceAccountToken": false,
    "serviceAccountName": "regraft-step",
    "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "tmp", "emptyDir": {}}, {"name": "ca", "configMap": {"name": "regraft-ca", "optional": true}}],
    "containers": [{
      "name": "regraft",
      "image": "'"$image"'",
      "imagePullPolicy": "IfNotPresent",
      "args": ['"$arguments"'],
      "envFrom": [{"configMapRef": {"name": "regraft"}}, {"secretRef": {"name": "regraft-s3", "optional": true}}],
      "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}},
      "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}, {"name": "ca", "mountPath": "/etc/regraft/ca", "readOnly": true}],
      "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}
    }]
  }
}' > /dev/null
until kubectl logs "$pod" --follow 2> /dev/null; do sleep 1; done
kubectl wait "pod/$pod" --for 'jsonpath={.status.containerStatuses[0].state.terminated}' --timeout 60s > /dev/null
exit "$(kubectl get pod "$pod" --output 'jsonpath={.status.containerStatuses[0].state.terminated.exitCode}')"
