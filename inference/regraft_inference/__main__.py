"""``python -m regraft_inference`` starts the predictor; with ``STORAGE_URI`` it fetches the bundle from S3 first.

The options are those of ``regraft_inference.server``. With ``STORAGE_URI`` the task is the bundle's own.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

from regraft_core.errors import RegraftError
from regraft_core.logs import configure_logging, get_logger
from regraft_inference.settings import PredictorSettings
from regraft_inference.storage import fetch

log = get_logger("regraft_inference")


def main() -> None:
    """Become the server. What fetching needed is not in its memory."""
    arguments = sys.argv[1:]
    if uri := os.environ.get("STORAGE_URI"):
        arguments = [*_fetched(uri), *arguments]
    command = [sys.executable, "-m", "regraft_inference.server", *arguments]
    os.execv(sys.executable, command)  # noqa: S606  (ourselves; process id and signals stay the same)


def _fetched(uri: str) -> list[str]:
    """Fetch a bundle and return the server's options for it. Ends the process where that cannot be done."""
    settings = PredictorSettings()
    configure_logging(settings.log_level, human=settings.log_human)
    folder = Path(tempfile.mkdtemp(prefix="bundle-"))
    try:
        fetch(uri, folder)
    except RegraftError as error:
        log.critical("no bundle", uri=uri, code=error.code, reason=error.message)
        sys.exit(error.exit_code)
    log.info("bundle fetched", uri=uri)
    return ["--model_dir", str(folder), *_task_options(folder)]


def _task_options(folder: Path) -> list[str]:
    try:
        return ["--model_name", str(json.loads((folder / "bundle.json").read_bytes())["task"])]
    except (OSError, ValueError, KeyError, TypeError):
        return []  # the server checks the bundle, and tells at /health what is wrong with it


if __name__ == "__main__":
    main()
