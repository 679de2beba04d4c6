"""`az`: cloud, login, account, resource groups, resources of any kind."""

import os

from check import ARM, LOCATION, SUBSCRIPTION, answered, az, equal, names, refused, register, sign_in, that


def account():
    register()
    refused(
        "AADSTS7000215",
        "login --service-principal -u {} -p wrong --tenant {}",
        os.environ["AZURE_CLIENT_ID"],
        os.environ["AZURE_TENANT_ID"],
    )
    logged_in = sign_in()
    equal("login answers the subscription", [one["id"] for one in logged_in], [SUBSCRIPTION])
    equal("login names the tenant", logged_in[0]["tenantId"], os.environ["AZURE_TENANT_ID"])
    equal("login names a service principal", logged_in[0]["user"]["type"], "servicePrincipal")
    cloud = az("cloud show -n Sandbox")
    that("cloud register finds the endpoints", cloud["endpoints"]["resourceManager"].rstrip("/") == ARM, cloud)
    that("the authority is the sandbox's", cloud["endpoints"]["activeDirectory"].startswith("https://localhost"), cloud)
    shown = az("account show")
    equal("account show answers the subscription", shown["id"], SUBSCRIPTION)
    equal("it is enabled", shown["state"], "Enabled")
    token = az("account get-access-token")
    equal("account get-access-token answers a bearer token", token["tokenType"], "Bearer")
    places = az("account list-locations")
    that("account list-locations knows the location", LOCATION in [one["name"] for one in places], places)
    registered = az("provider show -n Microsoft.ContainerInstance")
    equal("provider show answers the provider's state", registered["registrationState"], "Registered")


def groups():
    before = names(az("group list"))
    equal("group exists: not before", az("group exists -n walk"), False)
    made = az(f"group create -n walk -l {LOCATION} --tags team=a stage=test")
    equal("group create answers the id", made["id"], f"/subscriptions/{SUBSCRIPTION}/resourceGroups/walk")
    equal("group create answers the state", made["properties"]["provisioningState"], "Succeeded")
    equal("group create answers the tags", made["tags"], {"team": "a", "stage": "test"})
    equal("group exists: then it does", az("group exists -n WALK"), True)
    equal("group show finds it in any case", az("group show -n WALK")["id"], made["id"])
    equal("group list has it", names(az("group list")), sorted([*before, "walk"]))
    equal("group list --tag finds it", names(az("group list --tag team=a")), ["walk"])
    equal("group list --tag leaves out others", az("group list --tag team=b"), [])
    refused("InvalidResourceGroupLocation", "group create -n walk -l northeurope")
    refused("LocationNotAvailableForResourceGroup", "group create -n other -l atlantis")
    refused("ResourceGroupNotFound", "group show -n nowhere")
    table = answered("group list -o table").out
    that("group list -o table has a line for it", any(line.split()[:2] == ["walk", LOCATION] for line in table.splitlines()), table)


def resources():
    made = az(f"identity create -g walk -n worker -l {LOCATION} --tags team=a")
    that("identity create answers a principal", made["principalId"] and made["clientId"], made)
    az("acr create -g walk -n walkregistry --sku Basic")
    listed = az("resource list -g walk")
    equal("resource list -g has both", names(listed), ["walkregistry", "worker"])
    by_name = {one["name"]: one for one in listed}
    equal("resource list answers the type", by_name["worker"]["type"], "Microsoft.ManagedIdentity/userAssignedIdentities")
    equal("resource list answers the tags", by_name["worker"]["tags"], {"team": "a"})
    kind = "--resource-type Microsoft.ContainerRegistry/registries"
    equal("resource list --resource-type leaves out others", names(az(f"resource list -g walk {kind}")), ["walkregistry"])
    equal("resource list --name finds it", names(az("resource list --name worker")), ["worker"])
    shown = az(f"resource show -g walk -n walkregistry {kind}")
    equal("resource show answers the resource", shown["sku"]["name"], "Basic")
    equal("resource show --ids does too", az("resource show --ids {}", shown["id"])["name"], "walkregistry")
    answered(f"resource delete -g walk -n walkregistry {kind}")
    refused("ResourceNotFound", f"resource show -g walk -n walkregistry {kind}")
    equal("resource delete leaves the other", names(az("resource list -g walk")), ["worker"])


def removal():
    answered("group delete -n walk -y")
    equal("group delete: it exists no more", az("group exists -n walk"), False)
    equal("its resources went with it", az("resource list --name worker"), [])
    refused("ResourceGroupNotFound", "group delete -n walk -y")


account()
groups()
resources()
removal()
