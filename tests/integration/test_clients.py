"""Clients of other people, each as it comes from its registry: all of them get the right answers for both tasks."""

from __future__ import annotations

import asyncio
import gzip
import importlib
import json
import os
import shutil
import subprocess
import urllib.request
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import aiohttp
import httpx
import numpy as np
import pandas as pd
import pytest
import requests
import tritonclient.http as triton
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

from tests.unit.inference.bundles import HEART_ANSWERS, HEART_ROWS, write_heart_bundle, write_passwords_bundle
from tests.unit.inference.serving import serving

pytestmark = [
    pytest.mark.filterwarnings("ignore:ORJSONResponse is deprecated"),  # KServe still uses it
    pytest.mark.filterwarnings("ignore:.*type hint:UserWarning"),  # MLflow, of its own types, at its import
]

JAVA = shutil.which("java")
CURL = shutil.which("curl")
GO = shutil.which("go")
NODE = shutil.which("node")
PROGRAMS = Path(__file__).parent / "clients"


@dataclass(frozen=True)
class Asked:
    """What is asked of a task, and what is right."""

    task: str
    columns: dict[str, list[Any]]
    types: dict[str, str]
    target: str
    answers: list[float]

    @property
    def json(self) -> str:
        return json.dumps(self.columns)

    @property
    def frame(self) -> pd.DataFrame:
        return pd.DataFrame(self.columns)

    @property
    def records(self) -> list[dict[str, Any]]:
        return [dict(zip(self.columns, row, strict=True)) for row in zip(*self.columns.values(), strict=True)]


PASSWORDS = Asked("passwords", {"Password": ["hunter2", "пароль"]}, {"Password": "BYTES"}, "Times", [1.5, 1.5])
HEART = Asked(
    "heart-disease",
    HEART_ROWS,
    {"age": "INT64", "sex": "INT64", "oldpeak": "FP64"},
    "condition",
    [float(answer) for answer in HEART_ANSWERS],
)


@dataclass(frozen=True)
class Address:
    """Where a predictor listens, and the folder of the clients that are compiled, each once."""

    port: int
    compiled: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def of(self, asked: Asked) -> str:
        return f"{self.url}/{asked.task}/predict"


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(scope="module", params=["fast", "plain"])
def predictor(
    request: pytest.FixtureRequest, compiled: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Address]:
    """A predictor on a port of its own, with the short cut and without it."""
    folder = tmp_path_factory.mktemp("models")
    write_passwords_bundle(folder / "passwords", answer=1.5, version="7")
    write_heart_bundle(folder / "heart-disease", version="3")
    with serving(folder, fast=request.param == "fast") as port:
        yield Address(port, compiled)


def ask_urllib(at: Address, asked: Asked) -> Any:
    with urllib.request.urlopen(at.of(asked), asked.json.encode()) as answer:  # a form, by its content type
        return json.load(answer)[asked.target]


def ask_requests(at: Address, asked: Asked) -> Any:
    return requests.post(at.of(asked), json=asked.records, timeout=20).json()[asked.target]


def ask_httpx(at: Address, asked: Asked) -> Any:
    return httpx.post(f"{at.of(asked)}/", json=asked.columns, follow_redirects=True).json()[asked.target]


def ask_packed(at: Address, asked: Asked, *, coding: str) -> Any:
    body = asked.json.encode()
    packed = gzip.compress(body) if coding == "gzip" else zlib.compress(body)
    return requests.post(at.of(asked), packed, headers={"Content-Encoding": coding}, timeout=20).json()[asked.target]


def ask_in_pieces(at: Address, asked: Asked) -> Any:
    """Send a body without a length, as a generator gives it."""
    pieces = (sign.encode() for sign in asked.json)
    return requests.post(at.of(asked), pieces, timeout=20).json()[asked.target]


def ask_aiohttp(at: Address, asked: Asked) -> Any:
    async def ask() -> Any:
        async with aiohttp.ClientSession() as client:
            answer = await client.post(at.of(asked), json=asked.columns, expect100=True, compress="deflate")
            return (await answer.json())[asked.target]

    return asyncio.run(ask())


