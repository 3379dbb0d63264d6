"""What kustomize makes of the folders of k8s/, by the kubectl of this machine."""

from __future__ import annotations

import functools
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]

Object = dict[str, Any]

needs_kubectl = pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl")


@functools.cache
def kustomize(folder: Path | str) -> tuple[Object, ...]:
    """Return the objects that a folder with a kustomization stands for."""
    command = ["kubectl", "kustomize", "--load-restrictor", "LoadRestrictionsNone", str(ROOT / folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.load_all(done.stdout, yaml.CSafeLoader))


def of_kind(objects: tuple[Object, ...], kind: str) -> list[Object]:
    return [each for each in objects if each["kind"] == kind]


def name_of(each: Object) -> str:
    name: str = each["metadata"]["name"]
    return name
