"""Makes a Helm chart of k8s/overlays/production as it is: ``chart.py FOLDER``. ``settings.env`` becomes its values.

The overlay is rendered with a mark in the place of each setting, and each mark becomes a reference to a value: the
chart says what kustomize says, by construction. The Namespace is left out: k8s/scripts/secrets.sh makes it, with what
must be there before.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OVERLAY = "k8s/overlays/production"
SETTING = re.compile(r"^([A-Z0-9_]+)=(.*)$", re.MULTILINE)
NUMBERS = {"TRAIN_SECONDS", "WORKFLOW_TTL_SECONDS"}
"""Settings that stand where a manifest has a number."""

CHART = """apiVersion: v2
name: regraft
description: Regraft keeps a served model fit for its data
type: application
version: {version}
appVersion: {version}
kubeVersion: ">=1.30.0-0"
"""


def main(folder: Path) -> None:
    """Write the chart into a folder of its own."""
    settings = dict(SETTING.findall((ROOT / OVERLAY / "settings.env").read_text()))
    marks = {name: _mark(number, name) for number, name in enumerate(settings)}
    manifests = _render(marks)
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(CHART.format(version=_version()))
    (folder / "values.yaml").write_text(_values())
    for document in manifests.split("\n---\n"):
        kind, name = (re.search(rf"^{key}: (\S+)", document, re.MULTILINE) for key in ("kind", "  name"))
        if kind is None or name is None:
            raise SystemExit(f"no kind or name: {document[:200]}")
        if kind[1] == "Namespace":
            continue
        file = re.sub(r"[^a-z0-9.-]", "-", f"{kind[1]}-{_unmarked(name[1], marks)}".lower())
        (folder / "templates" / f"{file}.yaml").write_text(_template(document, marks) + "\n")


def _mark(number: int, name: str) -> str:
    return str(970000000 + number) if name in NUMBERS else f"mark{number:02d}mark"


def _render(marks: dict[str, str]) -> str:
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(ROOT / "k8s", Path(scratch) / "k8s", ignore=shutil.ignore_patterns("upstream.yaml"))
        lines = "".join(f"{name}={mark}\n" for name, mark in marks.items())
        (Path(scratch) / OVERLAY / "settings.env").write_text(lines)
        command = ["kubectl", "kustomize", str(Path(scratch) / OVERLAY)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.rstrip("\n")  # noqa: S603


def _template(document: str, marks: dict[str, str]) -> str:
    """Return a document as Helm's template: braces of Argo and KServe stand for themselves."""
    text = re.sub(r"\{\{|\}\}", lambda braces: '{{ "' + braces[0] + '" }}', document)
    for name, mark in marks.items():
        value = f".Values.{_key(name)}"
        if name in NUMBERS:
            text = text.replace(mark, f"{{{{ {value} | int }}}}")
            continue
        # A value that is all that stands there is quoted, for it may be a number, or nothing.
        text = re.sub(rf"(: |- )\"?{mark}\"?$", rf"\1{{{{ {value} | quote }}}}", text, flags=re.MULTILINE)
        text = text.replace(mark, f"{{{{ {value} }}}}")
    return text


def _values() -> str:
    """Return the settings as values, with their comments."""
    text = (ROOT / OVERLAY / "settings.env").read_text()

    def value(match: re.Match[str]) -> str:
        return f"{_key(match[1])}: {match[2] if match[1] in NUMBERS else json.dumps(match[2])}"

    return SETTING.sub(value, text)


def _key(name: str) -> str:
    first, *rest = name.lower().split("_")
    return first + "".join(word.capitalize() for word in rest)


def _unmarked(text: str, marks: dict[str, str]) -> str:
    for name, mark in marks.items():
        text = text.replace(mark, name.lower())
    return text


def _version() -> str:
    found = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    return found[1] if found else "0.0.0"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
