"""Who is measured on a case: what each is started with, where it is asked, and with what."""

from __future__ import annotations

import json
import os
import shutil
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from regraft_inference.bundle import Bundle
from tests.bench.arrays import arrays_of
from tests.bench.cases import BOOSTED, Case
from tests.bench.contender import CONTENDERS, ROWS, Contender, run
from tests.checker.stack import free_ports
from tests.uv import UV

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".bench"
LOCK = ROOT / "requirements" / "bench-servers.txt"
MLSERVER = ("mlserver==1.7.1", "mlserver-sklearn==1.7.1", "uvloop<0.22")
TRITON = ("nvidia-pytriton==0.7.0", "interpret-core==0.7.8", "joblib")

OURS, EXPLAINED = "Regraft", "Regraft, with reasons"
EMPTY, LIMIT, RSGI = "KServe, empty model", "uvicorn, empty ASGI", "granian, empty RSGI"
NATIVE = "Go net/http, our arrays"
ARRAYS = "mosec, our arrays"
MLFLOW, MLSERVER_NAME, KSERVE = "mlflow models serve", "MLServer", "KServe, sklearn"
BENTO, LIT, MOSEC, RAY, TRITON_NAME = "BentoML", "LitServe", "mosec", "Ray Serve", "Triton by pytriton"
SAME_MODEL = (BENTO, LIT, MOSEC, RAY, TRITON_NAME)
LOCAL = "http://127.0.0.1"


