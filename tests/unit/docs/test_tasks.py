"""The page on tasks says every key, its file is one, and the schema is that of the code."""

import json
import re

from regraft_core.definition import ColumnDefinition, TaskDefinition, json_schema, read_definition
from tests.unit.docs.commands import ROOT

PAGE = (ROOT / "docs" / "tasks.md").read_text()


def test_every_key_is_documented() -> None:
    keys = [field.alias or name for name, field in TaskDefinition.model_fields.items()]
    assert [key for key in [*keys, *ColumnDefinition.model_fields] if f"`{key}`" not in PAGE] == []


def test_the_file_of_the_page_is_read() -> None:
    found = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert found
    assert read_definition(found[1]).contract().classes == ("Adelie", "Chinstrap", "Gentoo")


def test_the_schema_is_up_to_date() -> None:
    assert json.loads((ROOT / "docs" / "task.schema.json").read_text()) == json_schema(), "run 'make docs'"
