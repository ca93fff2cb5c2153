#!/bin/sh
# Start Redis with the password in REDIS_PASSWORD_FILE, which appears in no argument or variable.
set -eu
password_file=${REDIS_PASSWORD_FILE:-/run/secrets/redis_password}
if [ ! -s "$password_file" ]; then
    echo "redis: no password in $password_file; the service prepare writes it, so see its log" >&2
    exit 1
fi
umask 077
{ cat /etc/euguess/redis.conf; echo "maxmemory ${REDIS_MAX_MEMORY:-512mb}"; \
  printf 'requirepass %s\n' "$(cat "$password_file")"; } > /tmp/redis.conf
exec redis-server /tmp/redis.conf