def ask_curl(at: Address, asked: Asked, *options: str) -> Any:
    command = [str(CURL), "--silent", "--show-error", *options, at.of(asked), "--data", asked.json]
    return json.loads(subprocess.run(command, capture_output=True, check=True, timeout=30).stdout)[asked.target]


def ask_curl_file(at: Address, asked: Asked, *, coding: str | None = None) -> Any:
    """Post a file as it is, as ``--data-binary @FILE`` does, packed or not."""
    body = asked.json.encode()
    options = ["--header", f"Content-Encoding: {coding}"] if coding else []
    command = [str(CURL), "--silent", "--show-error", *options, at.of(asked), "--data-binary", "@-"]
    packed = gzip.compress(body) if coding else body
    answer = subprocess.run(command, input=packed, capture_output=True, check=True, timeout=30).stdout
    return json.loads(answer)[asked.target]


def ask_program(at: Address, asked: Asked, *command: str) -> Any:
    """Run a program of another language, which asks twice on one connection."""
    whole = [*command, at.of(asked), asked.json]
    ran = subprocess.run(whole, capture_output=True, check=True, timeout=100)
    first, second = ran.stdout.splitlines()
    assert first == second
    return json.loads(second)[asked.target]


def compile_once(result: Path, *command: str, variables: Mapping[str, str] = MappingProxyType({})) -> None:
    if not result.exists():
        subprocess.run(command, capture_output=True, check=True, timeout=300, env={**os.environ, **variables})


def ask_java(at: Address, asked: Asked) -> Any:
    compiler = ("-m", "jdk.compiler/com.sun.tools.javac.Main", "-d", str(at.compiled))
    quick = (str(JAVA), "-Xshare:auto", "-XX:TieredStopAtLevel=1")
    compile_once(at.compiled / "Ask.class", *quick, *compiler, str(PROGRAMS / "Ask.java"))
    return ask_program(at, asked, *quick, "-classpath", str(at.compiled), "Ask")


def ask_go(at: Address, asked: Asked) -> Any:
    program = at.compiled / "ask"
    variables = {"GO111MODULE": "off", "GOTOOLCHAIN": "local"}
    compile_once(program, str(GO), "build", "-o", str(program), str(PROGRAMS / "ask.go"), variables=variables)
    return ask_program(at, asked, str(program))


def ask_node(at: Address, asked: Asked) -> Any:
    return ask_program(at, asked, str(NODE), str(PROGRAMS / "ask.mjs"))


def ask_mlflow(at: Address, asked: Asked) -> Any:
    """MLflow's client knows one model for a server; with a task before it, ours has several."""
    client = importlib.import_module("mlflow.pyfunc.scoring_server.client").ScoringServerClient("127.0.0.1", at.port)
    client.ping()
    assert client.get_version().count(".") == 2
    client.url_prefix = f"{at.url}/{asked.task}"
    frame = asked.frame
    reordered = frame[[*reversed(frame.columns)]]
    answers = [client.invoke(data).get_predictions()[0].tolist() for data in (frame, reordered)]
    assert answers[0] == answers[1] == client.invoke(frame, params={"unknown": 1}).get_predictions()[0].tolist()
    return answers[0]


def ask_triton(at: Address, asked: Asked, *, binary: bool, version: str = "", coding: str | None = None) -> Any:
    client = triton.InferenceServerClient(f"127.0.0.1:{at.port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(asked.task, version)
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata(asked.task, version)
    inputs = []
    for tensor in metadata["inputs"]:
        values = np.array(asked.columns[tensor["name"]], dtype=triton.triton_to_np_dtype(tensor["datatype"]))
        found = triton.InferInput(tensor["name"], [len(values)], tensor["datatype"])
        found.set_data_from_numpy(values, binary_data=binary)
        inputs.append(found)
    output = triton.InferRequestedOutput(metadata["outputs"][0]["name"], binary_data=binary)
    answer = client.infer(
        asked.task,
        inputs,
        version,
        outputs=[output],
        request_id="mine",
        request_compression_algorithm=coding,
        response_compression_algorithm=coding,
    )
    assert answer.get_response()["id"] == "mine"
    with pytest.raises(triton.InferenceServerException, match="there is nothing at"):
        client.infer("nothing", inputs)
    client.close()
    return answer.as_numpy(asked.target).tolist()


def ask_triton_version(at: Address, asked: Asked) -> Any:
    serving = httpx.get(f"{at.url}/{asked.task}/health").headers["Regraft-Model-Version"]
    return ask_triton(at, asked, binary=True, version=serving)


def ask_kserve_v1(at: Address, asked: Asked) -> Any:
    async def ask() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol="v1"))
        answer = await client.infer(at.url, {"instances": asked.records}, asked.task)
        await client.close()
        return answer["predictions"]

    return asyncio.run(ask())


