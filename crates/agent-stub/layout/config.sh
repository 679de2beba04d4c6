#!/bin/bash
# Registers this agent, or removes it: ./config.sh [remove] ARGUMENTS

if [ "$(id -u)" -eq 0 ] && [ -z "$AGENT_ALLOW_RUNASROOT" ]; then
    echo "Must not run with sudo" >&2
    exit 1
fi

cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
source ./env.sh

if [ "$1" == "remove" ]; then
    exec ./bin/Agent.Listener "$@"
fi
exec ./bin/Agent.Listener configure "$@"
