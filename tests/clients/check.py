"""What all walks share: `az` as a process of its own, and checks that print what they checked.

A walk ends at its first check that does not hold, with a code that is not 0, the command, and what it printed.
"""

import json
import os
import shlex
import subprocess
import sys
import time

SUBSCRIPTION = os.environ["AZURE_SUBSCRIPTION_ID"]
ARM = os.environ["ARM_ENDPOINT"]
LOCATION = "westeurope"


class Answer:
    """How a command ended and what it printed."""

    def __init__(self, words, code, out, err):
        self.words, self.code, self.out, self.err = words, code, out, err

    def json(self):
        """The result; None where a command has none."""
        try:
            return json.loads(self.out) if self.out.strip() else None
        except ValueError:
            fail(f"{self.shown()} prints JSON", self.text())

    def shown(self):
        return "`az " + " ".join(shlex.quote(word) for word in self.words) + "`"

    def text(self):
        return f"{self.shown()} ended with {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


def fail(what, found):
    """Ends the walk."""
    print(f"FAILED {what}\nfound: {found}", flush=True)
    sys.exit(1)


def that(what, condition, found=None):
    """A check of anything."""
    if not condition:
        fail(what, found)
    print(f"ok {what}", flush=True)


def equal(what, found, wanted):
    """A check of a value."""
    if found != wanted:
        fail(what, f"{found!r}\nwanted: {wanted!r}")
    print(f"ok {what}", flush=True)


def start(line, *more, stdin=None, limit=240):
    """Runs `az` with the words of a line and with these, however it ends. `{}` stands for the next of `more`."""
    further = list(more)
    words = [further.pop(0) if word == "{}" else word for word in shlex.split(line)] + further
    program = [sys.executable, "-m", "azure.cli", *words]
    environment = {**os.environ, "AZ_INSTALLER": "PIP"}
    try:
        done = subprocess.run(program, env=environment, input=stdin, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired as late:
        fail(f"`az {line}` ends within {limit} s", late)
    return Answer(words, done.returncode, done.stdout, done.stderr)


def az(line, *more, **options):
    """Runs a command that must succeed, and gives its result."""
    return answered(line, *more, **options).json()


def answered(line, *more, **options):
    """Runs a command that must succeed, and gives all that it printed."""
    answer = start(line, *more, **options)
    if answer.code != 0:
        fail(f"{answer.shown()} succeeds", answer.text())
    return answer


def refused(code, line, *more, **options):
    """Runs a command that must fail and name this error code."""
    answer = start(line, *more, **options)
    that(f"`az {line}` is refused with {code}", answer.code != 0 and code in answer.err, answer.text())
    return answer


def eventually(what, ask, limit=90):
    """Asks until the answer is one."""
    deadline = time.monotonic() + limit
    while True:
        found, value = ask()
        if found:
            print(f"ok {what}", flush=True)
            return value
        if time.monotonic() > deadline:
            fail(f"{what} within {limit} s", value)
        time.sleep(0.5)


def register():
    """The cloud as the documentation of `az` says."""
    az("config set core.collect_telemetry=false")
    az("cloud register -n Sandbox --endpoint-resource-manager {}", ARM)
    az("cloud set -n Sandbox")


def log_in():
    """The cloud, and its service principal logged in."""
    register()
    return sign_in()


def sign_in():
    """The service principal logged in."""
    return az(
        "login --service-principal -u {} -p {} --tenant {}",
        os.environ["AZURE_CLIENT_ID"],
        os.environ["AZURE_CLIENT_SECRET"],
        os.environ["AZURE_TENANT_ID"],
    )


def names(listed):
    """The names in a list, sorted."""
    return sorted(one["name"] for one in listed)
