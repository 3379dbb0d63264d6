"""Writes what each image holds besides Debian, as CycloneDX 1.6, one file an image: ``sbom.py FOLDER``."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
IMAGES = {"trigger": "trigger", "pipeline": "pipeline", "predictor": "inference", "mlflow": "mlflow"}
"""Name of an image, and of its lock."""

PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)(?:\[.*?\])?==([^ ;\\]+)(.*\n(?:[ ].*\n)*)", re.MULTILINE)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bill(image: str, lock: str) -> dict[str, object]:
    """Return the bill of an image from the text of its lock."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": f"regraft/{image}"}},
        "components": [_component(*match.groups()) for match in PINNED.finditer(lock)],
    }


def _component(name: str, version: str, rest: str) -> dict[str, object]:
    address = f"pkg:pypi/{name}@{version}"
    files = [
        {"type": "distribution", "url": address, "hashes": [{"alg": "SHA-256", "content": content}]}
        for content in HASH.findall(rest)
    ]
    return {
        "type": "library",
        "bom-ref": address,
        "name": name,
        "version": version,
        "purl": address,
        "externalReferences": files,
    }


def main(folder: Path) -> None:
    """Write a file for each image."""
    folder.mkdir(parents=True, exist_ok=True)
    for image, lock in IMAGES.items():
        text = (ROOT / "requirements" / f"{lock}.txt").read_text()
        (folder / f"{image}.cdx.json").write_text(json.dumps(bill(image, text), indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
