#!/usr/bin/env bash
# `make up`: everything on kind. Each part can be repeated and leaves alone what is as it should be.
source "$(dirname "$0")/common.sh"

CLUSTER=${CLUSTER:-regraft}
HTTP_PORT=${HTTP_PORT:-8080}
MLFLOW_PORT=${MLFLOW_PORT:-8081}
WORKERS=${WORKERS:-0}

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
  need_tools
  need_ports
  trap failed ERR
  build_log=$(mktemp)
  # The cluster's own processes come first: an API server that must wait for a build is given up by kind.
  nice make --no-print-directory images TAG=dev > "$build_log" 2>&1 &
  build=$!
  create_cluster
  know_ports
  install_argo_workflows
  install_cert_manager
  install_kserve
  load_images
  install_platform
  install_regraft
  say "up after $((SECONDS - started)) s"
  cat <<ADDRESSES
  page      http://localhost:$HTTP_PORT/
  trigger   http://localhost:$HTTP_PORT/trigger
  predict   http://localhost:$HTTP_PORT/predict   (http://localhost:$HTTP_PORT/TASK/predict for each task)
  MLflow    http://localhost:$MLFLOW_PORT
  datasets  http://datasets.regraft-datasets/   (from inside the cluster)
next
  .venv/bin/regraft trigger 'http://datasets.regraft-datasets/good.csv?seed=1' --wait --url http://localhost:$HTTP_PORT
  make status    what runs and what serves
  make check TRIGGER=http://localhost:$HTTP_PORT/trigger PREDICT=http://localhost:$HTTP_PORT/predict
  make down      remove it all
ADDRESSES
}

failed() {
  say "failed at: $stage"
  "$(dirname "$0")/dump.sh" e2e-logs/up || true
  say "what explains it is in e2e-logs/up (overview.txt first); look with 'make status', then 'make up' again goes on from there"
}

need_tools() {
  local tool
  for tool in docker kind kubectl curl; do
    command -v "$tool" > /dev/null || { say "$tool is missing: README.md says what is needed, and in which version"; exit 1; }
  done
}

exists() { kind get clusters 2> /dev/null | grep -qx "$CLUSTER"; }

need_ports() {
  local variable port
  if exists; then return; fi
  for variable in HTTP_PORT MLFLOW_PORT; do
    port=${!variable}
    if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
      say "port $port of this machine is taken ('regraft up' has 8080, too): end what listens there, or take another: make up $variable=$((port + 1000))"
      exit 1
    fi
  done
}

create_cluster() {
  if exists; then return; fi
  part "cluster $CLUSTER: creating it, building images meanwhile (some minutes the first time)"
  local config
  config=$(mktemp)
  sed -e "s/hostPort: 8080/hostPort: $HTTP_PORT/" -e "s/hostPort: 8081/hostPort: $MLFLOW_PORT/" kind-config.yaml > "$config"
  local worker
  for ((worker = 0; worker < WORKERS; worker++)); do echo "  - role: worker" >> "$config"; done
  # On a machine that has much else to do, kind gives up early; the second time what it needs is there.
  try 3 kind create cluster --name "$CLUSTER" --config "$config" --image "$KIND_NODE_IMAGE"
  rm "$config"
  kubectl annotate nodes --all --overwrite "regraft.dev/ports=$HTTP_PORT,$MLFLOW_PORT" > /dev/null
}

