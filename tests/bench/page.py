"""Pages of docs/ whose tables are made by commands."""

from __future__ import annotations

from pathlib import Path


def put(page: Path, name: str, text: str) -> None:
    """Put what a bench has printed between the marks of its name. Raises ValueError where the page has none."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    content = page.read_text()
    if begin not in content or end not in content:
        raise ValueError(f"{page} has no place for {name}")
    before, _, rest = content.partition(begin)
    page.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{rest.partition(end)[2]}")
