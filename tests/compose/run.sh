#!/usr/bin/env bash
# `make e2e-compose`: builds, starts and tests the containers. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."

code=0
tests/compose/engine.sh start || code=$?
[ "$code" = 0 ] || [ "$code" = 3 ] || exit "$code" # without an engine, pytest reports why it skips
trap 'tests/compose/engine.sh stop' EXIT
[ "$code" = 3 ] || tests/compose/base.sh
.venv/bin/pytest tests/compose "$@"
