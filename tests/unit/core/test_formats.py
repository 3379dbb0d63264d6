"""What other releases have written is read by the rule: what is known is taken, the rest left aside."""

from __future__ import annotations

import json

from regraft_core.formats import FORMAT
from regraft_core.profile import Profile
from regraft_core.verdict import Verdict

TARGET = {"kind": "levels", "levels": [0.0, 1.0], "counts": [8, 2, 0], "shares": [0.8, 0.2, 0.0]}
PROFILE = {"task": "passwords", "rows": 10, "data_sha256": "a" * 64, "skill": 0.5, "target": TARGET, "inputs": {}}
COMPARISON = {
    "column": "Times",
    "what": "target",
    "labels": ["0", "1", "other"],
    "shares": [0.8, 0.2, 0.0],
    "reference": [0.5, 0.5, 0.0],
    "psi": 0.4,
    "p": 0.001,
}


def test_a_verdict_of_release_0_1_is_read_whole() -> None:
    old = {"task": "passwords", "accepted": True, "profile": PROFILE | {"comparisons": [COMPARISON]}, "reference": {}}
    verdict = Verdict.model_validate_json(json.dumps(old))
    assert verdict.format == 1
    assert verdict.profile is not None
    assert verdict.profile.target.labels == ["0", "1", "other"]
    assert [one.psi for one in verdict.comparisons] == [0.4]
    assert verdict.reference is None


def test_a_verdict_of_release_0_1_without_rows_has_no_profile() -> None:
    old = {"task": "passwords", "accepted": False, "profile": {}, "reference": {}}
    verdict = Verdict.model_validate_json(json.dumps(old))
    assert (verdict.profile, verdict.reference, verdict.comparisons) == (None, None, [])


def test_what_a_newer_release_says_besides_is_left_aside() -> None:
    newer = PROFILE | {"format": FORMAT + 1, "cadence": "daily"}
    assert Profile.model_validate_json(json.dumps(newer)).rows == 10


def test_a_verdict_stands_without_a_profile_that_it_cannot_read() -> None:
    newer = {"task": "passwords", "accepted": True, "rows": 10, "profile": PROFILE | {"target": {"kind": "sketch"}}}
    verdict = Verdict.model_validate_json(json.dumps(newer))
    assert (verdict.accepted, verdict.rows, verdict.profile) == (True, 10, None)


def test_what_is_written_says_its_format_and_comes_back_as_it_was() -> None:
    profile = Profile.model_validate(PROFILE)
    verdict = Verdict(task="passwords", accepted=True, profile=profile, reference=profile)
    written = verdict.model_dump_json()
    assert json.loads(written)["format"] == FORMAT
    assert Verdict.model_validate_json(written) == verdict
