"""Every image can be built on both kinds of machine: each lock has a wheel for each, and none is built from source."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.uv import UV

ROOT = Path(__file__).parents[3]
REQUIREMENTS = ROOT / "requirements"
PLATFORMS = {"linux/amd64": "x86_64-manylinux_2_28", "linux/arm64": "aarch64-manylinux_2_28"}
OF_NO_IMAGE = {"bench-tables.txt", "bench-rivals.txt", "bench-servers.txt"}
"""Packages of tables, which a bench alone installs; some of them, of Python alone, have no wheel."""


def resolve(lock: Path, platform: str, folder: Path) -> subprocess.CompletedProcess[str]:
    # In a folder of its own, where the workspace's overrides do not reach: pip knows none either.
    options = ["--only-binary", ":all:", "--no-deps", "--target", str(folder / "none"), "--python", sys.executable]
    command = [UV, "pip", "install", "--quiet", "--dry-run", "--python-platform", PLATFORMS[platform], *options]
    return subprocess.run([*command, "-r", str(lock)], cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("lock", sorted({path.name for path in REQUIREMENTS.glob("*.txt")} - OF_NO_IMAGE))
def test_every_lock_has_wheels(lock: str, platform: str, tmp_path: Path) -> None:
    done = resolve(REQUIREMENTS / lock, platform, tmp_path)
    if any(sign in done.stderr for sign in ("Failed to fetch", "error sending request", "dns error")):
        pytest.skip("the package index cannot be reached")
    assert done.returncode == 0, done.stderr


def test_a_lock_without_wheels_is_seen(tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("psutil==5.9.8\n")
    done = resolve(lock, "linux/arm64", tmp_path)
    if "Failed to fetch" in done.stderr or "error sending request" in done.stderr:
        pytest.skip("the package index cannot be reached")
    assert "no usable wheels" in done.stderr
