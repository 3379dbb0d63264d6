#!/usr/bin/env bash
# Makes the Secrets of k8s/overlays/production in the cluster of kubectl's present context, or changes them. It takes from the
# environment, and asks for what is not there:
#   AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY   access to the bucket
#   MLFLOW_BACKEND_STORE_URI                   postgresql+psycopg://USER:PASSWORD@HOST/DATABASE
#   REGRAFT_TRIGGER_TOKEN                      bearer token of POST requests; made up where it is empty
set -euo pipefail
cd "$(dirname "$0")/../.."

ask() {  # ask NAME
  if [ -z "${!1:-}" ]; then read -r -s -p "$1: " "$1" && echo >&2; fi
}

setting() { sed -n "s/^$1=//p" k8s/overlays/production/settings.env; }

# Through files that only this process reads: what is on a command line is seen by everybody.
secret() {  # secret NAME KEY=VALUE...
  local name=$1
  shift
  kubectl --namespace regraft create secret generic "$name" --from-env-file <(printf '%s\n' "$@") --dry-run=client --output yaml |
    kubectl apply --server-side --force-conflicts --field-manager regraft-secrets --filename -
}

ask MLFLOW_BACKEND_STORE_URI
token=${REGRAFT_TRIGGER_TOKEN:-$(python3 -c 'import secrets; print(secrets.token_urlsafe(32))')}
endpoint=$(setting S3_ENDPOINT_URL)

kubectl apply --server-side --filename k8s/base/namespace.yaml
if [ "$(setting STATIC_KEYS)" = yes ]; then
  ask AWS_ACCESS_KEY_ID
  ask AWS_SECRET_ACCESS_KEY
  secret regraft-s3 "AWS_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY"
  # By these KServe knows where the bucket is.
  case $endpoint in http://*) https=0 ;; *) https=1 ;; esac
  kubectl --namespace regraft annotate secret regraft-s3 --overwrite \
    "serving.kserve.io/s3-endpoint=${endpoint#*://}" "serving.kserve.io/s3-usehttps=$https" "serving.kserve.io/s3-region=$(setting S3_REGION)"
  if [ -n "$(setting CA_BUNDLE)" ]; then
    kubectl --namespace regraft annotate secret regraft-s3 --overwrite \
      "serving.kserve.io/s3-cabundle-configmap=$(setting CA_BUNDLE)" "serving.kserve.io/s3-cabundle=/etc/ssl/custom-certs/ca.crt"
  fi
fi
secret regraft-mlflow "MLFLOW_BACKEND_STORE_URI=$MLFLOW_BACKEND_STORE_URI"
secret regraft-trigger-token "token=$token"
echo "the token is in the Secret regraft-trigger-token; a TLS Secret $(setting TLS_SECRET) must be there as well"