def ask_kserve_v2(at: Address, asked: Asked) -> Any:
    inputs = [InferInput(name, [len(values)], asked.types[name], data=values) for name, values in asked.columns.items()]

    async def ask() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol="v2"))
        assert await client.is_server_ready(at.url)
        assert await client.is_model_ready(at.url, asked.task)
        answer = await client.infer(at.url, InferRequest(asked.task, inputs), asked.task)
        await client.close()
        return answer.outputs[0].data

    return asyncio.run(ask())


needs_java = pytest.mark.skipif(JAVA is None, reason="there is no JDK here")
needs_go = pytest.mark.skipif(GO is None, reason="there is no Go here")
needs_node = pytest.mark.skipif(NODE is None, reason="there is no Node here")
needs_curl = pytest.mark.skipif(CURL is None, reason="there is no curl here")

CURL_OPTIONS = {
    "a form": ["--http1.1"],
    "upgrade to h2c": ["--http2"],
    "HTTP/1.0": ["--http1.0"],
    "waits for 100": ["--header", "Expect: 100-continue"],
    "chunks": ["--header", "Transfer-Encoding: chunked"],
    "no headers": ["--header", "Content-Type:", "--header", "User-Agent:", "--header", "Accept:"],
    "answers packed": ["--compressed"],
}

CLIENTS = [
    pytest.param(ask_urllib, id="urllib"),
    pytest.param(ask_requests, id="requests: records"),
    pytest.param(ask_httpx, id="httpx: a slash too many"),
    pytest.param(partial(ask_packed, coding="gzip"), id="requests: gzip"),
    pytest.param(partial(ask_packed, coding="deflate"), id="requests: deflate"),
    pytest.param(ask_in_pieces, id="requests: chunks of a byte"),
    pytest.param(ask_aiohttp, id="aiohttp: waits for 100, deflate in chunks"),
    *(
        pytest.param(
            lambda at, asked, options=options: ask_curl(at, asked, *options), id=f"curl: {name}", marks=needs_curl
        )
        for name, options in CURL_OPTIONS.items()
    ),
    pytest.param(ask_curl_file, id="curl: a file", marks=needs_curl),
    pytest.param(partial(ask_curl_file, coding="gzip"), id="curl: a packed file", marks=needs_curl),
    pytest.param(ask_java, id="JDK HttpClient", marks=needs_java),
    pytest.param(ask_go, id="Go net/http", marks=needs_go),
    pytest.param(ask_node, id="Node fetch", marks=needs_node),
    pytest.param(ask_mlflow, id="mlflow ScoringServerClient"),
    pytest.param(partial(ask_triton, binary=True), id="tritonclient: binary"),
    pytest.param(partial(ask_triton, binary=False), id="tritonclient: JSON"),
    *(
        pytest.param(partial(ask_triton, binary=binary, coding=coding), id=f"tritonclient: {coding}, binary {binary}")
        for binary in (True, False)
        for coding in ("gzip", "deflate")
    ),
    pytest.param(ask_triton_version, id="tritonclient: the version that serves"),
    pytest.param(ask_kserve_v1, id="kserve V1"),
    pytest.param(ask_kserve_v2, id="kserve V2"),
]


@pytest.mark.parametrize("asked", [PASSWORDS, HEART], ids=lambda asked: asked.task)
@pytest.mark.parametrize("ask", CLIENTS)
def test_each_client_gets_the_right_answers(
    predictor: Address, ask: Callable[[Address, Asked], Sequence[float]], asked: Asked
) -> None:
    assert ask(predictor, asked) == asked.answers
