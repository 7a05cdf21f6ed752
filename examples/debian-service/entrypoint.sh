#!/bin/sh
# Gives the server a memory limit where the caller wants one.
set -eu
if [ "$1" = redis-server ] && [ -n "${MAX_MEMORY:-}" ]; then
    set -- "$@" --maxmemory "$MAX_MEMORY"
fi
exec "$@"
