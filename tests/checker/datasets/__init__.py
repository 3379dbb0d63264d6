"""Datasets to put a continuously trained service to the test: good ones, bad ones and broken ones, the same for a seed.

Standard library only, and imported from where it stands, so that this folder also runs alone as a web server:
``python -m datasets --port 8000`` serves ``GET /{name}.csv?seed=N`` and, at ``/``, the list of names.
"""

from __future__ import annotations

from . import passwords, patients
from .making import MAKERS, Sample, to_csv
from .passwords import drifted, good, header_only, shuffled_labels
from .patients import HEART_HEADER
from .server import BROKEN_TRANSPORTS, CSV, DatasetServer, serving

__all__ = [
    "BROKEN_TRANSPORTS",
    "CSV",
    "HEART_HEADER",
    "MAKERS",
    "DatasetServer",
    "Sample",
    "drifted",
    "good",
    "header_only",
    "own",
    "passwords",
    "serving",
    "shuffled_labels",
    "to_csv",
    "unseen",
]


def own(name: str, seed: int) -> Sample:
    """Return the rows of a good dataset as a request, with their targets."""
    if name == "heart_good":
        return patients.sample_of(patients.drawn(seed))
    rows = passwords.family(name, seed).rows()
    return Sample({"Password": [password for password, _ in rows]}, [float(times) for _, times in rows])


def unseen(name: str, seed: int, count: int = 500) -> Sample:
    """Return rows of the same kind as a good dataset's that are not in it; passwords with a telling letter."""
    if name == "heart_good":
        return patients.sample_of(patients.drawn(seed + 1_000_003, count=count))
    return passwords.family(name, seed).unseen(count)
