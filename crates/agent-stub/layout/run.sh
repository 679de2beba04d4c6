#!/bin/bash
# Runs the agent: ./run.sh [--once]

if [ "$(id -u)" -eq 0 ] && [ -z "$AGENT_ALLOW_RUNASROOT" ]; then
    echo "Must not run interactively with sudo" >&2
    exit 1
fi

root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
"$root/bin/Agent.Listener" run "$@"
code=$?
if [ $code -eq 4 ]; then
    # The agent exchanges its files; it needs a moment, then the listener is started once more.
    sleep 5
    for _ in {1..15}; do
        if [ -f "$root/update.finished" ]; then
            rm -f "$root/update.finished"
            break
        fi
        sleep 1
    done
    "$root/bin/Agent.Listener" run "$@"
    code=$?
fi
exit $code
