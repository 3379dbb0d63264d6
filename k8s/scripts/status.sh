#!/usr/bin/env bash
# `make status`
source "$(dirname "$0")/common.sh"

say "what runs"
kubectl get pods --all-namespaces
say "what serves"
kubectl --namespace regraft get inferenceservices --output custom-columns='TASK:.metadata.name,VERSION AT:.spec.predictor.model.storageUri'
say "the last runs"
kubectl --namespace regraft get workflows --sort-by .metadata.creationTimestamp \
  --output custom-columns='RUN:.metadata.name,TASK:.metadata.labels.regraft\.dev/task,PHASE:.status.phase,PROGRESS:.status.progress,BEGUN:.metadata.creationTimestamp' | tail -20
