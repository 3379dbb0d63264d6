#!/usr/bin/env bash
# The development environment in .venv, from requirements/dev.txt. Needs Python (any 3.x) and a package index.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\033[1m%s\033[0m\n' "setup: $*" >&2; }

find_uv() {
  # A version manager's shim may work in some folders only.
  if (cd / && uv --version) >/dev/null 2>&1; then command -v uv; return; fi
  if ! [ -x .tools/bin/uv ]; then
    say "installing uv into .tools"
    python3 -m venv .tools
    .tools/bin/python -m pip install --quiet --disable-pip-version-check uv
  fi
  echo .tools/bin/uv
}

# A version manager's shim named python3.12 may be there and not work, which stops uv's own search: look for one that runs.
find_python() {
  local candidate
  for candidate in "${PYTHON:-}" python3.12 python3 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.12*/bin/python; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  say "no Python 3.12 found, uv fetches one"
  echo 3.12
}

uv=$(find_uv)
say "creating .venv"
"$uv" venv --quiet --clear --python "$(find_python)" .venv
export VIRTUAL_ENV=$PWD/.venv
say "installing the locked packages"
"$uv" pip install --quiet --compile-bytecode --require-hashes --requirement requirements/dev.txt
"$uv" pip install --quiet --no-deps --no-build-isolation \
  --editable core --editable inference --editable pipeline --editable trigger-service --editable cli
