"""What each measure does to the predictor's image, and how small the images are: ``python -m tests.bench.images``.

Builds every stage of ``images.Dockerfile`` and the images themselves with ``docker``, measures them, prints the tables
and puts them into docs/images.md. Start-up is from ``docker run`` to the first good ``/health`` (predictor: with a
bundle, as in the cluster: no root, a root file system that is read-only), the median of several starts in turn.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import httpx

from tests.bench import page
from tests.bench.material import write_trained_bundle
from tests.checker.stack import free_ports

ROOT = Path(__file__).parents[2]

STAGES = {
    "base": "Python base image alone",
    "naive": '`pip install "kserve[storage]" mlflow scikit-learn`',
    "asked-for": "what our packages ask for: no MLflow, of the clients of stores only S3",
    "imported": "the lock: of that, what is imported",
    "two-stages": "two stages: no build tools, no sources; bytecode of all that is installed",
    "stripped": "no tests, headers, debug information, parts that nothing imports",
    "no-bytecode": "the same without bytecode",
    "predictor": "bytecode of what a start imports: **the predictor**",
}
IMAGES = {"predictor": "inference", "trigger": "trigger-service", "pipeline": "pipeline"}

COMPRESSED: dict[str, int] = {}
"""Compressed sizes of the files of saved images, so that layers in common are compressed once."""

MEGABYTE = 1e6
CHUNK = 1 << 20
READY_SECONDS = 120.0
SERVER = [
    *("python", "-m", "regraft_inference.server", "--model_name", "passwords"),
    *("--model_dir", "/mnt/models", "--http_port"),
]
TRIGGER_SETTINGS = {
    "REGRAFT_BACKEND": "local",
    "REGRAFT_STORE_URL": "file:///tmp/bucket",
    "REGRAFT_DATABASE": "/tmp/regraft.db",
    "REGRAFT_HOST": "0.0.0.0",
}


@dataclass
class Image:
    """An image and what was measured of it."""

    name: str
    bytes: int
    pull_bytes: int
    starts: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> str:
        """Median start-up time for a table."""
        return f"{statistics.median(self.starts):.1f}" if self.starts else ""


def main() -> int:
    """Build, measure and write down."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.images", description=__doc__)
    parser.add_argument("--python-image", default="docker.io/library/python:3.12-slim-bookworm")
    parser.add_argument("--starts", type=int, default=3, help="starts of each image")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    stages = [build(stage, "tests/bench/images.Dockerfile", options, stage) for stage in STAGES if stage not in IMAGES]
    own = [build(name, f"{folder}/Dockerfile", options) for name, folder in IMAGES.items()]
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "bundle"
        write_trained_bundle(bundle)
        open_to_all(Path(folder))
        for _ in range(options.starts):
            for image in [*stages[1:], own[0]]:
                image.starts.append(start_predictor(image.name, bundle))
            own[1].starts.append(start_trigger(own[1].name))
    text = f"{measures_table([*stages, own[0]])}\n\n{images_table(stages, own)}\n"
    print(text)
    page.put(ROOT / "docs" / "images.md", "images", text)
    if options.json:
        options.json.write_text(json.dumps([vars(image) for image in [*stages, *own]], indent=1) + "\n")
    return 0


def build(name: str, dockerfile: str, options: argparse.Namespace, target: str | None = None) -> Image:
    """Build an image and return its sizes."""
    tag = f"regraft-study/{name}"
    print(f"building {tag}", file=sys.stderr, flush=True)
    wanted = ["--target", target] if target else []
    arguments = ["--build-arg", f"PYTHON_IMAGE={options.python_image}", *wanted, "--tag", tag]
    docker("build", "--quiet", "--file", dockerfile, *arguments, ".")
    size = int(docker("image", "inspect", "--format", "{{.Size}}", tag))
    return Image(tag, size, pull_size(tag))


def pull_size(image: str) -> int:
    """Return the bytes of an image as registries hold it: its layers, compressed by gzip's usual level."""
    size = 0
    with subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as save:
        assert save.stdout is not None
        with tarfile.open(fileobj=save.stdout, mode="r|") as archive:
            for member in archive:
                if member.isfile() and member.name not in COMPRESSED:  # a layer's name is its digest
                    content = archive.extractfile(member)
                    assert content is not None
                    COMPRESSED[member.name] = _compressed(content)
                size += COMPRESSED.get(member.name, 0)
    return size


def _compressed(content: IO[bytes]) -> int:
    compressor = zlib.compressobj(6)
    size = 0
    while chunk := content.read(CHUNK):
        size += len(compressor.compress(chunk))
    return size + len(compressor.flush())


def start_predictor(image: str, bundle: Path) -> float:
    """Return how long an image takes to answer for a bundle, seconds."""
    port = free_ports()[0]
    return start(image, port, ["--volume", f"{bundle}:/mnt/models:ro"], [*SERVER, str(port)])


def start_trigger(image: str) -> float:
    """Return how long the trigger service takes to be ready, seconds."""
    port = free_ports()[0]
    settings = [f"--env={name}={value}" for name, value in {**TRIGGER_SETTINGS, "REGRAFT_PORT": str(port)}.items()]
    return start(image, port, settings, [])


def start(image: str, port: int, settings: list[str], command: list[str]) -> float:
    """Start a container, wait until it answers, and remove it. Raises RuntimeError with its log where it does not."""
    began = time.monotonic()
    secure = ["--read-only", "--tmpfs", "/tmp", "--user", "10001:10001"]
    published = ["--publish", f"127.0.0.1:{port}:{port}"]
    container = docker("run", "--detach", *secure, *published, *settings, image, *command)
    try:
        while not _answers(f"http://127.0.0.1:{port}/health"):
            if time.monotonic() - began > READY_SECONDS:
                raise RuntimeError(f"{image} is not ready: {docker('logs', container)}")
            time.sleep(0.02)
        return time.monotonic() - began
    finally:
        docker("rm", "--force", container)


def measures_table(images: list[Image]) -> str:
    """Return the table of the measures; each row has all that the rows above it have."""
    base, naive = images[0], images[1]
    lines = [
        "| image | size, MB | above the base, MB | of the naive one's | pull, MB | start-up, s |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for image in images:
        above = image.bytes - base.bytes
        share = f"{above / (naive.bytes - base.bytes):.3f}" if above else ""
        lines.append(
            f"| {STAGES[image.name.partition('/')[2]]} | {image.bytes / MEGABYTE:.0f} | {above / MEGABYTE:.0f} "
            f"| {share} | {image.pull_bytes / MEGABYTE:.0f} | {image.seconds} |"
        )
    return "\n".join(lines)


def images_table(stages: list[Image], own: list[Image]) -> str:
    """Return the table of our images beside the naive one."""
    base, naive = stages[:2]
    lines = [
        "| our image | size, MB | above the base, MB | : naive | pull, MB | start-up, s |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for image in own:
        above = image.bytes - base.bytes
        ratio = above / (naive.bytes - base.bytes)
        lines.append(
            f"| {image.name.partition('/')[2]} | {image.bytes / MEGABYTE:.0f} | {above / MEGABYTE:.0f} "
            f"| {ratio:.3f} | {image.pull_bytes / MEGABYTE:.0f} | {image.seconds} |"
        )
    return "\n".join(lines)


def open_to_all(folder: Path) -> None:
    """Let the containers' user read a folder and all in it."""
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def docker(*arguments: str) -> str:
    """Run docker and return what it prints. Raises RuntimeError with what it says where it fails."""
    done = subprocess.run(["docker", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"docker {' '.join(arguments)}: {done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=2).is_success
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    sys.exit(main())
