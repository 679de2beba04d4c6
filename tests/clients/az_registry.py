"""`az acr`: registries, their names, credentials and logins."""

import os

from check import LOCATION, answered, az, equal, log_in, names, refused, that

REGISTRY, SERVER = os.environ["ACR_REGISTRY_NAME"], os.environ["ACR_LOGIN_SERVER"]


def registries():
    equal("check-name: a free name", az("acr check-name -n walkfree")["nameAvailable"], True)
    taken = az(f"acr check-name -n {REGISTRY}")
    equal("check-name: a taken name", (taken["nameAvailable"], taken["reason"]), (False, "AlreadyExists"))
    wrong = az("acr check-name -n a-b-c-d-e")
    equal("check-name: an invalid name", (wrong["nameAvailable"], wrong["reason"]), (False, "Invalid"))
    made = az(f"acr create -g walk -n walkregistry --sku Standard -l {LOCATION} --admin-enabled true --tags team=a")
    equal("create answers the state", made["provisioningState"], "Succeeded")
    equal("create answers the sku", made["sku"]["name"], "Standard")
    equal("create answers the tags", made["tags"], {"team": "a"})
    that("create answers the login server", made["loginServer"], made)
    equal("show finds it by name alone", az("acr show -n walkregistry")["id"], made["id"])
    equal("list -g has it", names(az("acr list -g walk")), ["walkregistry"])
    equal("list has both", names(az("acr list")), sorted([REGISTRY, "walkregistry"]))
    updated = az("acr update -n walkregistry --sku Basic --set tags.team=b")
    equal("update answers the change", (updated["sku"]["name"], updated["tags"]), ("Basic", {"team": "b"}))
    that("show-usage answers the size", "Size" in names(az("acr show-usage -n walkregistry")["value"]))
    return made


def credentials():
    first = az("acr credential show -n walkregistry")
    equal("credential show answers the user", first["username"], "walkregistry")
    equal("credential show answers two passwords", names(first["passwords"]), ["password", "password2"])
    second = az("acr credential renew -n walkregistry --password-name password2")
    values = [{one["name"]: one["value"] for one in answer["passwords"]} for answer in (first, second)]
    equal("credential renew leaves the other", values[0]["password"], values[1]["password"])
    that("credential renew makes a new one", values[0]["password2"] != values[1]["password2"])
    az("acr update -n walkregistry --admin-enabled false")
    refused("admin", "acr credential show -n walkregistry")


def login():
    shown = az(f"acr login -n {REGISTRY} --expose-token")
    equal("login --expose-token names the server", shown["loginServer"], SERVER)
    that("login --expose-token answers a token", shown["accessToken"].count(".") == 2)
    answer = answered(f"acr login -n {REGISTRY}")
    that("login logs docker in", "Login Succeeded" in answer.out, answer.text())


def removal():
    answered("acr delete -n walkregistry --yes")
    equal("delete: it is gone", names(az("acr list")), [REGISTRY])
    refused("ResourceNotFound", "acr show -g walk -n walkregistry")


log_in()
az(f"group create -n walk -l {LOCATION}")
registries()
credentials()
login()
removal()
