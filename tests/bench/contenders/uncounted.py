"""The predictor as it would be if it counted nothing of what it is asked: ``python uncounted.py OPTIONS``."""

from __future__ import annotations

from regraft_inference.fit.counter import VersionCounter
from regraft_inference.server import main

VersionCounter.saw = lambda *_: None  # type: ignore[method-assign]

if __name__ == "__main__":
    main()