class LineUp:
    """Makes the contenders of one case in a folder."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case, self.folder = case, folder
        self.columns = {rows: case.asked(rows) for rows in ROWS}
        self.bundle = folder / "bundle"
        case.write_bundle(self.bundle)
        self.data = folder / "data.csv"
        self.data.write_bytes(case.csv())
        self.is_table = case.name != "passwords"
        self.reference = self._reference(sys.executable)
        self.arrays = str(folder / "model.json")
        self.expected: dict[int, list[Any]] = {}
        self.pairs: list[list[str]] = []
        self.is_additive = self.is_table and case.name != BOOSTED
        if self.is_additive:
            served = Bundle.load(self.bundle)
            arrays = arrays_of(served)
            self.pairs = arrays["pairs"]
            Path(self.arrays).write_text(json.dumps(arrays))
            self.expected = {rows: served.predict(columns).tolist() for rows, columns in self.columns.items()}

    def all(self) -> list[tuple[str, Callable[[], Contender]]]:
        """Return the names of the contenders, and what makes each."""
        found = [(OURS, self.ours), (EXPLAINED, self.explained), (LIMIT, self.limit), (RSGI, self.rsgi)]
        found += [(KSERVE, self.kserve), (EMPTY, self.empty)]
        if self.is_table and not self.is_additive:
            return found  # the others serve additive models
        if self.is_additive:
            found += [(NATIVE, self.native), (ARRAYS, self.mosec_arrays), (TRITON_NAME, self.triton)]
        else:
            found += [(MLSERVER_NAME, self.mlserver), (MLFLOW, self.mlflow)]
        return [*found, (BENTO, self.bento), (LIT, self.lit), (MOSEC, self.mosec), (RAY, self.ray)]

    def ours(self) -> Contender:
        """Regraft's predictor."""
        return self._regraft(OURS, self.columns)

    def explained(self) -> Contender:
        """The same, asked for reasons."""
        return self._regraft(EXPLAINED, {rows: {**columns, "explain": True} for rows, columns in self.columns.items()})

    def limit(self) -> Contender:
        """An empty ASGI application on uvicorn."""
        command = ["-m", "uvicorn", "empty_asgi:app", "--app-dir", str(CONTENDERS), "--no-access-log"]
        options = ["--lifespan", "off", "--log-level", "warning", "--port"]
        return self._python(LIMIT, [*command, *options, "{port}"], "predict", self.columns)

    def rsgi(self) -> Contender:
        """An empty RSGI application on granian."""
        command = ["--interface", "rsgi", "empty_rsgi:app", "--workers", "1", "--runtime-threads", "1", "--no-ws"]
        program = [str(servers() / "bin" / "granian"), *command, "--log-level", "warning", "--port", "{port}"]
        return self._made(RSGI, program, "predict", self.columns, home=CONTENDERS)

    def native(self) -> Contender:
        """The very additive model in Go."""
        program = [native(), "{port}", self.arrays]
        return self._made(NATIVE, program, "predict", self.columns, answers="predictions")

    def kserve(self) -> Contender:
        """KServe's server with a usual model of scikit-learn."""
        return self._kserve(KSERVE, [self.reference])

    def empty(self) -> Contender:
        """KServe's server with a model that does nothing."""
        return self._kserve(EMPTY, [])

    def mlserver(self) -> Contender:
        """MLServer with the reference."""
        home, port = mlserver(), free_ports()[0]
        folder = self._mlserver_folder(home, port)
        bodies = {rows: _v2(columns["Password"]) for rows, columns in self.columns.items()}
        program = [str(home / "bin" / "mlserver"), "start", str(folder)]
        return self._made(MLSERVER_NAME, program, "v2/models/reference/infer", bodies, port=port)

    def mlflow(self) -> Contender:
        """MLflow's server with the reference."""
        run([sys.executable, str(CONTENDERS / "mlflow_model.py"), self.reference, str(self.folder / "mlflow-model")])
        model = ["-m", str(self.folder / "mlflow-model"), "--workers", "1", "--port", "{port}"]
        bodies = {rows: {"inputs": columns["Password"]} for rows, columns in self.columns.items()}
        found = self._python(MLFLOW, ["-m", "mlflow", "models", "serve", "--env-manager", "local", *model],
                             "invocations", bodies)  # fmt: skip
        found.environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        return found

    def bento(self) -> Contender:
        """BentoML."""
        program = [str(servers() / "bin" / "bentoml"), "serve", "bento_server:Contender", "--port", "{port}"]
        found = self._made(BENTO, [*program, "--host", "127.0.0.1"], "predict", self._wrapped(), home=CONTENDERS)
        found.environment |= {
            "MODEL": self.model(servers()),
            "BENTOML_DO_NOT_TRACK": "1",
            "BENTOML_HOME": str(self.folder / "b"),
        }
        found.environment["PATH"] = f"{servers() / 'bin'}:{os.environ['PATH']}"
        return found

    def lit(self) -> Contender:
        """LitServe."""
        program = [
            str(servers() / "bin" / "python"),
            str(CONTENDERS / "lit_server.py"),
            "{port}",
            self.model(servers()),
        ]
        return self._made(LIT, program, "predict", self._wrapped(), answers="predictions")

    def mosec(self) -> Contender:
        """Mosec."""
        return self._mosec(MOSEC, self.model(servers()))

    def mosec_arrays(self) -> Contender:
        """Mosec with the very additive model, which nobody would write but us."""
        return self._mosec(ARRAYS, self.arrays)

    def _mosec(self, name: str, model: str) -> Contender:
        program = [str(servers() / "bin" / "python"), str(CONTENDERS / "mosec_server.py"), "--port", "{port}"]
        program += [
            "--address",
            "127.0.0.1",
            "--path",
            str(self.folder / f"sockets-{len(name)}"),
            "--log-level",
            "warning",
        ]
        found = self._made(name, program, "inference", self._wrapped(), answers="predictions")
        found.environment["MODEL"] = model
        return found

    def ray(self) -> Contender:
        """Ray Serve."""
        program = [
            str(servers() / "bin" / "python"),
            str(CONTENDERS / "ray_server.py"),
            "{port}",
            self.model(servers()),
        ]
        found = self._made(RAY, program, "", self._wrapped(), answers="predictions")
        found.environment |= {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(CONTENDERS)}
        return found

    def triton(self) -> Contender:
        """Triton, asked as its V2 protocol has it."""
        words = {column.name: column.type == "string" for column in self.case.task.contract.features}
        program = [str(triton() / "bin" / "python"), str(CONTENDERS / "triton_server.py"), "{port}"]
        program += [self.model(triton()), json.dumps(words)]
        bodies = {}
        for rows, columns in self.columns.items():
            inputs = [
                {
                    "name": name,
                    "shape": [rows, 1],
                    "datatype": "BYTES" if words[name] else "FP64",
                    "data": values if words[name] else [float(value or 0) for value in values],
                }
                for name, values in columns.items()
            ]
            bodies[rows] = {"inputs": inputs}
        found = self._made(TRITON_NAME, program, "v2/models/reference/infer", bodies)
        found.environment["LD_LIBRARY_PATH"] = str(
            sysconfig.get_config_var("LIBDIR")
        )  # its own Python is linked to ours
        return found

    def _regraft(self, name: str, bodies: dict[int, Any]) -> Contender:
        command = ["-m", "regraft_inference.server", "--model_name", self.case.name, "--model_dir", str(self.bundle)]
        return self._python(name, [*command, "--host", "127.0.0.1", "--http_port", "{port}"], "predict", bodies,
                            answers=self.case.task.contract.target.name)  # fmt: skip

    def _kserve(self, name: str, model: list[str]) -> Contender:
        rows = {number: self.case.records(number) for number in ROWS}
        instances = {number: [row[0] for row in each] if not self.is_table else each for number, each in rows.items()}
        bodies = {number: {"instances": each} for number, each in instances.items()}
        program = [str(CONTENDERS / "kserve_server.py"), "{port}", *model]
        return self._python(name, program, "v1/models/reference:predict", bodies)

    def _wrapped(self) -> dict[int, Any]:
        return {rows: {"columns": columns} for rows, columns in self.columns.items()}

    def _python(self, name: str, command: list[str], path: str, bodies: dict[int, Any], answers: str = "") -> Contender:
        return self._made(name, [sys.executable, *command], path, bodies, answers=answers)

    def _made(self, name: str, command: list[str], path: str, bodies: dict[int, Any], *, answers: str = "",
              home: Path | None = None, port: int = 0) -> Contender:  # fmt: skip
        where = str(port or free_ports()[0])
        program = [where if word == "{port}" else word for word in command]
        folder = self.folder / name.replace(",", "").replace(" ", "-")
        expected = self.expected if answers or name == BENTO else {}
        return Contender(name, program, f"{LOCAL}:{where}/{path}", bodies, folder, answers=answers,
                         expected=expected, alike=name in SAME_MODEL, home=home)  # fmt: skip

    def model(self, environment: Path) -> str:
        """Return the model as the library has it that trains it, trained in a contender's own environment."""
        python = environment / "bin" / "python"
        if not self.is_table:
            return self._reference(str(python))
        path = self.folder / f"machine-{environment.name}.joblib"
        if not path.exists():
            target = self.case.task.contract.target.name
            program = [str(python), str(CONTENDERS / "machine.py"), str(self.data), target]
            run([*program, json.dumps(self.pairs), str(path)])
        return str(path)

    def _reference(self, python: str) -> str:
        target = str(self.folder / f"reference-{Path(python).parents[1].name}.joblib")
        if self.is_table:
            name = self.case.task.contract.target.name
            run([python, str(CONTENDERS / "table_reference.py"), str(self.data), name, target])
        else:
            run([python, str(CONTENDERS / "reference.py"), str(self.data), target])
        return target

    def _mlserver_folder(self, environment: Path, port: int) -> Path:
        models = self.folder / "mlserver-models"
        models.mkdir()
        shutil.copy(self._reference(str(environment / "bin" / "python")), models / "model.joblib")
        ports = free_ports()
        settings = {"http_port": port, "host": "127.0.0.1", "grpc_port": ports[0], "metrics_port": ports[1]}
        (models / "settings.json").write_text(json.dumps({"debug": False, "access_logs": False, **settings}))
        model = {"name": "reference", "implementation": "mlserver_sklearn.SKLearnModel"}
        (models / "model-settings.json").write_text(json.dumps({**model, "parameters": {"uri": "./model.joblib"}}))
        return models


