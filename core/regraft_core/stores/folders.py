"""Folders of files in an object store: bundles and artifacts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import unquote, urlsplit

from regraft_core.codes import Code
from regraft_core.errors import RegraftError
from regraft_core.stores.objects import ObjectStore, open_store


@dataclass(frozen=True)
class Folder:
    """All objects whose keys begin with a prefix that ends with a slash."""

    store: ObjectStore
    prefix: str

    @classmethod
    def at(cls, uri: str, *, endpoint_url: str | None = None) -> Self:
        """Open the folder at ``file:///PATH`` or ``s3://BUCKET/PREFIX``."""
        parts = urlsplit(uri)
        prefix = unquote(parts.path).strip("/") + "/"
        if parts.scheme not in ("file", "s3"):
            raise RegraftError(
                f"{uri} cannot be written to directly: start the MLflow server with --no-serve-artifacts and "
                "an artifact root of file:// or s3://",
                code=Code.ARTIFACT_ROOT_UNUSABLE,
            )
        root = "file:///" if parts.scheme == "file" else f"s3://{parts.netloc}"
        return cls(open_store(root, endpoint_url=endpoint_url), prefix)

    def upload(self, path: Path) -> None:
        """Write all files below a local folder."""
        for file in sorted(path.rglob("*")):
            if file.is_file():
                self.store.put_file(self.prefix + file.relative_to(path).as_posix(), file)

    def exists(self) -> bool:
        """Whether there is anything in it."""
        return next(iter(self.store.keys(self.prefix)), None) is not None

    def download(self, path: Path) -> None:
        """Write all objects below a local folder.

        Raises RegraftError: ``folder_missing`` where there are none, ``object_outside`` where one would be written
        elsewhere; then nothing is written.
        """
        keys = list(self.store.keys(self.prefix))
        if not keys:
            raise RegraftError(f"there is nothing at {self.store.uri(self.prefix)}", code=Code.FOLDER_MISSING)
        targets = {key: inside(path, key.removeprefix(self.prefix)) for key in keys if not key.endswith("/")}
        for key, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            self.store.get_file(key, target)


def inside(folder: Path, name: str) -> Path:
    """Return the path of an object in a folder. Raises RegraftError (``object_outside``) where it leads elsewhere."""
    parts = name.split("/")
    if any(part in ("", ".", "..") or "\0" in part for part in parts):
        raise RegraftError(f"the object {name!r} would leave the folder that it is copied to", code=Code.OBJECT_OUTSIDE)
    return folder.joinpath(*parts)
