"""Images set by the tools of others: ``kustomize edit set image`` in k8s/overlays/pinned."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.k8s.rendered import ROOT, kustomize, needs_kubectl

pytestmark = needs_kubectl

KUSTOMIZE = shutil.which("kustomize")
IMAGES = ("mlflow", "pipeline", "predictor", "trigger")
DIGEST = "sha256:" + "ab" * 32


@pytest.fixture
def pinned(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "k8s", tmp_path / "k8s", ignore=shutil.ignore_patterns("upstream.yaml"))
    return tmp_path / "k8s/overlays/pinned"


def test_as_it_is_it_says_what_the_overlay_for_production_says() -> None:
    assert kustomize("k8s/overlays/pinned") == kustomize("k8s/overlays/production")


def test_what_a_tool_writes_is_what_runs(pinned: Path) -> None:
    named = f"{_registry()}/trigger"
    _write(pinned, [{"name": named, "newName": "mirror.example/trigger", "digest": DIGEST}])
    changed = _images(kustomize(pinned)) ^ _images(kustomize("k8s/overlays/production"))
    assert {image for image in changed if image.startswith("mirror")} == {f"mirror.example/trigger@{DIGEST}"}
    assert {image.rpartition(":")[0] for image in changed if not image.startswith("mirror")} == {named}


@pytest.mark.skipif(KUSTOMIZE is None, reason="there is no kustomize")
@pytest.mark.parametrize("to", [":9.8.7", f"@{DIGEST}"])
def test_every_image_is_set_by_kustomize(pinned: Path, to: str) -> None:
    given = [f"{_registry()}/{image}=mirror.example/team/{image}{to}" for image in IMAGES]
    subprocess.run([KUSTOMIZE or "", "edit", "set", "image", *given], cwd=pinned, check=True)
    assert _images(kustomize(pinned)) == {f"mirror.example/team/{image}{to}" for image in IMAGES}


def _registry() -> str:
    settings = (ROOT / "k8s/overlays/production/settings.env").read_text().splitlines()
    return next(line.removeprefix("REGISTRY=") for line in settings if line.startswith("REGISTRY="))


def _write(folder: Path, images: list[dict[str, str]]) -> None:
    place = folder / "kustomization.yaml"
    place.write_text(yaml.safe_dump(yaml.safe_load(place.read_text()) | {"images": images}))


def _images(found: Any) -> set[str]:
    """Every image that is named in what is rendered."""
    if isinstance(found, dict):
        own = {found["image"]} if isinstance(found.get("image"), str) else set[str]()
        return own.union(*map(_images, found.values()))
    return set[str]().union(*map(_images, found)) if isinstance(found, list | tuple) else set()
