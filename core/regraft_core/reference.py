"""The reference as the store has it: what every new dataset of a task is held against."""

from __future__ import annotations

from regraft_core import layout
from regraft_core.codes import Code
from regraft_core.errors import RegraftError, UnreadableError
from regraft_core.profile import Profile
from regraft_core.stores.objects import ObjectStore, get_model


def read_reference(store: ObjectStore, task: str) -> Profile | None:
    """Return a task's reference, None where there is none.

    Raises RegraftError (``reference_unreadable``) with the cure.
    """
    try:
        return get_model(store, layout.reference(task), Profile)
    except UnreadableError as error:
        message = f"{error.message}; `regraft bless` makes another dataset the reference of {task}"
        raise RegraftError(message, code=Code.REFERENCE_UNREADABLE) from error
