#!/bin/sh
# Install hashed requirements into a virtual environment; used by image builds.
#
#   install.sh requirements.txt folder
#
# The build secret `ca_bundle`, if given, is a file of certificates to trust (corporate proxies).
set -eu

if [ -s /run/secrets/ca_bundle ]; then
    export PIP_CERT=/run/secrets/ca_bundle SSL_CERT_FILE=/run/secrets/ca_bundle
fi
python3 -m venv /opt/uv
/opt/uv/bin/pip install --quiet --no-cache-dir --require-hashes -r uv.txt
/opt/uv/bin/uv venv --quiet --python /usr/bin/python3 "$2"
# Compile now, because containers cannot write bytecode later.
/opt/uv/bin/uv pip install --quiet --no-cache --no-deps --python "$2/bin/python" \
    --require-hashes --compile-bytecode -r "$1"
