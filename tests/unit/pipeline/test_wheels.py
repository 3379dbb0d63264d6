"""Our own wheels: such that a fresh environment needs nothing else of ours."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from regraft_pipeline.taking import OURS, requirements
from regraft_pipeline.wheels import write_wheel

CODE = """
import sys
sys.path[:0] = sys.argv[1:]  # a wheel of pure Python can be imported as it is
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder)]
import regraft_core, regraft_inference.pyfunc
assert ".whl" in regraft_inference.__file__, regraft_inference.__file__
from regraft_inference.estimators import estimator_class
assert ".whl" in sys.modules[estimator_class("passwords").__module__].__file__
"""


def test_a_wheel_holds_all_that_its_package_is(tmp_path: Path) -> None:
    wheels = [str(write_wheel(name, tmp_path)) for name in OURS]
    subprocess.run([sys.executable, "-c", CODE, *wheels], check=True, cwd=tmp_path)


def test_the_same_package_gives_the_same_wheel(tmp_path: Path) -> None:
    one = write_wheel("regraft-core", tmp_path).read_bytes()
    assert write_wheel("regraft-core", tmp_path).read_bytes() == one


def test_all_is_pinned_to_what_the_bundle_was_trained_with() -> None:
    lines = requirements().splitlines()
    assert lines[0] == "--find-links wheels"
    assert f"scikit-learn=={version('scikit-learn')}" in lines
    assert f"regraft-inference=={version('regraft-inference')}" in lines
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^=]+", line) for line in lines[1:])
