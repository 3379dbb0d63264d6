##@ On Kubernetes

include k8s/versions.env

# Where the releases come from. A mirror or a file does as well; an empty CERT_MANAGER_MANIFEST is skipped.
ARGO_WORKFLOWS_MANIFEST ?= https://github.com/argoproj/argo-workflows/releases/download/$(ARGO_WORKFLOWS_VERSION)/install.yaml
CERT_MANAGER_MANIFEST ?= https://github.com/cert-manager/cert-manager/releases/download/$(CERT_MANAGER_VERSION)/cert-manager.yaml
KSERVE_CRDS_MANIFEST ?= https://raw.githubusercontent.com/kserve/kserve/$(KSERVE_VERSION)/install/$(KSERVE_VERSION)/kserve-crds.yaml
KSERVE_MANIFEST ?= https://raw.githubusercontent.com/kserve/kserve/$(KSERVE_VERSION)/install/$(KSERVE_VERSION)/kserve.yaml
export ARGO_WORKFLOWS_MANIFEST CERT_MANAGER_MANIFEST KSERVE_CRDS_MANIFEST KSERVE_MANIFEST

CLUSTER ?= regraft
TAG ?= dev
IMAGES := trigger pipeline predictor mlflow
export CLUSTER IMAGES KIND_NODE_IMAGE

# Where the cluster of `make up` is found on this machine.
HTTP_PORT ?= 8080
MLFLOW_PORT ?= 8081
export HTTP_PORT MLFLOW_PORT
export REGRAFT_E2E_URL ?= http://localhost:$(HTTP_PORT)
export REGRAFT_E2E_MLFLOW_URL ?= http://localhost:$(MLFLOW_PORT)

# Attestations carry the time of the build: with them an image has another id each time, and all that runs it would be renewed.
export BUILDX_NO_DEFAULT_ATTESTATIONS := 1

DOCKERFILE_trigger := trigger-service/Dockerfile
DOCKERFILE_pipeline := pipeline/Dockerfile
DOCKERFILE_predictor := inference/Dockerfile
DOCKERFILE_mlflow := k8s/images/mlflow/Dockerfile
BUILD_ARGS = --file $(DOCKERFILE_$*) --build-arg PYTHON_IMAGE=$(PYTHON_IMAGE) --build-arg VERSION=$(TAG)

.PHONY: images
images: $(addprefix image-,$(IMAGES))  ## Build the images: make images [TAG=dev]

# The whole name, for podman calls a short one localhost/regraft/..., which no cluster asks for.

.PHONY: $(addprefix image-,$(IMAGES))
$(addprefix image-,$(IMAGES)): image-%:
	@docker build --quiet $(BUILD_ARGS) --tag docker.io/regraft/$*:$(TAG) .

.PHONY: image-study
image-study: $(STAMP)  ## What each measure does to the size of the images, into docs/images.md (half an hour)
	@$(BIN)/python -m tests.bench.images --python-image $(PYTHON_IMAGE)

.PHONY: image-list
image-list: export ARGO_WORKFLOWS_VERSION := $(ARGO_WORKFLOWS_VERSION)
image-list: export PYTHON_IMAGE := $(PYTHON_IMAGE)
image-list:  ## Every image that runs or is built on, for a mirror or an air-gapped site
	@k8s/scripts/images.sh

.PHONY: chart
chart: $(STAMP)  ## A Helm chart of k8s/overlays/production as it is, into the folder chart
	@$(BIN)/python k8s/scripts/chart.py chart

.PHONY: sbom
sbom: $(STAMP)  ## What is in the images, as CycloneDX, into the folder sbom
	@$(BIN)/python scripts/sbom.py sbom

.PHONY: push
push: $(addprefix push-,$(IMAGES))  ## Build and push them: make push REGISTRY=host/path TAG=1.0.0 [PLATFORMS=linux/amd64,linux/arm64]

.PHONY: $(addprefix push-,$(IMAGES))
$(addprefix push-,$(IMAGES)): push-%:
	@: $${REGISTRY:?make push REGISTRY=host/path TAG=version}
	@if [ -n "$(PLATFORMS)" ]; then \
	  docker buildx build $(BUILD_ARGS) --platform $(PLATFORMS) --tag $(REGISTRY)/$*:$(TAG) --push .; \
	else \
	  docker build --quiet $(BUILD_ARGS) --tag $(REGISTRY)/$*:$(TAG) . && docker push $(REGISTRY)/$*:$(TAG); \
	fi

.PHONY: up
up:  ## All of it on kind, can be repeated: make up [HTTP_PORT=8080] [MLFLOW_PORT=8081] [WORKERS=2]
	@k8s/scripts/up.sh

.PHONY: e2e
e2e: $(STAMP)  ## Prove it on the cluster of kubectl's context: the checker's course, rollouts under load, killed components
	@$(BIN)/pytest tests/e2e --quiet -m "not long" --durations=15 $(ARGS)

.PHONY: e2e-long
e2e-long: $(STAMP)  ## What takes longer: make up again, two of each under load, pods that go, a drained node
	@$(BIN)/pytest tests/e2e --quiet -m long $(ARGS)

.PHONY: drill
drill: $(STAMP)  ## Kill at random what Regraft stands on while datasets come in: nothing may be lost (TRIGGERS=20 KILLS=30 SEED=1)
	@$(BIN)/python -m tests.drill $(if $(TRIGGERS),--triggers $(TRIGGERS)) $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED))

.PHONY: rehearse
rehearse: $(STAMP)  ## Prove the overlay for production on the kind cluster, in place of what is there: S3, PostgreSQL, TLS, token
	@$(BIN)/pytest tests/rehearsal --quiet $(ARGS)

.PHONY: down
down:  ## Remove the kind cluster and all that it holds
	@kind delete cluster --name $(CLUSTER)

.PHONY: status
status:  ## What runs on the cluster, what serves, and the last runs
	@k8s/scripts/status.sh

.PHONY: logs
logs: LOGS_OF = $(if $(RUN),workflows.argoproj.io/workflow=$(RUN),app.kubernetes.io/name in (trigger,predictor))
logs:  ## Follow the logs of the trigger service and the predictors, or of a run: make logs [RUN=run-...]
	@kubectl --namespace regraft logs --selector '$(LOGS_OF)' --all-containers --follow --prefix --tail 50 --max-log-requests 30

.PHONY: dump
dump:  ## Everything that explains a failure, into the folder e2e-logs
	@k8s/scripts/dump.sh e2e-logs

.PHONY: manifests-check
manifests-check:  ## Whether the overlays can be built
	@for overlay in kind production pinned; do kubectl kustomize k8s/overlays/$$overlay > /dev/null || exit 1; done
	@kubectl kustomize --load-restrictor LoadRestrictionsNone k8s/platform > /dev/null

lock: lock-images

.PHONY: lock-images
lock-images:
	@$(LOCK) requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	@$(LOCK) requirements/mlflow.in -c requirements/dev.txt -o requirements/mlflow.txt
