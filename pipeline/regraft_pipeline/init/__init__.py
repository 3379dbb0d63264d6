"""From a CSV to a task: what each column is, what becomes of it, and why."""

from regraft_pipeline.init.draft import Draft, draft
from regraft_pipeline.init.written import Written, write

__all__ = ["Draft", "Written", "draft", "write"]
