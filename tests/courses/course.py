"""A course: runs of one task that deploy at once, with all that can go wrong, and what has to be true at its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Never

import httpx
import pytest
import structlog

from regraft_core import layout, record
from regraft_core.codes import Code
from regraft_core.errors import NotFoundError, RegraftError, TemporaryError
from regraft_core.kube import Cluster
from regraft_core.results import DeployResult, DownloadResult, RegisterResult, TrainResult
from regraft_core.runs import Run, RunRequest, RunState
from regraft_core.serving import Serving
from regraft_core.stores import lock
from regraft_core.stores.objects import FileStore, get_model, put_model
from regraft_pipeline import assembly
from regraft_pipeline.argo import container
from regraft_pipeline.deployers import Deployer, Place, kserve, lease, local
from regraft_pipeline.deployers.kserve import KServeDeployer
from regraft_pipeline.deployers.local import LocalDeployer
from regraft_pipeline.registry import mlflow
from regraft_pipeline.registry.registry import Registry
from regraft_pipeline.settings import PipelineSettings
from regraft_pipeline.steps import Context, deploy
from regraft_pipeline.tasks import Task, load_task
from tests.courses.script import BEGIN, DEPLOY_SECONDS, TRIES, Plan, Script
from tests.courses.stage import Actor, Killed, Stage, Trouble
from tests.courses.worlds import NAMESPACE, POD_NETWORK, TASK, KServeWorld, LocalWorld, World

PREDICTOR = "http://predictor/{task}"
PAUSES = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 120.0, 120.0)
"""Seconds before a step that fails with what can pass by itself is tried again, as Argo does."""

PAUSE_SECONDS = 20.0
QUIET_ACTS = 30
"""Acts of the world after which nothing that was begun before is under way any more."""


class Course:
    """Plays a script, and looks whether all agree at the end."""

    def __init__(self, script: Script, folder: Path, mlflow_url: str, cluster: Cluster | None, *, name: str) -> None:
        self.script = script
        self.task: Task = load_task(TASK)
        self._owner = name
        self._folder = folder
        self._cluster = cluster
        self._datasets: dict[str, str] = {}
        """The dataset of each version."""
        self._mlflow_url = mlflow_url
        self._registry = Registry(mlflow_url, owner=self._owner)
        self._store = FileStore(folder / "bucket")
        self._settings = PipelineSettings(store_url=(folder / "bucket").as_uri())
        self._ends: dict[str, Run] = {}

    def play(self) -> list[str]:
        """Play, and return the story. Raises AssertionError, with the story, where something is not as it has to be."""
        with ExitStack() as stack:
            self._world: World
            if self._cluster is not None:
                world = KServeWorld(self.script.random, self._cluster, self._is_bad)
                self._world = stack.enter_context(world)
            else:
                (self._folder / "models").mkdir()
                self._world = LocalWorld(self.script.random, self._folder / "models", self._is_bad)
            self.stage = Stage(self.script.random, self._world.act)
            stack.enter_context(_staged(self.stage, self._world, lambda request: deploy.run(self._context(request))))
            try:
                self._register()
                self.stage.begin(self.script.outages)
                for plan in self.script.plans:
                    self._enter(plan)
                self.stage.play()
                for _ in range(QUIET_ACTS):
                    self.stage.act_world()
                self._look()
            except BaseException as error:
                error.add_note("\n".join([f"seed {self.script.seed!r}: {self.script}", *self.stage.story]))
                raise
        return self.stage.story

    # What there is before

    def _register(self) -> None:
        """Register the versions of all runs, and put the first into service where there is one."""
        name = self.task.model_name(self._owner)
        owners = {plan.own: plan for plan in self.script.plans}
        with httpx.Client(base_url=f"{self._mlflow_url}/api/2.0/mlflow/", trust_env=False) as client:
            client.post("registered-models/create", json={"name": name}).raise_for_status()
            for number in range(1, len(owners) + (self.script.base is not None) + 1):
                plan = owners.get(str(number))
                dataset = plan.dataset if plan else "A"
                self._datasets[str(number)] = dataset
                tags = {
                    "run_id": plan.request.run_id if plan else "run-0",
                    "data_sha256": dataset,
                    "definition": self.task.definition,
                }
                made = {
                    "name": name,
                    "source": f"s3://models/{self._owner}/{number}",
                    "tags": [{"key": key, "value": value} for key, value in tags.items()],
                }
                client.post("model-versions/create", json=made).raise_for_status()
        if self.script.base:
            request = RunRequest(run_id="run-0", task=TASK, data_url="http://data/0.csv", accepted_at=BEGIN)
            self._enter(Plan(request, "A", "1", {}, None))
            self.stage.play()
            assert self._ends["run-0"].state == RunState.PROMOTED

    def _enter(self, plan: Plan) -> None:
        actor = Actor(plan.request.run_id, lambda: self._live(plan), dict(plan.troubles))
        self.stage.enter(actor)
        if plan.cancelled_at is not None:
            moment = plan.cancelled_at
            self.stage.enter(Actor(f"cancel {plan.request.run_id}", lambda: self._cancel(plan.request.run_id, moment)))

    # How a run goes

    def _live(self, plan: Plan) -> None:
        """Be a run from the end of its training on: tried again as Argo does it, with a record at its end."""
        stage, run_id = self.stage, plan.request.run_id
        stage.sleep(stage.random.uniform(0, 60))
        actor = stage.actor
        assert actor is not None
        with stage.aside():
            self._leave_results(plan)
        stage.sleep(stage.random.choice((0, 0, 30)))
        if not self._tried(plan.tries, run_id, lambda: container.run_step("deploy", plan.request, self._settings)):
            stage.tell("has failed for good")
            self._tried(TRIES, run_id, lambda: container.put_back(plan.request, self._settings))
        run = record.keep(self._store, record.compose(self._store, plan.request, {}))
        self._ends[run_id] = run
        stage.tell(f"ends {run.state} with version {run.version}: {run.cause}")

    def _tried(self, tries: int, run_id: str, act: Callable[[], object]) -> bool:
        """Begin a container as often as Argo may; return whether it came to its end, or never had to begin."""
        stage, actor = self.stage, self.stage.actor
        assert actor is not None
        for attempt in range(tries):
            if actor.calls == 0 and record.is_cancelled(self._store, run_id):
                break  # its container has not begun: it never does
            actor.begin()
            pause = stage.random.uniform(0, PAUSE_SECONDS)
            try:
                act()
                break
            except (Killed, SystemExit):
                stage.tell("is killed")
            except TemporaryError as error:
                stage.tell(f"fails for now: {error.code}: {error.message}")
                pause = PAUSES[min(attempt, len(PAUSES) - 1)]
            except RegraftError as error:
                stage.tell(f"fails: {error.code}: {error.message}")
                return False
            finally:
                actor.begin()
            stage.sleep(pause)
        else:
            return False
        return True

    def _leave_results(self, plan: Plan) -> None:
        """Leave what the steps before have found: the version in service, or one of the run's own."""
        request = plan.request
        if request.kind == "rollback":
            return
        prod = self._registry.prod(self.task)
        found = DownloadResult(data_sha256=plan.dataset, bytes=1, final_url="http://data")
        if prod is not None and prod.is_of(plan.dataset, self.task.definition) and not request.force:
            found.version, found.then = prod.number, "deploy"
        put_model(self._store, layout.step_result(request.run_id, "download"), found)
        if found.then is None:
            uri = self._registry.version(self.task, plan.own).uri
            registered = RegisterResult(version=plan.own, uri=uri, mlflow_run_id="", link="")
            put_model(self._store, layout.step_result(request.run_id, "register"), registered)
            trained = TrainResult(metrics={}, parameters={}, seconds=0)
            put_model(self._store, layout.step_result(request.run_id, "train"), trained)
        self.stage.tell(f"has data {plan.dataset}, {'as in service' if found.then else f'version {plan.own}'}")

    def _cancel(self, run_id: str, moment: float) -> None:
        self.stage.sleep(moment)
        if run_id not in self._ends:
            self.stage.tell(f"{run_id} shall end")
            record.cancel(self._store, run_id)

    def _context(self, request: RunRequest) -> Context:
        return Context(
            request=request,
            task=self.task,
            settings=self._settings,
            store=StagedStore(self._folder / "bucket", self.stage),
            registry=Registry(self._mlflow_url, owner=self._owner),
            open_deployer=self._open_deployer,
            workdir=self._folder,
            progress=lambda share, message: self.stage.tell(message),
            log=structlog.get_logger(),
        )

    def _open_deployer(self) -> Deployer:
        if self._cluster is not None:
            return KServeDeployer(
                self._cluster, namespace=NAMESPACE, predictor_url=PREDICTOR, timeout=DEPLOY_SECONDS, proofs=3
            )
        return StagedLocal(self._folder / "models", self.stage)

    def _is_bad(self, uri: str) -> bool:
        return self._datasets[uri.rstrip("/").rpartition("/")[2]] in self.script.bad

    # What has to be true at the end

    def _look(self) -> None:
        prod, placed = self._registry.prod(self.task), self._world.placed()
        ends = [self._ends[plan.request.run_id] for plan in self.script.plans]
        counted = [run for run in ends if run.state in (RunState.PROMOTED, RunState.UNCHANGED)]
        for plan, run in zip(self.script.plans, ends, strict=True):
            self._look_at(plan, run, counted)
        serving = get_model(self._store, layout.serving(TASK), Serving)
        expected = max(counted, key=lambda run: run.order).version if counted else "1" if self.script.base else None
        found = {
            "alias": prod and prod.number,
            "note": serving and serving.version,
            "address": _version_at(placed),
            "answers": ",".join(sorted(self._world.answering())) or None,
        }
        assert set(found.values()) == {expected}, f"version {expected} has to serve: {found}"
        if counted and prod is not None:
            assert prod.prod_order == max(run.order for run in counted), "the alias tells of another run"

    def _look_at(self, plan: Plan, run: Run, counted: list[Run]) -> None:
        """Whether a run ended as it had to."""
        later = [other for other in counted if other.order > run.order]
        if run.state == RunState.SUPERSEDED:
            assert later, f"{run.run_id} is superseded by nothing"
        if run.state in (RunState.PROMOTED, RunState.UNCHANGED):
            assert run.version is not None
            assert self._datasets[run.version] not in self.script.bad, f"{run.run_id} cannot be in service"
            return
        if plan.request.kind == "rollback" or not self.script.lets_pass(plan):
            return
        allowed = {RunState.SUPERSEDED}
        if plan.dataset in self.script.bad:
            allowed.add(RunState.ROLLED_BACK)
        assert run.state in allowed, f"{run.run_id} ends {run.state}"


