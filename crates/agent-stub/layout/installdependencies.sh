#!/bin/bash
# The agent needs bash and a C library; both are here when its programs start.

folder="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
for program in Agent.Listener Agent.Worker; do
    if ldd "$folder/$program" 2>/dev/null | grep "not found"; then
        echo "A library that $program needs is missing." >&2
        exit 1
    fi
done
echo "All dependencies are installed."
exit 0
