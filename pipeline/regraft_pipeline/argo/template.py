"""The WorkflowTemplate of a run and the CronWorkflow that prunes, made with Hera.

``python -m regraft_pipeline.argo.template`` prints the one; with a folder it writes both, as ``make manifests`` does to
``k8s/base``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from hera.workflows import (
    Container,
    CronWorkflow,
    EmptyDirVolume,
    Parameter,
    Resources,
    RetryStrategy,
    Step,
    Steps,
    WorkflowTemplate,
)
from hera.workflows import models as argo
from hera.workflows.env import Env
from hera.workflows.env_from import ConfigMapEnvFrom, SecretEnvFrom

from regraft_core.errors import TemporaryError
from regraft_core.results import CONTINUE
from regraft_core.steps import MINUTE, ROLLBACK_STEPS, SERVING_STEP, STEPS, Limits
from regraft_core.workflows import (
    FAILURES_VARIABLE,
    OUTCOME,
    OUTCOME_FILE,
    PARAMETERS,
    PUT_BACK,
    RECORD,
    REQUEST_PREFIX,
    TEMPLATE,
)

IMAGE = "regraft/pipeline"
STEP_ACCOUNT = "regraft-step"
DEPLOY_ACCOUNT = "regraft-deploy"

EXIT = "exit"
"""Name of the template of what comes after all steps."""

HOUR = 60 * MINUTE

PRUNE = "regraft-prune"

PRUNE_AT = "17 3 * * *"
"""When old versions, runs and datasets go, as cron writes it, in the controller's time zone."""

ONE_THREAD = Env(name="OMP_NUM_THREADS", value="1")
"""Matrices are small: more threads would wait for each other."""

DEFAULTS = {"kind": "train", "data_url": "", "force": "false", "to_version": ""}
"""What the parameters are where a Workflow says nothing; the others must be given."""

RETRIES = RetryStrategy(
    limit=8,
    retry_policy="Always",
    expression=(
        f"lastRetry.status == 'Error' or asInt(lastRetry.exitCode) == {TemporaryError.exit_code} or "
        "(asInt(lastRetry.exitCode) in [-1, 137, 143] and not (lastRetry.message matches 'OOMKilled|deadline'))"
    ),
    backoff=argo.Backoff(duration="2s", factor=argo.IntOrString(root=2), cap="2m"),
)
"""For six minutes, so that a store or a registry whose node is started again is outlived.

Again where the step says that its failure can pass, and where its pod was lost: Argo calls one that was deleted an
error, and one that was ended by a signal (evicted, a drained node) or never began a failure like any other. What took
all its memory or its time would do so again.
"""

ONE_DEPLOY_A_TASK = argo.Synchronization(mutexes=[argo.Mutex(name="regraft-deploy-{{workflow.parameters.task}}")])

POD_SECURITY = argo.PodSecurityContext(run_as_non_root=True, seccomp_profile=argo.SeccompProfile(type="RuntimeDefault"))
CONTAINER_SECURITY = argo.SecurityContext(
    allow_privilege_escalation=False,
    read_only_root_filesystem=True,
    capabilities=argo.Capabilities(drop=["ALL"]),
)

POD = argo.Metadata(
    labels={"sidecar.istio.io/inject": "false"},
    annotations={
        "sidecar.istio.io/inject": "false",
        "linkerd.io/inject": "disabled",
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "karpenter.sh/do-not-disrupt": "true",
    },
)
"""A proxy that a service mesh puts beside a step would keep its pod from ending; and who tidies nodes up waits for it,
for the step would begin anew elsewhere."""


def workflow_template() -> WorkflowTemplate:
    """Return the WorkflowTemplate: the steps one after the other, and at its exit, whatever happened, the record.

    Before the record, where a step has failed or was stopped, what served is put back if it may not be there.

    The whole has no deadline: it would count while a lock is waited for, and cut the record off. The steps have theirs.
    """
    with WorkflowTemplate(
        name=TEMPLATE,
        labels={"app.kubernetes.io/name": "regraft", "app.kubernetes.io/component": "pipeline"},
        annotations={"workflows.argoproj.io/description": "One run of Regraft: from a dataset's address to service"},
        entrypoint="run",
        on_exit=EXIT,
        arguments=[Parameter(name=name, value=DEFAULTS.get(name)) for name in PARAMETERS],
        service_account_name=STEP_ACCOUNT,
        security_context=POD_SECURITY,
        ttl_strategy=argo.TTLStrategy(seconds_after_completion=24 * HOUR),
        pod_metadata=POD,
        pod_gc=argo.PodGC(strategy="OnPodSuccess", delete_delay_duration="10m"),
        archive_logs=False,
    ) as template:
        containers = {name: _step(name) for name in STEPS}
        # It may be the entrypoint too, where the failures of the workflow cannot be asked for.
        put_back = _container(PUT_BACK, limits=STEPS[SERVING_STEP].limits, service_account_name=DEPLOY_ACCOUNT)
        record = _container(RECORD, env=[Env(name=FAILURES_VARIABLE, value="{{workflow.failures}}")])
        with Steps(name=EXIT):
            # The record comes whatever becomes of this.
            Step(
                name=PUT_BACK,
                template=put_back,
                when="'{{workflow.status}}' != 'Succeeded'",
                continue_on=argo.ContinueOn(error=True, failed=True),
            )
            Step(name=RECORD, template=record)
        with Steps(name="run") as run, run.parallel():
            for steps, sign in ((STEPS, "!="), (ROLLBACK_STEPS, "==")):
                begin = _from(next(iter(steps)))
                Step(name=begin, template=begin, when=f"'{{{{workflow.parameters.kind}}}}' {sign} 'rollback'")
        for name, container in containers.items():
            with Steps(name=_from(name)) as chain:
                Step(name=name, template=container)
                with chain.parallel() if _after(name) else nullcontext():
                    for outcome, after in _after(name).items():
                        Step(name=_from(after), template=_from(after), when=_says(name, outcome))
    return template


