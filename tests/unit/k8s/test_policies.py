"""Every flow of the overlay for production, and some that must not be."""

from __future__ import annotations

import pytest

from tests.unit.k8s.policies import Address, Peer, Pod, may_enter, may_leave
from tests.unit.k8s.rendered import kustomize, needs_kubectl, of_kind

STEP = Pod({"workflows.argoproj.io/workflow": "run-1"})
TRIGGER, PREDICTOR, MLFLOW, BOOTSTRAP, COMMAND = (
    Pod({"app.kubernetes.io/name": name}) for name in ("trigger", "predictor", "mlflow", "bootstrap", "command")
)
STRANGER = Pod({"app": "else"})
INGRESS = Pod({"app": "traefik"}, {"regraft.dev/ingress": "true"})
PROMETHEUS = Pod({"app": "prometheus"}, {"regraft.dev/monitoring": "true"})
CLIENT = Pod({"app": "shop"}, {"regraft.dev/client": "true"})
FOREIGN = Pod({"app": "shop"}, {"team": "shop"})
NAME_SERVER = Pod({"k8s-app": "kube-dns"}, {"kubernetes.io/metadata.name": "kube-system"})
NODE, NODE_NAME_SERVER, WORLD = Address("10.240.0.1"), Address("169.254.20.10"), Address("203.0.113.7")
METADATA, METADATA_6 = Address("169.254.169.254"), Address("fd00:ec2::254")

INWARDS: list[tuple[str, Peer, Pod, int, bool]] = [
    ("ingress to trigger", INGRESS, TRIGGER, 8000, True),
    ("ingress to predictor", INGRESS, PREDICTOR, 8080, True),
    ("ingress to MLflow", INGRESS, MLFLOW, 5000, True),
    ("Prometheus to trigger", PROMETHEUS, TRIGGER, 8000, True),
    ("Prometheus to predictor", PROMETHEUS, PREDICTOR, 8080, True),
    ("client of another namespace to predictor", CLIENT, PREDICTOR, 8080, True),
    ("client of another namespace to trigger", CLIENT, TRIGGER, 8000, True),
    ("step to predictor", STEP, PREDICTOR, 8080, True),
    ("step to MLflow", STEP, MLFLOW, 5000, True),
    ("bootstrap to predictor", BOOTSTRAP, PREDICTOR, 8080, True),
    ("bootstrap to MLflow", BOOTSTRAP, MLFLOW, 5000, True),
    ("regraft.sh to MLflow", COMMAND, MLFLOW, 5000, True),
    ("regraft.sh to predictor", COMMAND, PREDICTOR, 8080, True),
    ("trigger to predictor", TRIGGER, PREDICTOR, 8080, True),
    ("trigger to the predictor's counts", TRIGGER, PREDICTOR, 8090, True),
    ("ingress to the predictor's counts", INGRESS, PREDICTOR, 8090, False),
    ("client to the predictor's counts", CLIENT, PREDICTOR, 8090, False),
    ("Prometheus to the predictor's counts", PROMETHEUS, PREDICTOR, 8090, False),
    ("step to the predictor's counts", STEP, PREDICTOR, 8090, False),
    ("load balancer that is not named", WORLD, PREDICTOR, 8080, False),
    ("somebody else's pod to predictor", FOREIGN, PREDICTOR, 8080, False),
    ("somebody else's pod to MLflow", FOREIGN, MLFLOW, 5000, False),
    ("somebody else's pod to trigger", FOREIGN, TRIGGER, 8000, False),
    ("client of another namespace to MLflow", CLIENT, MLFLOW, 5000, False),
    ("another pod of the namespace to MLflow", STRANGER, MLFLOW, 5000, False),
    ("ingress to a step", INGRESS, STEP, 8080, False),
]

OUTWARDS: list[tuple[str, Pod, Peer, int, str, bool]] = [
    ("step to the world", STEP, WORLD, 80, "TCP", True),
    ("step to the name server", STEP, NAME_SERVER, 53, "UDP", True),
    ("step to the name server of its node", STEP, NODE_NAME_SERVER, 53, "UDP", True),
    ("step to the name server of its node, long answers", STEP, NODE_NAME_SERVER, 53, "TCP", True),
    ("step to the API server", STEP, NODE, 6443, "TCP", True),
    ("step to MLflow", STEP, MLFLOW, 5000, "TCP", True),
    ("step to predictor", STEP, PREDICTOR, 8080, "TCP", True),
    ("step to what a cloud tells its machines", STEP, METADATA, 80, "TCP", False),
    ("the same by IPv6", STEP, METADATA_6, 80, "TCP", False),
    ("trigger to the API server", TRIGGER, NODE, 6443, "TCP", True),
]


@needs_kubectl
@pytest.mark.parametrize(
    ("source", "target", "port", "allowed"), [row[1:] for row in INWARDS], ids=[row[0] for row in INWARDS]
)
def test_who_is_let_in(source: Peer, target: Pod, port: int, allowed: bool) -> None:
    policies = of_kind(kustomize("k8s/overlays/production"), "NetworkPolicy")
    assert may_enter(policies, source, target, port) is allowed


@needs_kubectl
@pytest.mark.parametrize(
    ("source", "target", "port", "protocol", "allowed"), [row[1:] for row in OUTWARDS], ids=[row[0] for row in OUTWARDS]
)
def test_who_is_let_out(source: Pod, target: Peer, port: int, protocol: str, allowed: bool) -> None:
    policies = of_kind(kustomize("k8s/overlays/production"), "NetworkPolicy")
    assert may_leave(policies, source, target, port, protocol) is allowed


@needs_kubectl
def test_the_api_server_needs_no_address() -> None:
    """Cilium takes no range of addresses for a node: a rule that names no peer must be there."""
    policies = of_kind(kustomize("k8s/overlays/production"), "NetworkPolicy")
    for policy in policies:
        for rule in policy["spec"].get("egress", ()):
            rule["to"] = [each for each in rule["to"] if "ipBlock" not in each] if "to" in rule else []
    assert may_leave([*policies], STEP, NODE, 6443)
