"""Step deploy: a version comes into service, proves itself, and only then gets the alias.

The registry remembers what is in service: what was rolled out but has not got the alias is put back, or rolled out
again by whoever repeats this step.
"""

from __future__ import annotations

from regraft_core import layout
from regraft_core.errors import DeployError, RegraftError, TemporaryError
from regraft_core.runs import Cause, RunState, now
from regraft_core.serving import Serving
from regraft_core.stores.objects import get_model, put_model
from regraft_pipeline.deployers import Deployer
from regraft_pipeline.registry.registry import Version
from regraft_pipeline.steps import Context, DeployResult, RegisterResult, TrainResult


def run(context: Context) -> DeployResult:
    """Roll the run's version out, or for a rollback the earlier one, unless a later run is in service already.

    A version that does not stand is replaced by the one in service before: the run ends ``rolled_back``.
    """
    prod = context.registry.prod(context.task)
    if prod is not None and _is_later(context, prod):
        return context.finish("deploy", _superseded(prod))
    candidate = _candidate(context, prod)
    deployer = context.open_deployer()
    context.progress(None, f"rolling out version {candidate.number}")
    try:
        deployer.roll_out(context.task.name, candidate.uri, candidate.number)
    except DeployError as error:
        if prod is not None and prod.number == candidate.number:
            raise  # there is nothing else to put back
        context.log.warning("version did not stand", version=candidate.number, code=error.code, reason=error.message)
        _put_back(context, deployer, prod, error)
        return context.finish("deploy", _rolled_back(candidate, prod, error))
    _promote(context, deployer, candidate, prod)
    put_model(context.store, layout.serving(context.task.name), _serving(context, candidate))
    context.log.info("promoted", version=candidate.number)
    return context.finish(
        "deploy",
        DeployResult(
            end=RunState.PROMOTED, version=candidate.number, message=f"version {candidate.number} is in service"
        ),
    )


def _is_later(context: Context, prod: Version) -> bool:
    """Whether what is in service was put there by a later run; the bootstrap is earlier than all."""
    request = context.request
    if prod.prod_run_id == request.run_id:
        return False
    return request.kind == "bootstrap" or prod.prod_order > request.order


def _candidate(context: Context, prod: Version | None) -> Version:
    """Return the version to roll out. Raises NotFoundError (``version_unknown``)."""
    request, registry, task = context.request, context.registry, context.task
    if request.kind != "rollback":
        return registry.version(task, context.result("register", RegisterResult).version)
    if request.to_version is not None:
        return registry.version(task, request.to_version)
    if prod is None:
        raise RegraftError(f"no version of {task.name} is in service", code="version_unknown")
    if prod.prod_run_id == request.run_id:
        return prod  # this step was here before
    return registry.previous(task, prod)


def _promote(context: Context, deployer: Deployer, candidate: Version, prod: Version | None) -> None:
    """Move the alias. What serves must not be what the alias does not say, even where MLflow is gone for good."""
    try:
        context.registry.promote(context.task, candidate, context.request)
    except TemporaryError as error:
        _put_back(context, deployer, prod, error)
        raise


def _put_back(context: Context, deployer: Deployer, prod: Version | None, error: RegraftError) -> None:
    """Roll out what was in service before. Raises DeployError (``rollback_failed``) where that fails, too."""
    if prod is None:
        return
    context.progress(None, f"putting version {prod.number} back")
    try:
        deployer.roll_out(context.task.name, prod.uri, prod.number)
    except DeployError as second:
        raise DeployError(
            f"{error.message}; version {prod.number} could not be put back either: {second.message}",
            code="rollback_failed",
        ) from second


def _superseded(prod: Version) -> DeployResult:
    message = f"version {prod.number} of the later {prod.prod_run_id} is in service"
    return DeployResult(end=RunState.SUPERSEDED, cause=Cause(code="superseded", message=message), message=message)


def _rolled_back(candidate: Version, prod: Version | None, error: DeployError) -> DeployResult:
    serving = f"version {prod.number} serves on" if prod else "nothing was in service before"
    message = f"version {candidate.number} did not stand, {serving}: {error.message}"
    return DeployResult(
        end=RunState.ROLLED_BACK,
        version=candidate.number,
        cause=Cause(code=error.code, message=message),
        message=message,
    )


def _serving(context: Context, version: Version) -> Serving:
    trained = get_model(context.store, layout.step_result(version.run_id, "train"), TrainResult)
    return Serving(
        task=context.task.name,
        version=version.number,
        run_id=version.run_id,
        uri=version.uri,
        data_url=version.data_url,
        data_sha256=version.data_sha256,
        metrics=trained.metrics if trained else {},
        since=now(),
    )
