"""Where uv is: the one that set the project up, not the shim of a version manager, which works in some folders only."""

from __future__ import annotations

import shutil
from pathlib import Path

OURS = Path(__file__).parents[1] / ".tools" / "bin"
UV = shutil.which("uv", path=OURS) or shutil.which("uv") or "uv"
