"""Runs a module as a child of the embedded stack: ``python -m regraft_cli.embedded.child PARENT MODULE ARGUMENT...``.

The child ends with its parent, whatever ends that.
"""

from __future__ import annotations

import runpy
import sys

from regraft_cli.embedded.lifeline import die_with_parent


def main() -> None:
    """Run the module."""
    parent, module, *arguments = sys.argv[1:]
    die_with_parent(int(parent))
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
