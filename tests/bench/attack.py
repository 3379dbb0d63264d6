"""What remains for good clients while others attack: ``python -m tests.bench.attack``.

One predictor with the limits it comes with, eight clients that ask without a pause (``wrk``), and 50 connections of an
attacker, all on the same two cores and unbound. Each round measures the clients alone and then beside one attack; the
attacker begins anew as soon as he is refused. Prints a table and puts it into docs/speed.md.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx

from tests.bench import page
from tests.bench.material import passwords, write_trained_bundle
from tests.checker.stack import free_ports

ROOT = Path(__file__).parents[2]
CONTENDERS = Path(__file__).parent / "contenders"

CONNECTIONS = 50
CLIENTS = 8
LEAST_SHARE = 0.5
LARGEST = 16 << 20
PIECE = b"a" * (64 << 10)
DRIP_SECONDS = 0.05
READY_SECONDS = 60.0
WARM_SECONDS = 1.0
"""How long an attack lasts before its clients are measured."""

HEAD = b"POST /predict HTTP/1.1\r\nHost: attacked\r\nContent-Type: application/json\r\n"


@dataclass(frozen=True)
class Attack:
    """What each of the attacker's connections sends: a beginning, and then pieces until it is answered."""

    name: str
    begin: bytes
    piece: bytes = b""
    pause: float = 0.0
    expected: tuple[str, ...] = ()
    """Statuses that say that it is refused; "closed" is a connection that is taken away without a word."""
    settings: dict[str, str] = field(default_factory=dict)
    """Limits that let the attack be seen within a round."""


@dataclass
class Found:
    """Rates of the clients in each round, alone and beside the attack, and what the attacker was told."""

    alone: list[float] = field(default_factory=list)
    beside: list[float] = field(default_factory=list)
    slowest: float = 0.0
    failed: int = 0
    told: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """Share of the rate that remains, median over the rounds."""
        return statistics.median(beside / alone for alone, beside in zip(self.alone, self.beside, strict=True))


def attacks() -> list[Attack]:
    """Return what is tried: one for each bound, and a small body that is large when it is unpacked."""
    large = _records(LARGEST)
    packed = gzip.compress(large)
    return [
        Attack("headers without end", b"GET / HTTP/1.1\r\nHost: attacked\r\nX: ", PIECE, expected=("431",)),
        Attack(
            "requests that drip",
            HEAD + b"Content-Length: 1000\r\n\r\n",
            b"a",
            DRIP_SECONDS,
            expected=("408",),
            settings={"REGRAFT_REQUEST_SECONDS": "1"},
        ),
        Attack("bodies over the limit", _sized(LARGEST * 4), PIECE, expected=("413",)),
        Attack("bodies of 16 MiB", _sized(len(large)) + large, expected=("400", "503")),
        Attack(
            "a gzip of 16 MiB",
            HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed,
            expected=("400", "503"),
        ),
        Attack(
            "more connections than there may be",
            b"",
            expected=("closed", "408"),
            settings={"REGRAFT_MAX_CONNECTIONS": "40"},
        ),
    ]


def _records(size: int) -> bytes:
    """Return rows that no contract knows, as many as have room in a body of this size."""
    begin, row, end = b'{"instances":[', b'{"a":0}', b"]}"
    count = (size - len(begin) - len(end) + 1) // (len(row) + 1)
    return begin + b",".join([row] * count) + end


def _sized(length: int) -> bytes:
    return HEAD + b"Content-Length: %d\r\n\r\n" % length


async def attack(one: Attack, port: int) -> None:
    """Attack until the process is ended; prints a word as it begins, and what the server said to each connection."""
    print("begun", flush=True)
    await asyncio.gather(*(_again_and_again(one, port) for _ in range(CONNECTIONS)))


async def _again_and_again(one: Attack, port: int) -> None:
    while True:
        said = "closed"
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                said = await _attacked(one, reader, writer)
            finally:
                writer.close()
        print(said, flush=True)


async def _attacked(one: Attack, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """Send what the attack sends, and return the status of the answer."""
    sending = asyncio.create_task(_sent(one, writer))
    try:
        head = await reader.read(1 << 16)
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
    return head.split()[1].decode() if head else "closed"


async def _sent(one: Attack, writer: asyncio.StreamWriter) -> None:
    writer.write(one.begin)
    await writer.drain()
    while one.piece:
        writer.write(one.piece)
        await writer.drain()
        await asyncio.sleep(one.pause)


@contextmanager
def serving(bundle: Path, settings: dict[str, str], log: Path) -> Iterator[int]:
    """Serve a bundle, and lend the port."""
    port = free_ports()[1]
    environment = os.environ | {"REGRAFT_FIT_PORT": "0"} | settings
    command = [sys.executable, "-m", "regraft_inference.server", "--model_dir", str(bundle), "--host", "127.0.0.1"]
    with log.open("ab") as file:
        server = subprocess.Popen(
            [*command, "--http_port", str(port)],
            stdout=file,
            stderr=file,
            env=environment,
        )
    try:
        end = time.monotonic() + READY_SECONDS
        while not _answers(port):
            if server.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the predictor does not answer:\n{log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.05)
        yield port
    finally:
        server.terminate()
        server.wait()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).is_success
    except httpx.TransportError:
        return False


