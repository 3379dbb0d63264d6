from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from regraft_core.errors import RegraftError
from regraft_core.stores.folders import Folder, inside
from regraft_core.stores.objects import FileStore


class _Store(FileStore):
    """A store that holds what somebody else has put there: keys need not be the names of files."""

    def __init__(self, keys: list[str]) -> None:
        super().__init__(Path("/nowhere"))
        self._keys = keys

    def keys(self, prefix: str, *, after: str = "") -> Iterator[str]:
        return iter(key for key in self._keys if key.startswith(prefix) and key > after)

    def get_file(self, key: str, path: Path) -> None:
        path.write_text(key)


@pytest.mark.parametrize("name", ["", "/etc/x", "../x", "a/../../x", "a//x", "a/./x", "..", "a/\0"])
def test_what_would_leave_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(RegraftError) as caught:
        inside(tmp_path, name)
    assert caught.value.code == "object_outside"


def test_nothing_is_written_where_one_object_would_be_outside(tmp_path: Path) -> None:
    target = tmp_path / "outside"
    store = _Store(["p/a", f"p/{target}", "p/../b"])
    with pytest.raises(RegraftError):
        Folder(store, "p/").download(tmp_path / "folder")
    assert list(tmp_path.iterdir()) == []


def test_folders_as_consoles_make_them_are_left_out(tmp_path: Path) -> None:
    Folder(_Store(["p/", "p/a/", "p/a/b"]), "p/").download(tmp_path / "folder")
    assert [path.name for path in (tmp_path / "folder").rglob("*") if path.is_file()] == ["b"]
