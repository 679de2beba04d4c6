"""Options of `az` that templates have no use for: groups from a file, their volumes, actions by type, subscriptions.

TEAM_IMAGE is an image with a shell that was pushed before."""

import json
import os

from check import LOCATION, answered, az, equal, eventually, log_in, names, that

IMAGE, SERVER = os.environ["TEAM_IMAGE"], os.environ["ACR_LOGIN_SERVER"]
REGISTRY = os.environ["ACR_REGISTRY_NAME"]
STORAGE = "--resource-type Microsoft.Storage/storageAccounts -g options -n kept"
FILE = f"""
apiVersion: '2023-05-01'
name: fromfile
type: Microsoft.ContainerInstance/containerGroups
location: {LOCATION}
tags: {{team: a}}
properties:
  osType: Linux
  restartPolicy: Never
  imageRegistryCredentials:
  - {{server: '{SERVER}', username: '{os.environ["ACR_USERNAME"]}', password: '{os.environ["ACR_PASSWORD"]}'}}
  containers:
  - name: one
    properties:
      image: '{IMAGE}'
      command: [sh, -c, 'cat /mnt/secret/word; echo $COLOUR']
      environmentVariables: [{{name: COLOUR, value: green}}]
      resources: {{requests: {{cpu: 1.0, memoryInGB: 1.0}}}}
      volumeMounts: [{{name: secretfiles, mountPath: /mnt/secret}}]
  volumes:
  - name: secretfiles
    secret: {{word: aGVsbG8K}}
"""
GROUP = {
    "$schema": "https://schema.management.azure.com/schemas/2018-05-01/subscriptionDeploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "resources": [{"type": "Microsoft.Resources/resourceGroups", "apiVersion": "2022-09-01", "name": "landing", "location": LOCATION}],
}


def write(name, text):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)


def logs(name, text):
    return eventually(f"{name} prints `{text}`", lambda: (text in (found := answered(f"container logs -g options -n {name}").out), found))


def containers():
    write("group.yaml", FILE)
    made = az("container create -g options --file group.yaml")
    equal("create --file", (made["name"], made["tags"], made["properties"]["restartPolicy"]), ("fromfile", {"team": "a"}, "Never"))
    logs("fromfile", "hello\ngreen")
    az("container export -g options -n fromfile -f exported.yaml")
    with open("exported.yaml", encoding="utf-8") as file:
        exported = file.read()
    that("export names the volume and not what is in it", "secretfiles" in exported and "aGVsbG8K" not in exported, exported)
    made = az(
        "container create -g options -n volumes --os-type Linux --cpu 1 --memory 1 --restart-policy Never --image {} "
        "--command-line {} --registry-username {} --registry-password {} --registry-login-server {} "
        "--azure-file-volume-share-name share --azure-file-volume-account-name account --azure-file-volume-account-key a2V5 "
        "--azure-file-volume-mount-path /mnt/share --secrets word=hidden --secrets-mount-path /mnt/secret",
        IMAGE, "sh -c 'echo kept >/mnt/share/file; cat /mnt/share/file /mnt/secret/word'",
        os.environ["ACR_USERNAME"], os.environ["ACR_PASSWORD"], SERVER,
    )
    mounts = [(one["name"], one["mountPath"]) for one in made["containers"][0]["volumeMounts"]]
    equal("create mounts share and secrets", mounts, [("azurefile", "/mnt/share"), ("secrets", "/mnt/secret")])
    that("create shows neither key nor secret", "a2V5" not in json.dumps(made) and "hidden" not in json.dumps(made), made)
    logs("volumes", "kept\nhidden")
    az("container delete -g options -n volumes -y")
    equal("list --query", az("container list -g options --query {}", "[].{n: name, s: provisioningState}"), [{"n": "fromfile", "s": "Succeeded"}])


def resources():
    equal("resource create", az(f"resource create {STORAGE} --properties {{}}", '{"a": 1}')["properties"]["a"], 1)
    updated = az(f"resource update {STORAGE} --set properties.b=2 tags.x=y")
    equal("resource update --set", (updated["properties"]["b"], updated["tags"]), (2, {"x": "y"}))
    equal("resource tag --is-incremental", az(f"resource tag {STORAGE} --tags z=1 -i")["tags"], {"x": "y", "z": "1"})
    az(f"resource wait {STORAGE} --exists")
    az("resource invoke-action -g options -n fromfile --resource-type Microsoft.ContainerInstance/containerGroups --action start")
    eventually("invoke-action start: it ran again", lambda: ((found := az("container show -g options -n fromfile"))["instanceView"]["state"] == "Succeeded", found))


def subscription():
    write("landing.json", json.dumps(GROUP))
    foreseen = az(f"deployment sub what-if -l {LOCATION} -f landing.json --no-pretty-print")
    equal("deployment sub what-if", [one["changeType"] for one in foreseen["changes"]], ["Create"])
    made = az(f"deployment sub create -l {LOCATION} -n land -f landing.json")
    equal("deployment sub create", made["properties"]["provisioningState"], "Succeeded")
    equal("deployment sub list", names(az("deployment sub list")), ["land"])
    equal("deployment sub export", az("deployment sub export -n land"), GROUP)
    az("deployment sub delete -n land")
    equal("group update --set", az("group update -n landing --set tags.a=b")["tags"], {"a": "b"})
    az("group delete -n landing --no-wait -y")
    az("group wait -n landing --deleted --timeout 30")
    equal("group exists: no more", az("group exists -n landing"), False)


def registry():
    made = az(f"acr scope-map create -n readers -r {REGISTRY} --repository team/tool content/read metadata/read")
    equal("acr scope-map create", made["actions"], ["repositories/team/tool/content/read", "repositories/team/tool/metadata/read"])
    more = az(f"acr scope-map update -n readers -r {REGISTRY} --add-repository team/more content/read")
    that("acr scope-map update", "repositories/team/more/content/read" in more["actions"], more)
    made = az(f"acr token create -n reader -r {REGISTRY} --scope-map readers")
    equal("acr token create", [one["name"] for one in made["credentials"]["passwords"]], ["password1", "password2"])
    equal("acr token update", az(f"acr token update -n reader -r {REGISTRY} --status disabled")["status"], "disabled")


log_in()
az(f"group create -n options -l {LOCATION}")
containers()
resources()
subscription()
registry()
