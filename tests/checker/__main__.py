"""Play the checker against an installation of which two URLs are known: ``python -m tests.checker --help``."""

from __future__ import annotations

import argparse
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.checker import datasets
from tests.checker.client import CheckError, Service
from tests.checker.cycles import COURSE, Course
from tests.checker.datasets import DatasetServer
from tests.checker.report import make_console, play_course, print_summary

ANYWHERE = "192.0.2.1"  # of the block that RFC 5737 keeps for documentation: nothing is sent to it
LOOPBACK = "127.0.0.1"
IN_CLUSTER = "http://datasets.regraft-datasets"
"""Where an installation by `make up` has the same datasets, for clusters that cannot reach this machine."""


def main() -> int:
    """Check, and return the exit code: 0 only if all was as it should be."""
    arguments = _parse()
    console = make_console()
    with Service(arguments.trigger, arguments.predict, token=arguments.token) as service:
        try:
            with _data(arguments.data, service, arguments.seed, arguments.timeout) as base_url:
                console.print(f"datasets of seed {arguments.seed} from {base_url}", highlight=False)
                course = Course(service, base_url, seed=arguments.seed, timeout=arguments.timeout)
                outcomes = play_course(course, COURSE, console)
        except CheckError as error:
            console.print(f"[red]FAIL[/] {error}", soft_wrap=True, highlight=False)
            return 1
    print_summary(outcomes, console)
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.checker",
        description="Post good and bad datasets and hold predictions against what is right.",
    )
    parser.add_argument("--trigger", required=True, metavar="URL", help="such as http://localhost:8000/trigger")
    parser.add_argument("--predict", required=True, metavar="URL", help="such as http://localhost:8080/predict")
    parser.add_argument(
        "--data", metavar="URL", help="where tests.checker.datasets serves already; default: serve them from here"
    )
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(1_000_000), help="of the datasets; default: random"
    )
    parser.add_argument("--timeout", type=float, default=600, help="seconds that a run may take; default: 600")
    parser.add_argument(
        "--token", default=os.environ.get("REGRAFT_TRIGGER_TOKEN"), help="default: REGRAFT_TRIGGER_TOKEN"
    )
    return parser.parse_args()


@contextmanager
def _data(url: str | None, service: Service, seed: int, timeout: float) -> Iterator[str]:
    """Give the address of the datasets, served from here where there is none yet."""
    if url:
        yield url
        return
    with datasets.serving("0.0.0.0") as server:
        yield _reachable(server, service, seed, timeout)


def _reachable(server: DatasetServer, service: Service, seed: int, timeout: float) -> str:
    """Return the address under which the service finds the datasets; a drifted one finds that out.

    A service in a cluster does not find this machine under a loopback address, one on this machine may allow no other.
    """
    hosts = _own_addresses(urlsplit(service.trigger_url).hostname or LOOPBACK)
    for base_url in [*(f"http://{host}:{server.port}" for host in hosts), IN_CLUSTER]:
        run = service.wait(service.trigger(f"{base_url}/drifted.csv?seed={seed}"), timeout=timeout)
        if server.asked or run.state == "rejected":
            return base_url
    raise CheckError(
        f"the service cannot get datasets from this machine ({', '.join(hosts)}): {run.message}; "
        "allow one of these hosts by REGRAFT_ALLOW_PRIVATE_HOSTS, or name another server by --data"
    )


def _own_addresses(peer: str) -> list[str]:
    """Return this machine's addresses, first the one that faces the peer, or the default route for a local peer."""
    addresses = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            local = socket.gethostbyname(peer).startswith("127.")
            probe.connect((ANYWHERE if local else peer, 9))
            addresses.append(probe.getsockname()[0])
        except OSError:
            pass  # no such name, or no route: the loopback address is left
    return list(dict.fromkeys([*addresses, LOOPBACK]))


if __name__ == "__main__":
    sys.exit(main())
