"""What serves the tasks that ship, in the manifests of a site: one list of tasks, the objects of ``regraft manifests``.

``python -m regraft_pipeline.base k8s`` writes the files.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from regraft_pipeline.manifests import Json, Place, as_yaml, budget, inference_service, ingress
from regraft_pipeline.tasks import SHIPPED

HEAD = "# Made by `make manifests` of the list of tasks that ship; `regraft manifests` makes the same of a file.\n"

ABOUT: Mapping[str, str] = {
    "base/inference-services.yaml": """\
# One for each task. None has a storageUri here: that is the deploy step's, and applying this again must not put an old
# version back. Until the bootstrap has set the first one the predictor runs without a model and is not ready.
""",
    "base/ingress.yaml": """\
# /predict and /TASK/... lead to the predictors, as do KServe's V1 and V2 protocols for their models; all else to the
# trigger service. Nothing is rewritten: a predictor knows its paths with and without the task's name. ingress-nginx
# takes a colon only where what a path means is left to the controller.
""",
    "components/spread/budgets.yaml": """\
# A node that is drained takes one pod at a time, and those that are not ready anyway at once: they would stop it for
# ever.
""",
}


def files() -> dict[str, str]:
    """Return the files by their places in ``k8s``."""
    place = Place()
    objects = {
        "base/inference-services.yaml": [inference_service(task, place) for task in SHIPPED],
        "base/ingress.yaml": [way_in(place)],
        "components/spread/budgets.yaml": [trigger_budget(), *map(budget, SHIPPED)],
    }
    return {name: HEAD + ABOUT[name] + as_yaml(found) for name, found in objects.items()}


def way_in(place: Place) -> Json:
    """Return the one Ingress of the base: /predict to the first task, each task's paths, all else to the trigger."""
    paths = [
        {"path": "/predict", "pathType": "Exact", "backend": _backend(f"{SHIPPED[0]}-predictor")},
        *(path for task in SHIPPED for path in ingress(task, place)["spec"]["rules"][0]["http"]["paths"]),
        {"path": "/", "pathType": "Prefix", "backend": _backend("regraft-trigger")},
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "regraft"},
        "spec": {"rules": [{"http": {"paths": paths}}]},
    }


def _backend(service: str) -> Json:
    return {"service": {"name": service, "port": {"number": 80}}}


def trigger_budget() -> Json:
    """Return the budget of the trigger service, which is that of a predictor but for its name."""
    made = budget(SHIPPED[0])
    selector = {"matchLabels": {"app.kubernetes.io/name": "trigger"}}
    return made | {"metadata": {"name": "regraft-trigger"}, "spec": made["spec"] | {"selector": selector}}


if __name__ == "__main__":
    for name, text in files().items():
        (Path(sys.argv[1]) / name).write_text(text, encoding="utf-8")
