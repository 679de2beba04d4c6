"""`az`: roles, tags, exports, moves, providers, features: what is asked beside the resources themselves."""

import json
import pathlib

from check import LOCATION, SUBSCRIPTION, answered, az, equal, log_in, names, refused, that

GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/walk"


def roles():
    found = az("role definition list --name AcrPull")
    equal("role definition list finds a role by name", [one["name"] for one in found], ["7f951dda-4ed3-4680-a7ca-43fe172d538d"])
    equal("its kind", found[0]["roleType"], "BuiltInRole")
    that("role definition list knows the rest", {"Owner", "Contributor", "Reader", "AcrPush"} <= {one["roleName"] for one in az("role definition list")})
    worker = az(f"identity create -g walk -n worker -l {LOCATION}")
    registry = az("acr create -g walk -n walkroles --sku Basic")["id"]
    given = az("role assignment create --role AcrPull --assignee {} --scope {}", worker["principalId"], registry)
    equal("role assignment create finds the principal", (given["principalId"], given["principalType"]), (worker["principalId"], "ServicePrincipal"))
    again = az("role assignment create --role AcrPull --assignee-object-id {} --assignee-principal-type ServicePrincipal --scope {}", worker["principalId"], registry)
    equal("role assignment create again gives the same", again["id"], given["id"])
    listed = az("role assignment list --all")
    equal("role assignment list has the names", [(one["roleDefinitionName"], one["principalName"]) for one in listed], [("AcrPull", worker["clientId"])])
    equal("by assignee and application id", len(az("role assignment list --all --assignee {}", worker["clientId"])), 1)
    equal("not at the scope above", az("role assignment list -g walk"), [])
    answered("role assignment delete --assignee {} --role AcrPull --scope {}", worker["principalId"], registry)
    equal("role assignment delete", az("role assignment list --all"), [])
    pathlib.Path("role.json").write_text(json.dumps({
        "Name": "Image reader", "Description": "pulls", "Actions": ["Microsoft.ContainerRegistry/registries/pull/read"], "AssignableScopes": [GROUP],
    }))
    made = az("role definition create --role-definition role.json")
    equal("role definition create", (made["roleName"], made["roleType"]), ("Image reader", "CustomRole"))
    equal("role definition list --custom-role-only", [one["roleName"] for one in az("role definition list --custom-role-only -g walk")], ["Image reader"])
    answered("role definition delete -n {} --scope {}", "Image reader", GROUP)
    equal("role definition delete", az("role definition list --custom-role-only -g walk"), [])


def tags():
    az("tag create -n cost")
    az("tag add-value -n cost --value high")
    listed = {one["tagName"]: one for one in az("tag list")}
    equal("tag list has the defined name", [one["tagValue"] for one in listed["cost"]["values"]], ["high"])
    equal("tag list has what is used", listed["team"]["count"]["value"], 1)
    answered("tag remove-value -n cost --value high")
    answered("tag delete -n cost -y")
    for operation, given, wanted in [
        ("Merge", "stage=test", {"team": "a", "stage": "test"}),
        ("Delete", "team=a", {"stage": "test"}),
        ("Replace", "only=1", {"only": "1"}),
    ]:
        found = az("tag update --resource-id {} --operation {} --tags {}", GROUP, operation, given)
        equal(f"tag update {operation}", found["properties"]["tags"], wanted)


def export():
    answered(f"resource create -g walk -n plan --resource-type Microsoft.Web/serverfarms -l {LOCATION} --properties {{}}", '{"size": "[1]"}')
    template = az("group export -n walk --include-parameter-default-value")
    kinds = sorted(one["type"].split("/")[1] for one in template["resources"])
    equal("group export has every resource", kinds, ["registries", "serverfarms", "userAssignedIdentities"])
    pathlib.Path("exported.json").write_text(json.dumps(template))
    foreseen = az("deployment group what-if -g walk -f exported.json --mode Complete --no-pretty-print")
    equal("what is exported changes nothing", {one["changeType"] for one in foreseen["changes"]}, {"NoChange"})
    az(f"group create -n other -l {LOCATION}")
    plan = az("resource show -g walk -n plan --resource-type Microsoft.Web/serverfarms")["id"]
    answered("resource move --destination-group other --ids {}", plan)
    equal("resource move", names(az("resource list -g other")), ["plan"])
    refused("ResourceMoveNotSupported", "resource move --destination-group other --ids {}", f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker")
    refused("InvalidResourceOperation", "resource invoke-action --action listKeys --ids {}", plan.replace("/walk/", "/other/"))


def rollback():
    network = {"type": "Microsoft.Network/virtualNetworks", "apiVersion": "2023-11-01", "name": "net", "location": LOCATION}
    orphan = {"type": "Microsoft.Network/virtualNetworks/subnets", "apiVersion": "2023-11-01", "name": "nothing/inner"}
    for name, resources in [("good", [network]), ("bad", [{**network, "name": "extra"}, orphan])]:
        schema = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
        pathlib.Path(f"{name}.json").write_text(json.dumps({"$schema": schema, "contentVersion": "1.0.0.0", "resources": resources}))
    answered("deployment group create -g other -n good -f good.json --mode Complete")
    refused("ParentResourceNotFound", "deployment group create -g other -n bad -f bad.json --rollback-on-error")
    shown = az("deployment group show -g other -n bad")["properties"]["onErrorDeployment"]
    equal("create --rollback-on-error", (shown["deploymentName"], shown["provisioningState"]), ("good", "Succeeded"))
    equal("what it made is gone again", names(az("resource list -g other")), ["net"])


def providers():
    shown = az("provider operation show --namespace Microsoft.ContainerInstance")
    that("provider operation show has the types", "containerGroups" in names(shown["resourceTypes"]), shown)
    that("provider operation list", len(az("provider operation list")) > 30)
    that("provider list", "Microsoft.ContainerRegistry" in [one["namespace"] for one in az("provider list")])
    equal("provider permission list", az("provider permission list --namespace Microsoft.ContainerInstance")["value"], [])
    equal("feature list", az("feature list --namespace Microsoft.ContainerInstance"), [])
    refused("FeatureNotFound", "feature register --namespace Microsoft.ContainerInstance -n anything")
    equal("account management-group list", len(az("account management-group list --no-register")), 1)


log_in()
az(f"group create -n walk -l {LOCATION} --tags team=a")
roles()
tags()
export()
rollback()
providers()
