from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from regraft_inference import batching
from regraft_inference.batching import Batcher
from regraft_inference.formats import Untyped


class Lengths:
    """Predicts the lengths of words; notes how many rows each call had."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, columns: Untyped) -> NDArray[Any]:
        words = columns["word"]
        self.calls.append(len(words))
        if "bad" in words:
            raise ValueError("a bad word")
        return np.array([len(word) for word in words])


async def ask(batcher: Batcher[Any], *requests: list[str]) -> list[Any]:
    asked = [batcher.predict({"word": words}) for words in requests]
    answers: list[Any] = await asyncio.gather(*asked, return_exceptions=True)
    return answers


def test_requests_of_one_moment_are_predicted_together_and_answered_each() -> None:
    lengths = Lengths()
    answers = asyncio.run(ask(Batcher(lengths), ["a", "bb"], ["ccc"], ["dddd", "e"]))
    assert [each.tolist() for each in answers] == [[1, 2], [3], [4, 1]]
    assert lengths.calls == [5]


def test_a_request_alone_is_a_batch() -> None:
    async def ask_in_turn() -> None:
        lengths = Lengths()
        batcher = Batcher(lengths)
        assert (await batcher.predict({"word": ["a"]})).tolist() == [1]
        assert (await batcher.predict({"word": ["bb"]})).tolist() == [2]
        assert lengths.calls == [1, 1]

    asyncio.run(ask_in_turn())


def test_only_the_request_that_fails_fails() -> None:
    good, bad, also_good = asyncio.run(ask(Batcher(Lengths()), ["a"], ["bad"], ["bb"]))
    assert (good.tolist(), also_good.tolist()) == ([1], [2])
    assert isinstance(bad, ValueError)


def test_a_client_that_has_gone_does_not_stop_the_others() -> None:
    async def leave() -> None:
        batcher = Batcher(Lengths())
        gone, stays = (asyncio.create_task(batcher.predict({"word": [word]})) for word in ("bad", "bb"))
        await asyncio.sleep(0)
        gone.cancel()
        assert (await stays).tolist() == [2]
        with pytest.raises(asyncio.CancelledError):
            await gone

    asyncio.run(leave())


def test_a_batch_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MOST_ROWS", 3)
    lengths = Lengths()
    answers = asyncio.run(ask(Batcher(lengths), ["a", "b"], ["c", "d"], ["e"]))
    assert [len(each) for each in answers] == [2, 2, 1]
    assert lengths.calls == [4, 1]