def prune_template() -> WorkflowTemplate:
    """Return the WorkflowTemplate that removes, once, what the settings let go."""
    with WorkflowTemplate(
        name=PRUNE,
        labels={"app.kubernetes.io/name": "regraft", "app.kubernetes.io/component": "prune"},
        annotations={"workflows.argoproj.io/description": "Removes old versions, runs and datasets"},
        entrypoint="prune",
        service_account_name=STEP_ACCOUNT,
        security_context=POD_SECURITY,
        pod_metadata=POD,
        archive_logs=False,
    ) as template:
        _base_container("prune", ["python", "-m", "regraft_pipeline.prune"], Limits(seconds=HOUR))
    return template


def prune_schedule() -> CronWorkflow:
    """Return the CronWorkflow that calls it every night."""
    return CronWorkflow(
        name=PRUNE,
        labels={"app.kubernetes.io/name": "regraft", "app.kubernetes.io/component": "prune"},
        schedules=[PRUNE_AT],
        concurrency_policy="Forbid",
        starting_deadline_seconds=HOUR,
        successful_jobs_history_limit=1,
        failed_jobs_history_limit=3,
        workflow_template_ref=argo.WorkflowTemplateRef(name=PRUNE),
    )


def _from(step: str) -> str:
    """Name of the template of a step and all after it.

    They are nested, each in the one before, so that a condition asks only for the outcome of a step that has run: some
    releases of Argo wait for ever for the outcome of one that was skipped.
    """
    return f"from-{step}"


def _after(step: str) -> dict[str, str]:
    """The steps that may come after a step, by its outcome: the next one, or one that it names."""
    names, skips_to = list(STEPS), STEPS[step].skips_to
    later = names[names.index(step) + 1 :]
    return ({CONTINUE: later[0]} if later else {}) | ({skips_to: skips_to} if skips_to else {})


def _says(step: str, outcome: str) -> str:
    """The condition that a step has this outcome."""
    return f"'{{{{steps.{step}.outputs.parameters.{OUTCOME}}}}}' == '{outcome}'"


def _step(name: str) -> Container:
    return _container(
        name,
        outputs=[Parameter(name=OUTCOME, value_from=argo.ValueFrom(path=OUTCOME_FILE, default="failed"))],
        service_account_name=DEPLOY_ACCOUNT if STEPS[name].serves else STEP_ACCOUNT,
        synchronization=ONE_DEPLOY_A_TASK if STEPS[name].serves else None,
    )


def _container(name: str, *, env: Sequence[Env] = (), limits: Limits | None = None, **more: Any) -> Container:
    parameters = {REQUEST_PREFIX + field.upper(): f"{{{{workflow.parameters.{field}}}}}" for field in PARAMETERS}
    request = [Env(name=variable, value=value) for variable, value in parameters.items()]
    command = ["python", "-m", "regraft_pipeline.argo.container"]
    return _base_container(
        name,
        command,
        limits or (STEPS[name].limits if name in STEPS else Limits()),
        args=[name],
        env=[*request, ONE_THREAD, *env],
        **more,
    )


def _base_container(name: str, command: Sequence[str], limits: Limits, **more: Any) -> Container:
    return Container(
        name=name,
        image=IMAGE,
        image_pull_policy="IfNotPresent",
        command=list(command),
        env_from=[ConfigMapEnvFrom(name="regraft"), SecretEnvFrom(name="regraft-s3", optional=True)],
        volumes=[EmptyDirVolume(name="tmp", mount_path="/tmp")],  # noqa: S108  (a volume of this pod alone)
        active_deadline_seconds=limits.seconds,
        retry_strategy=RETRIES,
        resources=Resources(
            cpu_request=limits.cpu, memory_request=f"{limits.memory}Mi", memory_limit=f"{limits.most_memory}Mi"
        ),
        security_context=CONTAINER_SECURITY,
        **more,
    )


def manifests() -> Mapping[str, str]:
    """Return the files of ``k8s/base`` that are made here, by their names."""
    return {
        "workflow-template.yaml": workflow_template().to_yaml(),
        "prune.yaml": f"{prune_template().to_yaml()}---\n{prune_schedule().to_yaml()}",
    }


def main(folder: Path | None) -> None:
    """Write the files into a folder, or print the template of a run."""
    if folder is None:
        sys.stdout.write(workflow_template().to_yaml())
        return
    for name, content in manifests().items():
        (folder / name).write_text(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else None)
