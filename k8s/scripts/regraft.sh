#!/usr/bin/env bash
# regraft.sh ARGUMENT...: the command line inside the cluster of kubectl's present context, with the settings of the steps.
# For what needs the bucket or the registry itself: regraft.sh bless RUN --by NAME --why REASON
set -euo pipefail

image=$(kubectl --namespace regraft get workflowtemplate regraft-pipeline --output 'jsonpath={.spec.templates[0].container.image}')
# Quoted as JSON strings; an argument is text without control characters.
arguments=$(for argument in regraft "$@"; do printf '%s' "$argument" | sed 's/["\\]/\\&/g; s/.*/"&"/'; echo; done | paste -sd, -)

kubectl --namespace regraft run "regraft-$(date +%s)" --rm --stdin --quiet --restart Never --image "$image" --overrides '{
  "spec": {
    "automountServiceAccountToken": false,
    "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
    "volumes": [{"name": "tmp", "emptyDir": {}}],
    "containers": [{
      "name": "regraft",
      "image": "'"$image"'",
      "stdin": true,
      "args": ['"$arguments"'],
      "envFrom": [{"configMapRef": {"name": "regraft"}}, {"secretRef": {"name": "regraft-s3"}}],
      "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
      "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}
    }]
  }
}'
