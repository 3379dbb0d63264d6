"""The rendered overlays against the rules of those who read them."""

from __future__ import annotations

import re

import pytest

from tests.unit.k8s.rendered import Object, kustomize, name_of, needs_kubectl, of_kind

OVERLAYS = ("k8s/overlays/kind", "k8s/overlays/production")

pytestmark = needs_kubectl

NGINX = re.compile(r"(?i)^/[a-z0-9._\-/]*$")
"""What the webhook of ingress-nginx (1.12 and later) allows a path of the types Exact and Prefix to be."""


def _paths(overlay: str) -> list[tuple[str, str]]:
    return [
        (path["path"], path["pathType"])
        for ingress in of_kind(kustomize(overlay), "Ingress")
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    ]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_ingress_controller_takes_every_path(overlay: str) -> None:
    assert [path for path, kind in _paths(overlay) if kind != "ImplementationSpecific" and not NGINX.match(path)] == []


def test_the_rule_refuses_what_it_refused() -> None:
    assert not NGINX.match("/v1/models/passwords:predict")


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_ingress_leads_to_a_service(overlay: str) -> None:
    objects = kustomize(overlay)
    services = {name_of(each) for each in of_kind(objects, "Service")}
    services |= {f"{name_of(each)}-predictor" for each in of_kind(objects, "InferenceService")}
    backends = {
        path["backend"]["service"]["name"]
        for ingress in of_kind(objects, "Ingress")
        for rule in ingress["spec"]["rules"]
        for path in rule["http"]["paths"]
    }
    assert backends <= services


def test_budgets_do_not_stop_a_drain() -> None:
    budgets = of_kind(kustomize("k8s/overlays/production"), "PodDisruptionBudget")
    assert budgets
    for budget in budgets:
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_two_pods_go_to_two_nodes() -> None:
    objects = kustomize("k8s/overlays/production")
    trigger = next(each for each in of_kind(objects, "Deployment") if name_of(each) == "regraft-trigger")["spec"]
    assert (trigger["replicas"], _spread(trigger["template"]["spec"])) == (2, "kubernetes.io/hostname")
    for service in of_kind(objects, "InferenceService"):
        predictor = service["spec"]["predictor"]
        assert (predictor["minReplicas"], _spread(predictor)) == (2, "kubernetes.io/hostname")


def _spread(pod: Object) -> str:
    (constraint,) = pod["topologySpreadConstraints"]
    key: str = constraint["topologyKey"]
    return key
