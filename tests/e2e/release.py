"""An earlier release of Regraft, as it was: its files out of the history of this repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]

FIRST = "60852eeb5f2748b9faa355cbcdbb8655e1e5a186"
"""The last commit of 0.1."""


def is_known(commit: str) -> bool:
    """Whether the history has it: a shallow clone has not, nor has what is no clone."""
    command = ["git", "cat-file", "-e", f"{commit}^{{commit}}"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def unpack(commit: str, folder: Path) -> Path:
    """Write the files of a commit into a folder, and return it."""
    folder.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "--extract", "--directory", str(folder)], input=archive, check=True)
    return folder


def set_tag(folder: Path, tag: str) -> None:
    """Have the overlay for kind name images of another tag than ``dev``."""
    path = folder / "k8s/overlays/kind/kustomization.yaml"
    path.write_text(re.sub(r"newTag: dev", f"newTag: {tag}", path.read_text()))