class StagedStore(FileStore):
    """A store whose every call is one of the stage's."""

    def __init__(self, folder: Path, stage: Stage) -> None:
        super().__init__(folder)
        self._stage = stage

    def put(self, key: str, data: bytes) -> None:
        """Write an object."""
        self._stage.call("store", lambda: FileStore.put(self, key, data), _store_fails)

    def get(self, key: str) -> bytes | None:
        """Return an object, None where there is none."""
        return self._stage.call("store", lambda: FileStore.get(self, key), _store_fails)

    def exists(self, key: str) -> bool:
        """Whether there is an object of this key."""
        return self._stage.call("store", lambda: FileStore.exists(self, key), _store_fails)


class StagedLocal(LocalDeployer):
    """The embedded deployer, which can be stopped between any two things it does."""

    def __init__(self, models_dir: Path, stage: Stage) -> None:
        super().__init__(models_dir, predictor_url="http://predictor", timeout=DEPLOY_SECONDS, proofs=3)
        self._stage = stage

    def placed(self, task: str) -> Place:
        """Return what is set to serve."""
        self._stage.call("folder", lambda: None, _folder_fails)
        return super().placed(task)

    def _point(self, task: str, uri: str | None) -> None:
        self._stage.call("folder", lambda: None, _folder_fails)
        super()._point(task, uri)


