"""The reference as the store has it: what every new dataset of a task is held against."""

from __future__ import annotations

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import BadRequestError, RegraftError, UnreadableError
from regraft_core.profile import Profile
from regraft_core.runs import now
from regraft_core.stores.objects import ObjectStore, get_model
from regraft_core.verdict import Verdict


def read_reference(store: ObjectStore, task: str) -> Profile | None:
    """Return a task's reference, None where there is none.

    Raises RegraftError (``reference_unreadable``) with the cure.
    """
    try:
        return get_model(store, layout.reference(task), Profile)
    except UnreadableError as error:
        message = f"{error.message}; `regraft bless` makes another dataset the reference of {task}"
        raise RegraftError(message, code=Code.REFERENCE_UNREADABLE) from error


def profile_of_run(store: ObjectStore, run_id: str, task: str | None = None) -> Profile | None:
    """Return the profile of a run's dataset, to be made the reference; None where no such run, of the task, was judged.

    It may have been rejected because of drift alone. Raises BadRequestError (``reference_unfit``) where the dataset is
    bad whatever it is held against.
    """
    verdict = get_model(store, layout.verdict(run_id), Verdict)
    if verdict is None or task not in {None, verdict.task}:
        return None
    other = [reason.message for reason in verdict.errors if reason.gate != "drift"]
    if other or verdict.profile is None:
        raise BadRequestError(f"the dataset of {run_id} is no reference: {'; '.join(other)}", code=Code.REFERENCE_UNFIT)
    return verdict.profile


def blessed(profile: Profile, *, by: str, why: str) -> Profile:
    """Return a profile with who makes it the reference now, and why."""
    return profile.model_copy(update={"created_at": now(), "blessed_by": by, "why": why})