# A cluster keeps the ports that it was made with.
know_ports() {
  local ports
  ports=$(kubectl get nodes --output 'jsonpath={.items[0].metadata.annotations.regraft\.dev/ports}')
  if [ -n "$ports" ]; then HTTP_PORT=${ports%,*} MLFLOW_PORT=${ports#*,}; fi
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
  part "KServe: applying"
  apply -f "$KSERVE_CRDS_MANIFEST"
  established
  fetch "$KSERVE_MANIFEST" k8s/platform/kserve/upstream.yaml
  # cert-manager's webhook refuses certificates for a moment after its pod is ready.
  try 10 apply -k k8s/platform/kserve
}

# The node's annotations tell which images it holds, so that only changed ones are loaded, and what runs them is renewed.
load_images() {
  part "images: waiting for the build, loading what has changed"
  wait "$build" || { cat "$build_log" >&2; return 1; }
  local image id held changed=()
  for image in $IMAGES; do
    id=$(docker image inspect --format '{{.Id}}' "docker.io/regraft/$image:dev")
    held=$(kubectl get nodes --output "jsonpath={.items[0].metadata.annotations.regraft\.dev/image-$image}")
    if [ "$held" = "$id" ]; then continue; fi
    kind load docker-image "docker.io/regraft/$image:dev" --name "$CLUSTER"
    if [ -n "$held" ]; then renew "$image"; fi
    kubectl annotate nodes --all --overwrite "regraft.dev/image-$image=$id" > /dev/null
  done
}

renew() {  # renew IMAGE: what runs it takes the new one; steps do by themselves
  case $1 in
    trigger) restart regraft regraft-trigger ;;
    mlflow) restart regraft-platform mlflow ;;
    pipeline) kubectl --namespace regraft delete job regraft-bootstrap --ignore-not-found ;;
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

restart() {  # restart NAMESPACE DEPLOYMENT: where somebody has not taken it away
  if [ -n "$(kubectl --namespace "$1" get deployment "$2" --ignore-not-found --output name)" ]; then
    kubectl --namespace "$1" rollout restart deployment "$2"
  fi
}

# A Job cannot be changed, and those here can run any number of times: one that has failed, or is another than the one to be applied
# (manifests are standard input), goes first. One that has done its work stays as it is.
apply_with_job() {  # apply_with_job NAMESPACE JOB
  local manifests complete
  manifests=$(mktemp)
  cat > "$manifests"
  complete=$(kubectl --namespace "$1" get job "$2" --ignore-not-found --output 'jsonpath={.status.succeeded}' 2> /dev/null || true)
  if [ "$complete" != 1 ] ||
    ! kubectl apply --server-side --force-conflicts --dry-run=server --filename "$manifests" > /dev/null 2>&1; then
    kubectl --namespace "$1" delete job "$2" --ignore-not-found > /dev/null
  fi
  apply --filename "$manifests"
  rm "$manifests"
}

install_platform() {
  part "platform: ingress, bucket, MLflow, datasets: applying, waiting until all are ready"
  # The datasets are the checker's, which is outside of the folder.
  kubectl kustomize --load-restrictor LoadRestrictionsNone k8s/platform | apply_with_job regraft-platform bucket
  rolled_out traefik traefik
  rolled_out regraft-platform minio mlflow
  rolled_out regraft-datasets datasets
  kubectl --namespace regraft-platform wait --for condition=Complete job/bucket --timeout 120s > /dev/null
}

install_regraft() {
  # They come up while images are loaded and the platform is applied: nobody needs them before.
  part "Argo Workflows and KServe: waiting for their controllers"
  rolled_out argo workflow-controller
  rolled_out kserve kserve-controller-manager
  part "Regraft: applying, waiting for the trigger service"
  kubectl kustomize k8s/overlays/kind | sed -e "s#localhost:8080#localhost:$HTTP_PORT#" -e "s#localhost:8081#localhost:$MLFLOW_PORT#" |
    apply_with_job regraft regraft-bootstrap
  rolled_out regraft regraft-trigger
  part "first versions: training, registering and rolling out one for each task"
  kubectl --namespace regraft wait --for condition=Complete job/regraft-bootstrap --timeout 600s > /dev/null
  rolled_out regraft passwords-predictor heart-disease-predictor
  curl --fail --silent --show-error --retry 30 --retry-delay 1 --retry-all-errors --output /dev/null "http://localhost:$HTTP_PORT/health"
}

main
