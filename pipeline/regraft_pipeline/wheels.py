"""Wheels of installed packages of ours, made again from what is installed: no build tool and no index is asked."""

from __future__ import annotations

import base64
import hashlib
import importlib.util
import zipfile
from importlib.metadata import distribution
from pathlib import Path

TAG = "py3-none-any"
MOMENT = (1980, 1, 1, 0, 0, 0)
"""Of every file, so that the same package gives the same wheel."""


def write_wheel(name: str, folder: Path) -> Path:
    """Write the wheel of an installed package of pure Python, editable or not, and return its path.

    The package has the distribution's name with underscores.
    """
    found, package = distribution(name), name.replace("-", "_")
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError(f"there is no package {package}")
    root = Path(spec.submodule_search_locations[0])
    stem = f"{package}-{found.version}"
    files = {
        f"{package}/{path.relative_to(root).as_posix()}": path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }
    info = f"{stem}.dist-info"
    files[f"{info}/METADATA"] = (found.read_text("METADATA") or "").encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: regraft\nRoot-Is-Purelib: true\nTag: {TAG}\n".encode()
    if entries := found.read_text("entry_points.txt"):
        files[f"{info}/entry_points.txt"] = entries.encode()
    lines = [f"{path},sha256={_digest(content)},{len(content)}" for path, content in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    path = folder / f"{stem}-{TAG}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, content in files.items():
            entry = zipfile.ZipInfo(member, MOMENT)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            wheel.writestr(entry, content)
    return path


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
