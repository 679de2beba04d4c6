"""`az deployment group cancel`: a deployment that is under way. TEAM_IMAGE is an image that was pushed before."""

import json
import os
import pathlib

from check import LOCATION, answered, az, equal, eventually, log_in, names, that

COUNT = 20
TEMPLATE = {
    "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "parameters": {name: {"type": kind} for name, kind in [("image", "string"), ("server", "string"), ("user", "string"), ("password", "securestring")]},
    "resources": [{
        "type": "Microsoft.ContainerInstance/containerGroups", "apiVersion": "2023-05-01",
        "name": "[concat('slow-', copyIndex())]", "location": "[resourceGroup().location]",
        # One after the other, so that some are still to come when it is cancelled.
        "copy": {"name": "slow", "count": COUNT, "mode": "serial", "batchSize": 1},
        "properties": {
            "osType": "Linux", "restartPolicy": "Never",
            "imageRegistryCredentials": [{"server": "[parameters('server')]", "username": "[parameters('user')]", "password": "[parameters('password')]"}],
            "containers": [{"name": "main", "properties": {
                "image": "[parameters('image')]", "command": ["sleep", "600"], "resources": {"requests": {"cpu": 1, "memoryInGB": 1}},
            }}],
        },
    }],
}


def begin():
    pathlib.Path("slow.json").write_text(json.dumps(TEMPLATE))
    values = {"image": "TEAM_IMAGE", "server": "ACR_LOGIN_SERVER", "user": "ACR_USERNAME", "password": "ACR_PASSWORD"}
    pathlib.Path("values.json").write_text(json.dumps({"parameters": {name: {"value": os.environ[variable]} for name, variable in values.items()}}))
    answered("deployment group create -g walk -n slow -f slow.json -p @values.json --no-wait")


def state():
    return az("deployment group show -g walk -n slow")["properties"]["provisioningState"]


def cancellation():
    begin()
    equal("create --no-wait: it is under way", state() in ("Accepted", "Running"), True)
    answered("deployment group cancel -g walk -n slow")
    eventually("cancel: its state", lambda: ((now := state()) == "Canceled", now))
    made = names(az("resource list -g walk"))
    that("cancel: the rest was never made", len(made) < COUNT, made)
    answered("group delete -n walk -y")
    equal("group delete takes what was made", az("resource list -g walk") if az("group exists -n walk") else [], [])


log_in()
az(f"group create -n walk -l {LOCATION}")
cancellation()