@contextmanager
def attacking(one: Attack, port: int, told: Counter[str]) -> Iterator[None]:
    """Let another process attack while the block runs; ``told`` counts what it was answered."""
    command = [sys.executable, "-m", "tests.bench.attack", "--attack", one.name, "--port", str(port)]
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(command, stdout=said, cwd=ROOT)
        try:
            _wait_for_word(said, process)
            time.sleep(WARM_SECONDS)
            yield
            if process.poll() is not None:
                raise SystemExit(f"the attacker of {one.name!r} has ended")
        finally:
            process.kill()
            process.wait()
        said.seek(0)
        told.update(said.read().split()[1:])


def _wait_for_word(said: IO[str], process: subprocess.Popen[bytes]) -> None:
    """Wait until the attacker has begun."""
    end = time.monotonic() + READY_SECONDS
    while os.fstat(said.fileno()).st_size == 0:
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit("the attacker does not begin")
        time.sleep(0.05)


def ask(port: int, body: Path, seconds: float) -> tuple[float, float, int]:
    """Ask without a pause; returns predictions a second, the slowest of a hundred in milliseconds, failures."""
    command = ["wrk", "--threads", "1", "--connections", str(CLIENTS), "--duration", f"{seconds:.0f}s"]
    command += ["--timeout", "30s", "--script", str(CONTENDERS / "load.lua")]
    command += [f"http://127.0.0.1:{port}/predict", "--", str(body), "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    return found["requests"] / found["seconds"], 1000 * found["p99"], found["errors"]


def measure(one: Attack, bundle: Path, folder: Path, rounds: int, seconds: float) -> Found:
    """Measure the clients alone and beside an attack, in turns."""
    body = folder / "body.json"
    body.write_text(json.dumps({"Password": passwords(1)}))
    found = Found()
    with ExitStack() as stack:
        port = stack.enter_context(serving(bundle, one.settings, folder / "log"))
        for _ in range(rounds):
            rate, _, failed = ask(port, body, seconds)
            found.alone.append(rate)
            found.failed += failed
            with attacking(one, port, found.told):
                rate, slow, failed = ask(port, body, seconds)
            found.beside.append(rate)
            found.slowest = max(found.slowest, slow)
            found.failed += failed
    return found


def table(found: dict[str, Found]) -> str:
    """Return what was measured, as a table of Markdown."""
    columns = ("alone: requests/s", "beside it", "remains", "p99 beside it, ms", "failed", "the attacker was told")
    lines = [
        f"| attack, {CONNECTIONS} connections | {' | '.join(columns)} |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for name, one in found.items():
        told = ", ".join(f"{said} {count:,} times" for said, count in one.told.most_common(3))
        alone, beside = statistics.median(one.alone), statistics.median(one.beside)
        lines.append(
            f"| {name} | {alone:,.0f} | {beside:,.0f} | {one.share:.0%} | {one.slowest:.1f} | {one.failed} | {told} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Measure, print, write down. The exit code is 0 only if half of the rate remains everywhere and nothing failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.attack", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4, help="length of a round")
    parser.add_argument("--only", default="", metavar="TEXT", help="only attacks whose names have this")
    parser.add_argument("--no-page", action="store_true", help="leave docs/speed.md as it is")
    parser.add_argument("--attack", help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        asyncio.run(attack(next(one for one in attacks() if one.name == options.attack), options.port))
    if shutil.which("wrk") is None:
        raise SystemExit("this bench needs wrk: apt-get install wrk (Debian, Ubuntu), brew install wrk (macOS)")
    with tempfile.TemporaryDirectory(prefix="regraft-bench-") as name:
        folder = Path(name)
        write_trained_bundle(folder / "bundle")
        wanted = [one for one in attacks() if options.only in one.name]
        found = {one.name: measure(one, folder / "bundle", folder, options.rounds, options.seconds) for one in wanted}
    text = table(found)
    print(text)
    if not options.no_page and not options.only:
        page.put(ROOT / "docs" / "speed.md", "attack", text)
    refused = all(set(found[one.name].told) & set(one.expected) for one in wanted)
    held = all(one.share >= LEAST_SHARE and not one.failed for one in found.values())
    return 0 if held and refused else 1


if __name__ == "__main__":
    sys.exit(main())
