"""What a step may take, wherever it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MINUTE = 60


@dataclass(frozen=True)
class Limits:
    """``seconds`` after which the step is stopped, and the memory it is given, in MiB: asked for, and at most."""

    seconds: int = 10 * MINUTE
    memory: int = 256
    most_memory: int = 1024
    cpu: str = "100m"


LIMITS: Mapping[str, Limits] = {
    "download": Limits(seconds=20 * MINUTE),
    "validate": Limits(),
    "train": Limits(seconds=60 * MINUTE, memory=512, most_memory=2048, cpu="250m"),
    "register": Limits(),
    "deploy": Limits(seconds=30 * MINUTE),
    "record": Limits(),
}
