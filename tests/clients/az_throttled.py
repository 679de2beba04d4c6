"""`az` where Resource Manager says twice that it was asked too often, and for how long to wait."""

import os
import time

import requests

from check import LOCATION, az, equal, log_in, that

WAIT = 2


def fault(**more):
    """Makes calls fail, over the control API."""
    wanted = [{"service": "arm", "path_contains": "resourcegroups/busy", "status": 429, "retry_after": WAIT, "count": 2, **more}]
    answer = requests.post(
        os.environ["MAYFLY_CONTROL_URL"] + "/arm/faults", json=wanted, timeout=10,
        headers={"Authorization": "Bearer " + os.environ["MAYFLY_CONTROL_TOKEN"]},
    )
    that(f"a fault is set: {more}", answer.ok, answer.text)


def waited(what, line):
    """A command that goes on after it was throttled twice."""
    began = time.monotonic()
    found = az(line)
    that(f"{what}: az waits twice", time.monotonic() - began >= 2 * WAIT, time.monotonic() - began)
    return found


log_in()
fault(method="PUT")
made = waited("group create", f"group create -n busy -l {LOCATION}")
equal("group create goes on", made["properties"]["provisioningState"], "Succeeded")
fault(method="GET")
equal("group show goes on", waited("group show", "group show -n busy")["name"], "busy")
