"""The versions that the page offers for a rollback."""

from datetime import UTC, datetime, timedelta

import anyio

from regraft_core.serving import Serving
from regraft_core.versions import Service, VersionShown
from regraft_trigger.earlier import Earlier

START = datetime(2026, 1, 31, tzinfo=UTC)


def shown(version: str, *served: int, serving: bool = False) -> VersionShown:
    times = [Service(since=START + timedelta(hours=hour), run_id="run-1", kind="train") for hour in served]
    return VersionShown(version=version, serving=serving, served=times)


def serving(version: str) -> Serving:
    return Serving(task="passwords", version=version, run_id="run-1", uri="file:///", since=START)


def test_what_has_served_is_offered_the_last_first_and_read_once_for_each_version_in_service() -> None:
    asked: list[str] = []
    versions = [shown("4", 4, serving=True), shown("3"), shown("2", 2), shown("1", 3, 1)]

    async def read(task: str) -> list[VersionShown]:
        asked.append(task)
        return versions

    async def course() -> None:
        earlier = Earlier(read)
        for _ in range(3):
            assert [one.version for one in await earlier.than(serving("4"))] == ["1", "2"]
        assert asked == ["passwords"]
        # What came into service a moment ago has no record yet: it is asked again.
        assert [one.version for one in await earlier.than(serving("5"))] == ["4", "1", "2"]
        await earlier.than(serving("5"))
        assert len(asked) == 3

    anyio.run(course)
