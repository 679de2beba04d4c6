"""`az container`: the whole life of container groups. TEAM_IMAGE is an image with a shell that was pushed before."""

import os
import pathlib

from check import LOCATION, answered, az, equal, eventually, log_in, names, refused, start, that

IMAGE, SERVER = os.environ["TEAM_IMAGE"], os.environ["ACR_LOGIN_SERVER"]
CREDENTIALS = ["--registry-login-server", SERVER, "--registry-username", os.environ["ACR_USERNAME"], "--registry-password", os.environ["ACR_PASSWORD"]]
SIZE = "--os-type Linux --cpu 1 --memory 1"


def create(name, script, *more):
    """A group of one container that runs a script."""
    return az(
        f"container create -g walk -n {name} --image {{}} {SIZE} --command-line {{}}",
        IMAGE, f"/bin/sh -c \"{script}\"", *CREDENTIALS, *more,
    )


def state(name):
    return az(f"container show -g walk -n {name}")["instanceView"]["state"]


def creation():
    made = create(
        "one", "echo hello $COLOUR; echo to-stderr >&2; sleep 600",
        "--restart-policy", "OnFailure", "-e", "COLOUR=green", "--secure-environment-variables", "WORD=hidden",
        "--ip-address", "Public", "--ports", "80", "--dns-name-label", "walk-one",
    )
    equal("create answers the state", made["provisioningState"], "Succeeded")
    equal("create answers the place of the image", made["containers"][0]["image"], IMAGE)
    equal("create answers the command", made["containers"][0]["command"][:2], ["/bin/sh", "-c"])
    variables = {one["name"]: one.get("value") for one in made["containers"][0]["environmentVariables"]}
    equal("create shows variables and hides secret ones", variables, {"COLOUR": "green", "WORD": None})
    equal("create hides the registry's password", made["imageRegistryCredentials"][0].get("password"), None)
    equal("create answers the name of the address", made["ipAddress"]["fqdn"], f"walk-one.{LOCATION}.azurecontainer.io")
    equal("show: it runs", state("one"), "Running")
    shown = az("container show -g walk -n one")
    view = shown["containers"][0]["instanceView"]
    equal("show: the container runs", view["currentState"]["state"], "Running")
    events = [one["name"] for one in view["events"]]
    that("show: the events", {"Pulling", "Pulled", "Started"} <= set(events), view)
    listed = az("container list -g walk")
    equal("list has it", names(listed), ["one"])
    equal("list leaves out what it does", [listed[0].get("instanceView"), listed[0]["containers"][0].get("instanceView")], [None, None])
    equal("list --query", az("container list --query {}", "[?osType=='Linux'].[name, provisioningState]"), [["one", "Succeeded"]])
    that("list -o table has a line for it", any(line.split()[:1] == ["one"] for line in answered("container list -g walk -o table").out.splitlines()))
    refused("InaccessibleImage", f"container create -g walk -n two --image {SERVER}/team/nothing:1 {SIZE}", *CREDENTIALS)
    refused("InvalidContainerGroupUpdate", f"container create -g walk -n one --image {{}} --os-type Linux --cpu 2 --memory 1", IMAGE, *CREDENTIALS)


def output():
    logs = eventually("logs answers what it printed", lambda: ("hello green" in (text := answered("container logs -g walk -n one").out), text))
    that("logs answers both streams", "to-stderr" in logs, logs)
    refused("ResourceNotFound", "container logs -g walk -n nothing")
    create("short", "echo first; sleep 3; echo last", "--restart-policy", "Never")
    followed = answered("container attach -g walk -n short").out
    that("attach shows events and output", "last" in followed or "Terminated" in followed, followed)
    that("logs --follow ends with the container", "last" in answered("container logs -g walk -n short --follow").out)
    equal("a group that has ended well", state("short"), "Succeeded")
    ended = az("container show -g walk -n short")["containers"][0]["instanceView"]["currentState"]
    equal("its exit code", (ended["state"], ended["exitCode"], ended["detailStatus"]), ("Terminated", 0, "Completed"))


def life():
    started = az("container show -g walk -n one")["containers"][0]["instanceView"]["currentState"]["startTime"]
    answered("container restart -g walk -n one")
    eventually("restart: a new start", lambda: ((now := az("container show -g walk -n one")["containers"][0]["instanceView"])["currentState"].get("startTime") not in (None, started), now))
    answered("container stop -g walk -n one")
    eventually("stop: it stands", lambda: ((now := state("one")) == "Stopped", now))
    answered("container start -g walk -n one")
    eventually("start: it runs", lambda: ((now := state("one")) == "Running", now))


def export_and_removal():
    answered("container export -g walk -n one -f exported.yaml")
    text = pathlib.Path("exported.yaml").read_text()
    that("export writes the group", "type: Microsoft.ContainerInstance/containerGroups" in text and IMAGE in text, text)
    that("export writes no secret", "hidden" not in text and os.environ["ACR_PASSWORD"] not in text, text)
    answered("container delete -g walk -n one -y")
    equal("delete: it is gone", names(az("container list -g walk")), ["short"])
    refused("ResourceNotFound", "container show -g walk -n one")
    left = start("container delete -g walk -n one -y")
    equal("delete of what is not there is no error", left.code, 0)


log_in()
az(f"group create -n walk -l {LOCATION}")
creation()
output()
life()
export_and_removal()
