import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from regraft_core.addresses import upload_address
from regraft_core.verdict import Reason, Verdict
from regraft_pipeline import gates
from regraft_pipeline.report import report
from regraft_pipeline.report.plots import Training
from regraft_pipeline.tasks import passwords

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>'


class Elements(HTMLParser):
    """Collects the names of elements, and the addresses and handlers in their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.loads: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.loads += [name for name, _ in attrs if name in ("src", "href", "data", "action") or name.startswith("on")]


def elements(page: str) -> Elements:
    found = Elements()
    found.feed(page)
    return found


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Verdict:
    path = tmp_path_factory.mktemp("report") / "data.csv"
    passwords.bootstrap().to_csv(path, index=False)
    reference = gates.judge(path, passwords.TASK, reference=None, incumbent=None).profile
    frame = passwords.generate(3, 400, (0.8, 0.2))
    frame = pd.concat([frame, pd.DataFrame({"Password": ["<script>x</script>"], "Times": ["<b>many</b>"]})])
    frame.to_csv(path, index=False)
    return gates.judge(path, passwords.TASK, reference=reference, incumbent=None).verdict


def test_the_report_says_what_was_found_and_what_would_have_passed(drifted: Verdict) -> None:
    page = report.render(drifted, run_id="run-abc", data_url="https://example.org/data.csv")
    for expected in (
        "run-abc",
        "https://example.org/data.csv",
        "<dt>Rows read</dt><dd>401</dd>",
        "<dt>Rows fit for training</dt><dd>400</dd>",
        "320 of 400 rows have Times 0; with the shares of the reference it would be 200",
        "target_drift",
        "Times 0 has 80.0% instead of 50.0%",
        "What would have passed:",
        "value_not_numeric",
        "&lt;b&gt;many&lt;/b&gt;",
        "Length of Password",
        "PSI 0.4",
    ):
        assert expected in page


def test_the_report_runs_nothing_and_loads_nothing(drifted: Verdict) -> None:
    found = elements(report.render(drifted, run_id="run-abc", data_url="javascript:alert(1)"))
    assert not found.names & {"script", "link", "img", "iframe", "object", "a", "form"}
    assert found.loads == []
    assert "svg" in found.names


def test_the_report_says_which_rows_and_what_to_do(drifted: Verdict) -> None:
    page = report.render(drifted, run_id="run-abc", data_url="https://example.org/data.csv?a=1")
    line = '<th scope="row">402</th><td class="raw">&lt;script&gt;x&lt;/script&gt;</td><td class="raw short culprit">'
    assert line in page
    assert "Example rows as they stand in the file, 1 of 1" in page
    assert "<code>regraft trigger &#39;https://example.org/data.csv?a=1&#39; --wait</code>" in page
    only = drifted.model_copy(update={"reasons": [one for one in drifted.reasons if one.gate == "drift"]})
    assert "<code>regraft bless run-abc --why REASON</code>" in report.render(only, run_id="run-abc", data_url=None)


def test_the_gates_are_seen_at_a_glance(drifted: Verdict) -> None:
    found = report.report_of(drifted).gates
    assert found == {"structure": "refused", "drift": "refused", "learnability": "passed", "quality": "passed"}
    page = Reason(code="looks_like_html", gate="structure", message="m")
    early = Verdict(task="passwords", accepted=False, reasons=[page])
    assert list(report.report_of(early).gates.values()) == ["refused", "not asked", "not asked", "not asked"]


def test_reasons_of_one_code_are_one_finding() -> None:
    reasons = [
        Reason(code="value_nan", gate="structure", message=f"{column} is not a number", column=column, remedy="numbers")
        for column in ("age", "chol")
    ]
    found = report.report_of(Verdict(task="heart-disease", accepted=False, reasons=reasons))
    (finding,) = found.findings
    assert (finding.title, len(finding.reasons), finding.remedies) == ("Value not known", 2, ["numbers"])
    assert found.headline == "Rejected: age is not a number. 1 more reason below."
    assert found.steps[1].command == "regraft verdict FILE.csv --task heart-disease"


def test_the_report_is_fit_for_screen_readers_and_printers(drifted: Verdict) -> None:
    page = report.render(drifted, run_id="run-abc", data_url=None)
    charts = re.findall(r"<svg [^>]*>", page)
    assert len(charts) == 3
    assert all('role="img" aria-label="' in chart for chart in charts)
    assert all("scope=" in head for head in re.findall(r"<th[ >][^>]*>", page))
    assert page.count("<h1>") == 1
    assert "@media print" in page


def test_everything_from_outside_is_escaped() -> None:
    reason = Reason(
        code="column_unknown",
        gate="structure",
        message=HOSTILE,
        column=HOSTILE,
        figures={HOSTILE: HOSTILE},
        remedy=HOSTILE,
        rows=[{"line": 2, HOSTILE: HOSTILE}],
    )
    verdict = Verdict(task="passwords", accepted=False, reasons=[reason])
    shape = {"column": HOSTILE, "unit": HOSTILE, "values": [HOSTILE], "added": [1.0]}
    pair = {"columns": [HOSTILE, HOSTILE], "values": [[HOSTILE], [HOSTILE]], "added": [[1.0]]}
    learned = {"importance": [{"column": HOSTILE, "added": 1.0}], "shapes": [shape], "pairs": [pair], "scale": HOSTILE}
    training = Training.model_validate(learned)
    page = report.render(verdict, run_id=HOSTILE, data_url=HOSTILE, training=training)
    assert page.count("<figure") == 3
    assert "<script" not in page
    assert "<img" not in page


def test_an_accepted_dataset_without_reference_has_its_own_distributions(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    passwords.generate(1, 200).to_csv(path, index=False)
    verdict = gates.judge(path, passwords.TASK, reference=None, incumbent=None).verdict
    page = report.render(verdict, run_id="run-abc", data_url=None)
    assert "None: every gate was passed." in page
    assert "Characters of Password" in page
    assert "Held against" not in page
    assert "this dataset and the reference" not in page


def test_the_report_tells_what_a_model_has_learned() -> None:
    verdict = Verdict(task="heart-disease", accepted=True)
    training = Training.model_validate(
        {
            "importance": [{"column": "age", "added": 0.5}, {"column": "thal", "added": 0.25}],
            "scale": "log odds that condition is 1",
            "shapes": [
                {"column": "age", "unit": "years", "values": [30.0, 60.0, None], "added": [-0.75, 0.5, 0.125]},
                {"column": "thal", "values": ["normal", "fixed"], "added": [-0.25, 0.25]},
            ],
            "pairs": [{"columns": ["age", "thal"], "values": [[30.0], ["normal", None]], "added": [[-0.5, None]]}],
        }
    )
    page = report.render(verdict, run_id="run-abc", data_url=None, training=training)
    for told in ("What the model has learned", "How much each column counts", "age, without a value +0.125", "normal"):
        assert told in page
    assert page.count("added to log odds that condition is 1") == 2
    assert "age with thal" in page
    assert "added together to log odds that condition is 1, a half of it for each" in page
    classes = set(re.findall(r'class="(\w+)"', "".join(re.findall(r"<svg.*?</svg>", page))))
    style = page[: page.index("</style>")]
    assert all(f".{one} {{" in style or f".{one}," in style for one in classes)
    assert "What the model has learned" not in report.render(verdict, run_id="run-abc", data_url=None)


def test_a_verdict_without_rows_is_a_short_report() -> None:
    verdict = Verdict(task="passwords", accepted=False, reasons=[])
    assert elements(report.render(verdict, run_id="run-abc", data_url=None)).names.isdisjoint({"svg", "figure"})


def test_an_upload_is_called_by_the_name_of_its_file(drifted: Verdict) -> None:
    page = report.render(drifted, run_id="run-abc", data_url=upload_address("a" * 64, "Flüge 2.csv"))
    assert "<dd>Flüge 2.csv (uploaded)</dd>" in page
