from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from regraft_core import layout
from regraft_core.runs import RunState, now
from regraft_core.serving import Serving
from regraft_core.stores.objects import put_model
from regraft_trigger import page
from tests.unit.trigger.examples import HOSTILE, rejected_run, run_of
from tests.unit.trigger.serving import DATA_URL, Running, Serve

HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Tags(HTMLParser):
    """Collects what a browser would see as tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def put_run(service: Running, hostile: str = "") -> str:
    """Put a rejected run into the store and return its id."""
    accepted = service.accept()
    wanted = rejected_run(hostile).model_dump(exclude={"run_id", "accepted_at"})
    service.runs.save(accepted.model_validate(accepted.model_dump() | wanted))
    return accepted.run_id


def put_serving(service: Running, hostile: str = "") -> None:
    serving = Serving(
        task="passwords",
        version=f"7{hostile}",
        run_id="run-aaaaaaaaaaaa",
        uri="file:///x/",
        data_url=f"https://data.example.org/{hostile}",
        data_sha256=f"{hostile}" + "b" * 64,
        metrics={f"mae{hostile}": 0.05},
        since=now(),
    )
    put_model(service.objects, layout.serving("passwords"), serving)


def test_the_dashboard_shows_what_serves_and_the_runs(serve: Serve) -> None:
    service = serve(mlflow_public_url="http://mlflow.example.org")
    put_serving(service)
    run_id = put_run(service)

    html = service.client.get("/").text

    assert '<span class="number">Version 7</span>' in html
    assert f'id="{run_id}" data-state="rejected"' in html
    assert "The target has moved: 80 % are 0.0, 50 % were." in html
    assert 'href="http://mlflow.example.org"' in html
    assert "Nothing serves yet" in html


def test_a_run_has_a_page_with_reasons_figures_rows_and_chart(service: Running) -> None:
    run_id = put_run(service)

    answer = service.client.get(f"/runs/{run_id}", headers=HTML)

    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    for text in ("target_drift", "0.3844", "Send data whose Times", ">null</td>", "80.0%", "0.1235", "Data report"):
        assert text in answer.text
    assert "<svg viewBox" in answer.text
    assert 'href="http://127.0.0.1:5000/#/runs/1"' in answer.text


@pytest.mark.parametrize(
    ("accept", "html"),
    [
        (None, False),
        ("*/*", False),
        ("application/json", False),
        ("text/html", True),
        ("text/html;q=0.5, application/json", False),
        ("text/html;q=0.9, application/json;q=0.5", True),
        ("text/html;q=x", False),
        (HTML["Accept"], True),
    ],
)
def test_only_who_prefers_a_page_gets_one(service: Running, accept: str | None, html: bool) -> None:
    run_id = service.accept().run_id

    answer = service.client.get(f"/runs/{run_id}", headers={"Accept": accept} if accept else {})

    assert answer.headers["content-type"].startswith("text/html" if html else "application/json")
    assert "Accept" in answer.headers["vary"].split(", ")


def test_hostile_texts_stay_texts(serve: Serve) -> None:
    service = serve()
    put_serving(service, HOSTILE)
    run_id = put_run(service, HOSTILE)

    for path in ("/", f"/runs/{run_id}"):
        answer = service.client.get(path, headers=HTML)
        tags = Tags(answer.text).seen
        assert [attributes.get("src") for tag, attributes in tags if tag == "script"] == [
            f"/static/page.js?{page._templates.globals['asset_version']}"
        ]
        names = {name for _, attributes in tags for name in attributes}
        assert not {name for name in names if name.startswith("on") or name == "style"}
        links = [attributes.get("href") or "" for tag, attributes in tags if tag == "a"]
        assert all(link.startswith(("/", "#", "http://", "https://")) for link in links)


def test_nothing_inline_is_allowed_and_nothing_inline_is_there(service: Running) -> None:
    answer = service.client.get("/")

    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "<style" not in answer.text


def test_the_form_starts_a_run_without_javascript(service: Running) -> None:
    fields = {"data_url": f" {DATA_URL} ", "task": "heart-disease", "force": "on"}

    answer = service.client.post("/page/trigger", data=fields, headers={"Origin": service.url})

    assert answer.status_code == 303
    run = service.client.get(answer.headers["location"]).json()
    assert (run["data_url"], run["task"], run["force"]) == (DATA_URL, "heart-disease", True)


def test_the_form_comes_back_with_what_was_entered_and_why_it_was_refused(service: Running) -> None:
    answer = service.client.post("/page/trigger", data={"data_url": "ftp://a.b/c", "task": "passwords"})

    assert answer.status_code == 400
    assert "it must begin with http:// or https://" in answer.text
    assert 'value="ftp://a.b/c" aria-invalid="true"' in answer.text


def test_the_rollback_form_starts_a_rollback(service: Running) -> None:
    answer = service.client.post("/page/rollback", data={"task": "passwords", "version": ""})
    refused = service.client.post("/page/rollback", data={"task": "passwords", "version": "latest"})

    run = service.client.get(answer.headers["location"]).json()
    assert (run["kind"], run["to_version"]) == ("rollback", None)
    assert refused.status_code == 400
    assert "the field &#39;version&#39; is not valid" in refused.text


def test_a_rollback_has_the_versions_that_served_to_choose_from(service: Running) -> None:
    for version in ("5", "6", "7"):
        accepted = service.accept()
        run = run_of(RunState.PROMOTED, run_id=accepted.run_id, version=version, metrics={"skill": 0.9})
        run.finished_at = accepted.accepted_at
        service.runs.save(run.model_copy(update={"accepted_at": accepted.accepted_at}))
    put_serving(service)

    html = service.client.get("/", headers=HTML).text

    assert ("select", {"id": "version-passwords", "name": "version"}) in Tags(html).seen
    chosen = [attributes["value"] for tag, attributes in Tags(html).seen if tag == "option" and "value" in attributes]
    assert chosen == ["", "6", "5"]
    assert "Version 6 · skill 0.9 · served since " in html
    assert "UTC · data.example.org/…/passwords.csv</option>" in html
    # What is open stays as it is while the page lives, until another version serves.
    assert 'data-still="7 6 5"' in html


def test_a_run_that_waited_for_its_turn_says_so(service: Running) -> None:
    accepted = service.accept()
    run = run_of(RunState.PROMOTED, run_id=accepted.run_id, version="7")
    run.accepted_at = accepted.accepted_at
    for place, step in enumerate(run.steps):
        step.started_at = run.accepted_at + timedelta(seconds=40 + place)
        step.finished_at = run.accepted_at + timedelta(seconds=41 + place)
    run.finished_at = run.steps[-1].finished_at
    service.runs.save(run)

    assert "waited 40 s" in service.client.get("/", headers=HTML).text
    shown = service.client.get(f"/runs/{run.run_id}", headers=HTML).text
    assert "<dt>Waited</dt><dd>40 s</dd>" in shown
    assert "<dt>Took</dt><dd>5.0 s</dd>" in shown


def test_forms_ask_for_the_token_where_one_is_configured(serve: Serve) -> None:
    service = serve(trigger_token="right")
    fields = {"data_url": DATA_URL, "task": "passwords"}

    assert 'name="token"' in service.client.get("/").text
    assert service.client.post("/page/trigger", data=fields).status_code == 401
    assert service.client.post("/page/rollback", data={"task": "passwords", "token": "wrong"}).status_code == 401
    assert service.client.post("/page/trigger", data=fields | {"token": "right"}).status_code == 303


def test_forms_of_other_sites_and_unreadable_ones_are_refused(service: Running) -> None:
    foreign = service.client.post(
        "/page/trigger", data={"data_url": DATA_URL}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    broken = service.client.post("/page/trigger", content=b"data_url=%ff\xff")

    assert (foreign.status_code, foreign.json()["code"]) == (403, "cross_site_request")
    assert (broken.status_code, broken.json()["code"]) == (400, "form_unreadable")


def test_older_runs_are_a_page_away(serve: Serve) -> None:
    service = serve()
    ids = [service.accept(task="heart-disease").run_id for _ in range(page.RUNS_PER_PAGE + 2)]

    first = service.client.get("/", params={"task": "heart-disease"}).text
    older = service.client.get("/", params={"task": "heart-disease", "before": ids[2]}).text

    assert f"?before={ids[2]}&amp;task=heart-disease" in first
    assert f'id="{ids[2]}"' in first
    assert f'id="{ids[1]}"' in older
    assert f'id="{ids[2]}"' not in older
    assert service.client.get("/", params={"task": "none"}).status_code == 400


def test_a_run_that_is_on_its_way_has_a_page(service: Running) -> None:
    run = service.accept()
    run.state = RunState.RUNNING
    run.steps[0].progress, run.steps[0].started_at = 0.25, now()
    service.runs.save(run)

    assert "Running" in service.client.get(f"/runs/{run.run_id}", headers=HTML).text


def transferred(service: Running, path: str) -> int:
    with service.client.stream("GET", path) as answer:
        answer.read()
        return answer.num_bytes_downloaded


def test_a_full_page_is_light(service: Running) -> None:
    for _ in range(page.RUNS_PER_PAGE):
        put_run(service)
    folder = Path(page.__file__).parent / "static"
    paths = ["/", *(f"/static/{file.name}" for file in folder.iterdir())]
    total = sum(transferred(service, path) for path in paths)

    assert total < 60 * 1024