@contextmanager
def _staged(stage: Stage, world: World, run: Callable[[RunRequest], DeployResult]) -> Iterator[None]:
    """Let the clock of the stage be that of the deploy step, and let every request of an actor be a call there.

    ``run`` is what containers carry out, with stores and services that are the stage's.
    """
    with pytest.MonkeyPatch.context() as patch:
        for module in (deploy, kserve, lease, local, mlflow, lock):
            patch.setattr(module, "time", stage)
        patch.setattr(assembly, "run_step", lambda step, request, settings, **_: run(request))
        send = httpx.HTTPTransport.handle_request

        def handle(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
            if stage.is_aside:
                return send(transport, request)
            act: Callable[[], httpx.Response] = lambda: send(transport, request)  # noqa: E731
            if request.url.path.startswith("/api/2.0/mlflow"):
                service = "mlflow"
            elif request.url.host == "predictor" or request.url.host.startswith(POD_NETWORK):
                service, act = "predictor", lambda: world.answer(request)
            else:
                service = "cluster"
            return stage.call(service, act, lambda trouble: _request_fails(request, trouble))

        patch.setattr(httpx.HTTPTransport, "handle_request", handle)
        yield


def _request_fails(request: httpx.Request, trouble: Trouble) -> httpx.Response:
    if trouble == "away":
        raise httpx.ConnectError("nobody is there", request=request)
    if trouble == "lost":
        raise httpx.ReadTimeout("no answer", request=request)
    body = {"error_code": "PERMISSION_DENIED", "message": "not for you"}
    return httpx.Response(403, json=body, request=request)


def _store_fails(trouble: Trouble) -> Never:
    if trouble == "refused":
        raise RegraftError("the object store refuses it", code=Code.STORE_REFUSED)
    raise TemporaryError("the object store cannot be reached", code=Code.STORE_UNREACHABLE)


def _folder_fails(trouble: Trouble) -> None:
    if trouble == "refused":
        raise NotFoundError("the folder cannot be written", code=Code.OBJECT_UNKNOWN)


def _version_at(placed: Place) -> str | None:
    return placed.uri.rstrip("/").rpartition("/")[2] if placed.uri else None