def servers() -> Path:
    """Return the environment of the servers that are not ours, made where it is not there."""
    return _environment("servers", ["--require-hashes", "--requirement", str(LOCK)])


def mlserver() -> Path:
    """Return MLServer's environment."""
    return _environment("mlserver", list(MLSERVER))


def triton() -> Path:
    """Return Triton's environment."""
    return _environment("triton", list(TRITON))


def native() -> str:
    """Return the native server, built where it is not there."""
    program = CACHE / "native"
    source = CONTENDERS / "native" / "main.go"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        run(["go", "build", "-C", str(source.parent), "-o", str(program), "."])
    return str(program)


def _environment(name: str, packages: list[str]) -> Path:
    folder = CACHE / name
    ready, wanted = folder / ".ready", "\n".join([*packages, LOCK.read_text() if str(LOCK) in packages else ""])
    if not ready.exists() or ready.read_text() != wanted:
        run([UV, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)])
        python = ["--python", str(folder / "bin" / "python")]
        run([UV, "pip", "install", "--quiet", "--compile-bytecode", *python, *packages])
        ready.write_text(wanted)
    return folder


def _v2(words: list[str]) -> dict[str, Any]:
    tensor = {"name": "Password", "shape": [len(words)], "datatype": "BYTES", "data": words}
    return {"parameters": {"content_type": "str"}, "inputs": [{**tensor, "parameters": {"content_type": "str"}}]}
