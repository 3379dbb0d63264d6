"""What holds for all tests."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# Before numpy is imported: of small matrices, threads cost more than they do, the more so with a process on each core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says more of the machine than of the code.
settings.register_profile("short", deadline=None, max_examples=30)
settings.register_profile("long", deadline=None, max_examples=200)
settings.load_profile("short")

ROOMS = tuple(
    re.compile(files)
    for files in (
        r"tests/integration/(?!test_(predictor|pulled|standalone|trigger)\.py)",  # they start what they need themselves
        r"tests/unit/pipeline/(test_|registry/)",
        r"tests/unit/pipeline/gates/",
    )
)
"""How the files begin whose tests share what takes long to make: the stack; MLflow and a predictor; trained models."""


def room_of(file: str) -> int | None:
    """Return the number of the room that a file belongs to, if to any."""
    return next((number for number, room in enumerate(ROOMS) if room.match(file)), None)


class Rooms(LoadScopeScheduling):
    """A file's tests run in one process, and so do all of a room."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        room = room_of(file)
        return file if room is None else f"room {room}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Rooms:
    """Say which tests belong together where several processes share them."""
    return Rooms(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the tests that take longest: those of the rooms, then those of integration."""
    rooms = {file: room_of(file) for file in {item.nodeid.partition("::")[0] for item in items}}

    def place(item: pytest.Item) -> tuple[int, bool]:
        file = item.nodeid.partition("::")[0]
        room = rooms[file]
        return len(ROOMS) if room is None else room, not file.startswith("tests/integration/")

    items.sort(key=place)
