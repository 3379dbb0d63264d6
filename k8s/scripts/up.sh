#!/usr/bin/env bash
# `make up`: everything on kind. Each part can be repeated and leaves alone what is as it should be.
source "$(dirname "$0")/common.sh"

CLUSTER=${CLUSTER:-regraft}

# Never another cluster than the one that this makes.
kubectl() { command kubectl --context "kind-$CLUSTER" "$@"; }

# What is not said in a manifest is left to whom it belongs; what is said is so.
apply() { kubectl apply --server-side --force-conflicts --validate=strict "$@" | sed 's/^/  /' >&2; }

stage=start

# Every part says what it is, when, and what it waits for; where all fails, which part it was.
part() {  # part WHAT
  stage=$1
  say "$(printf '%4d s  %s' "$SECONDS" "$1")"
}

main() {
  local started=$SECONDS
  trap failed ERR
  build_log=$(mktemp)
  # The cluster's own processes come first: an API server that must wait for a build is given up by kind.
  nice make --no-print-directory images TAG=dev > "$build_log" 2>&1 &
  build=$!
  create_cluster
  install_argo_workflows
  install_cert_manager
  install_kserve
  load_images
  install_platform
  install_regraft
  say "up after $((SECONDS - started)) s"
  cat <<ADDRESSES
  page      http://localhost:8080/
  trigger   http://localhost:8080/trigger
  predict   http://localhost:8080/predict   (http://localhost:8080/TASK/predict for each task)
  MLflow    http://localhost:8081
  datasets  http://datasets.regraft-datasets/   (from inside the cluster)
next
  .venv/bin/regraft trigger 'http://datasets.regraft-datasets/good.csv?seed=1' --wait --url http://localhost:8080
  make status    what runs and what serves
  make check TRIGGER=http://localhost:8080/trigger PREDICT=http://localhost:8080/predict
  make down      remove it all
ADDRESSES
}

failed() {
  say "failed at: $stage"
  "$(dirname "$0")/dump.sh" e2e-logs/up || true
  say "what explains it is in e2e-logs/up (overview.txt first); look with 'make status', then 'make up' again goes on from there"
}

create_cluster() {
  if kind get clusters 2>/dev/null | grep -qx "$CLUSTER"; then return; fi
  part "cluster $CLUSTER: creating it, building images meanwhile (some minutes the first time)"
  # On a machine that has much else to do, kind gives up early; the second time what it needs is there.
  try 3 kind create cluster --name "$CLUSTER" --config kind-config.yaml
}

fetch() {  # fetch FILE-OR-URL TARGET
  case $1 in
    http://* | https://*) curl --fail --silent --show-error --location --retry 3 --output "$2" "$1" ;;
    *) cp "$1" "$2" ;;
  esac
}

try() {  # try TIMES COMMAND...
  local times=$1
  shift
  until "$@"; do
    times=$((times - 1))
    if [ "$times" -eq 0 ]; then return 1; fi
    sleep 3
  done
}

rolled_out() {  # rolled_out NAMESPACE DEPLOYMENT...
  local namespace=$1 deployment
  shift
  for deployment in "$@"; do
    kubectl --namespace "$namespace" rollout status "deployment/$deployment" --timeout 300s >&2
  done
}

established() {
  # kubectl takes a definition that has no conditions yet for an error.
  try 20 kubectl wait --for condition=Established crd --all --timeout 60s > /dev/null
}

install_argo_workflows() {
  part "Argo Workflows: applying"
  fetch "$ARGO_WORKFLOWS_MANIFEST" k8s/platform/argo-workflows/upstream.yaml
  apply -k k8s/platform/argo-workflows
}

install_cert_manager() {
  if [ -z "$CERT_MANAGER_MANIFEST" ]; then return; fi
  part "cert-manager: applying, waiting for its webhook"
  apply -f "$CERT_MANAGER_MANIFEST"
  rolled_out cert-manager cert-manager cert-manager-cainjector cert-manager-webhook
}

install_kserve() {
  part "KServe: applying, waiting for its controller and that of Argo Workflows"
  apply -f "$KSERVE_CRDS_MANIFEST"
  established
  fetch "$KSERVE_MANIFEST" k8s/platform/kserve/upstream.yaml
  # cert-manager's webhook refuses certificates for a moment after its pod is ready.
  try 10 apply -k k8s/platform/kserve
  rolled_out argo workflow-controller
  rolled_out kserve kserve-controller-manager
}

# The node's annotations tell which images it holds, so that only changed ones are loaded, and what runs them is renewed.
load_images() {
  part "images: waiting for the build, loading what has changed"
  wait "$build" || { cat "$build_log" >&2; return 1; }
  local image id held changed=()
  for image in $IMAGES; do
    id=$(docker image inspect --format '{{.Id}}' "regraft/$image:dev")
    held=$(kubectl get nodes --output "jsonpath={.items[0].metadata.annotations.regraft\.dev/image-$image}")
    if [ "$held" = "$id" ]; then continue; fi
    kind load docker-image "regraft/$image:dev" --name "$CLUSTER"
    if [ -n "$held" ]; then renew "$image"; fi
    kubectl annotate nodes --all --overwrite "regraft.dev/image-$image=$id" > /dev/null
  done
}

renew() {  # renew IMAGE: what runs it takes the new one; steps do by themselves
  case $1 in
    trigger) kubectl --namespace regraft rollout restart deployment regraft-trigger ;;
    mlflow) kubectl --namespace regraft-platform rollout restart deployment mlflow ;;
    predictor)
      local service at
      at=$(date -u +%FT%TZ)
      for service in $(kubectl --namespace regraft get inferenceservices --output name); do
        kubectl --namespace regraft patch "$service" --type merge \
          --patch '{"spec": {"predictor": {"annotations": {"regraft.dev/renewed-at": "'"$at"'"}}}}'
      done
      ;;
  esac >&2
}

again() {  # again NAMESPACE JOB: a Job that is there cannot be changed; these can run any number of times
  kubectl --namespace "$1" delete job "$2" --ignore-not-found > /dev/null
}

install_platform() {
  part "platform: ingress, bucket, MLflow, datasets: applying, waiting until all are ready"
  again regraft-platform bucket
  # The datasets are the checker's, which is outside of the folder.
  kubectl kustomize --load-restrictor LoadRestrictionsNone k8s/platform | apply --filename -
  rolled_out traefik traefik
  rolled_out regraft-platform minio mlflow
  rolled_out regraft-datasets datasets
  kubectl --namespace regraft-platform wait --for condition=Complete job/bucket --timeout 120s > /dev/null
}

install_regraft() {
  part "Regraft: applying, waiting for the trigger service"
  again regraft regraft-bootstrap
  apply -k k8s/overlays/kind
  rolled_out regraft regraft-trigger
  part "first versions: training, registering and rolling out one for each task"
  kubectl --namespace regraft wait --for condition=Complete job/regraft-bootstrap --timeout 600s > /dev/null
  rolled_out regraft passwords-predictor heart-disease-predictor
  curl --fail --silent --show-error --retry 30 --retry-delay 1 --retry-all-errors --output /dev/null http://localhost:8080/health
}

main
