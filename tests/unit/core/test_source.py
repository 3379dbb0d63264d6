from __future__ import annotations

from pathlib import Path

import pytest

from regraft_core import layout
from regraft_core.errors import KeyReusedError
from regraft_core.source import forget_address, keep_address, whole_address
from regraft_core.stores.objects import FileStore

ADDRESS = "https://a.b/c.csv?sig=5ECRET42"


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path)


def test_an_address_is_kept_until_it_is_forgotten(store: FileStore) -> None:
    assert keep_address(store, "run-1", ADDRESS)
    assert whole_address(store, "run-1") == ADDRESS
    forget_address(store, "run-1")
    forget_address(store, "run-1")
    assert whole_address(store, "run-1") is None
    assert "5ECRET42" not in str(store.get(layout.source("run-1")))


def test_the_same_request_is_known_again_and_brings_no_secret_back(store: FileStore) -> None:
    keep_address(store, "run-1", ADDRESS)
    forget_address(store, "run-1")
    assert not keep_address(store, "run-1", ADDRESS)
    assert whole_address(store, "run-1") is None
    with pytest.raises(KeyReusedError):
        keep_address(store, "run-1", ADDRESS + "x")


def test_a_run_without_a_secret_has_nothing_to_forget(store: FileStore) -> None:
    forget_address(store, "run-1")
    assert whole_address(store, "run-1") is None
    assert list(store.keys("")) == []
