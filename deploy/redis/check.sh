#!/bin/sh
# Healthy means that Redis accepts writes.
set -eu
REDISCLI_AUTH=$(cat "${REDIS_PASSWORD_FILE:-/run/secrets/redis_password}")
export REDISCLI_AUTH
[ "$(redis-cli SET euguess:health 1 EX 60)" = OK ]
