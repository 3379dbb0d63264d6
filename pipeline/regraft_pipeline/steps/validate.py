"""Step validate: the gates judge the dataset."""

from __future__ import annotations

import time

import pandas as pd

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import RegraftError
from regraft_core.fit.asked import asked_lately
from regraft_core.reference import read_reference
from regraft_core.runs import Cause, RunState
from regraft_core.stores.objects import put_model
from regraft_core.verdict import Verdict
from regraft_pipeline import gates
from regraft_pipeline.gates import Evaluation, Profile
from regraft_pipeline.incumbent import load_incumbent
from regraft_pipeline.report import report
from regraft_pipeline.steps import Context, DownloadResult, ValidateResult


def run(context: Context) -> ValidateResult:
    """Judge the dataset; leave verdict, report, and what training and the plots need. Ends the run on a rejection."""
    run_id = context.request.run_id
    raw = context.workdir / "raw.csv"
    context.store.get_file(layout.raw_dataset(context.result("download", DownloadResult).data_sha256), raw)
    context.progress(None, "asking the gates")
    reference, incumbent, asked = _reference(context), None, None
    prod = context.registry.prod(context.task)
    if prod is not None:
        home, endpoint_url = context.workdir / "incumbent", context.settings.s3_endpoint_url
        incumbent = load_incumbent(prod.number, prod.uri, home, endpoint_url=endpoint_url)
        asked = asked_lately(context.store, context.task.name, prod.number, time.time())
    judgement = gates.judge(
        raw, context.task, reference=reference, incumbent=incumbent, asked=asked, folder=context.workdir
    )
    verdict = judgement.verdict
    put_model(context.store, layout.verdict(run_id), verdict)
    page = report.render(verdict, run_id=run_id, data_url=context.request.data_url)
    context.store.put(layout.report(run_id), page.encode())
    if verdict.accepted and judgement.data is not None and judgement.evaluation is not None:
        context.store.put_file(layout.clean(run_id), judgement.data.path)
        _put_held_out(context, judgement.evaluation)
    context.log.info("verdict", accepted=verdict.accepted, reasons=[reason.code for reason in verdict.reasons])
    return context.finish("validate", _result(verdict))


def _reference(context: Context) -> Profile:
    found = read_reference(context.store, context.task.name)
    if found is None:
        raise RegraftError(
            f"{context.task.name} has no reference; the bootstrap makes the first one, or `regraft bless`",
            code=Code.REFERENCE_MISSING,
        )
    return found


def _put_held_out(context: Context, evaluation: Evaluation) -> None:
    columns = {"target": evaluation.target, "predicted": evaluation.predicted}
    if evaluation.of_second is not None:
        columns["probability"] = evaluation.of_second
    path = context.workdir / "held-out.parquet"
    pd.DataFrame(columns).to_parquet(path, index=False)
    context.store.put_file(layout.held_out(context.request.run_id), path)


def _result(verdict: Verdict) -> ValidateResult:
    if verdict.accepted:
        return ValidateResult(accepted=True, message=verdict.summary())
    first = verdict.errors[0]
    return ValidateResult(
        accepted=False,
        end=RunState.REJECTED,
        cause=Cause(code=first.code, message=verdict.summary()),
        message=verdict.summary(),
    )
