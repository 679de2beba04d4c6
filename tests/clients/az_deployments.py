"""`az deployment`: validate, what-if, create in both modes, show, list, export, operations, delete."""

import json
import pathlib

from check import LOCATION, answered, az, equal, log_in, names, refused, that

TEMPLATE = {
    "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    "contentVersion": "1.0.0.0",
    "parameters": {
        "registryName": {"type": "string", "minLength": 5, "maxLength": 50},
        "adminUserEnabled": {"type": "bool", "defaultValue": False},
        "password": {"type": "securestring", "defaultValue": "never-shown"},
    },
    "variables": {"identity": "[concat('id-', parameters('registryName'))]"},
    "resources": [
        {
            "type": "Microsoft.ContainerRegistry/registries",
            "apiVersion": "2023-07-01",
            "name": "[parameters('registryName')]",
            "location": "[resourceGroup().location]",
            "sku": {"name": "Basic"},
            "tags": {"team": "a"},
            "properties": {"adminUserEnabled": "[parameters('adminUserEnabled')]"},
        },
        {
            "type": "Microsoft.ManagedIdentity/userAssignedIdentities",
            "apiVersion": "2023-01-31",
            "name": "[variables('identity')]",
            "location": "[resourceGroup().location]",
        },
    ],
    "outputs": {
        "server": {
            "type": "string",
            "value": "[reference(resourceId('Microsoft.ContainerRegistry/registries', parameters('registryName'))).loginServer]",
        },
    },
}
REGISTRY, IDENTITY = "Microsoft.ContainerRegistry/registries/walkdeployed", "Microsoft.ManagedIdentity/userAssignedIdentities/id-walkdeployed"
GIVEN = "-g walk -f main.json -p registryName=walkdeployed"


def written(name, document):
    """A file in the walk's folder."""
    pathlib.Path(name).write_text(document if isinstance(document, str) else json.dumps(document, indent=2))


def changes(answer):
    """What-if as pairs of resource and change, without the beginning of the ids."""
    return sorted((one["resourceId"].split("/providers/")[1], one["changeType"]) for one in answer["changes"])


def what_if(words):
    """The result as JSON, and as a person sees it."""
    found = az(f"deployment group what-if {words} --no-pretty-print")
    return found, answered(f"deployment group what-if {words}").out


def marked(text, mark, resource):
    """Whether the picture has a line of this mark for this resource."""
    return any(line.split()[:2] == [mark, resource] for line in text.splitlines())


def validation():
    # A comment and a trailing remark: `az` sends the file as it is.
    written("main.json", "// the walk's template\n" + json.dumps(TEMPLATE, indent=2))
    valid = az(f"deployment group validate {GIVEN}")
    equal("validate: the template is valid", valid["properties"]["provisioningState"], "Succeeded")
    that("validate names the resources", len(valid["properties"]["validatedResources"]) == 2, valid)
    answer = refused("InvalidTemplate", "deployment group validate -g walk -f main.json -p registryName=abc")
    that("a value that is too short is refused with the parameter's name", "registryName" in answer.err, answer.text())
    wrong = {**TEMPLATE, "outputs": {"x": {"type": "string", "value": "[nofunction()]"}}}
    written("wrong.json", wrong)
    refused("InvalidTemplate", "deployment group validate -g walk -f wrong.json -p registryName=walkdeployed")
    refused("ResourceGroupNotFound", "deployment group validate -g nowhere -f main.json -p registryName=walkdeployed")


def creation():
    found, picture = what_if(GIVEN)
    equal("what-if: both are created", changes(found), [(REGISTRY, "Create"), (IDENTITY, "Create")])
    for one in (REGISTRY, IDENTITY):
        that(f"what-if prints + {one}", marked(picture, "+", one), picture)
    that("what-if prints the count", "Resource changes: 2 to create." in picture, picture)
    equal("what-if changes nothing", az("resource list -g walk"), [])
    made = az(f"deployment group create -n first {GIVEN}")["properties"]
    equal("create: the state", made["provisioningState"], "Succeeded")
    equal("create: the mode", made["mode"], "Incremental")
    that("create: the output", made["outputs"]["server"]["value"], made)
    equal("create: the parameters, without the secret", made["parameters"]["password"], {"type": "SecureString"})
    equal("create: what it made", sorted(one["id"].split("/providers/")[1] for one in made["outputResources"]), [REGISTRY, IDENTITY])
    equal("create: the resources are there", names(az("resource list -g walk")), ["id-walkdeployed", "walkdeployed"])


def no_change_and_modification():
    found, picture = what_if(GIVEN)
    equal("what-if: nothing changes", changes(found), [(REGISTRY, "NoChange"), (IDENTITY, "NoChange")])
    that("what-if prints the count of no change", "Resource changes: 2 no change." in picture, picture)
    found, picture = what_if(f"{GIVEN} adminUserEnabled=true")
    equal("what-if: one is modified", changes(found), [(REGISTRY, "Modify"), (IDENTITY, "NoChange")])
    delta = next(one for one in found["changes"] if one["changeType"] == "Modify")["delta"]
    wanted = [{"path": "properties.adminUserEnabled", "propertyChangeType": "Modify", "before": False, "after": True}]
    equal("what-if: the path and both values", [{name: one[name] for name in wanted[0]} for one in delta], wanted)
    that(f"what-if prints ~ {REGISTRY}", marked(picture, "~", REGISTRY), picture)
    that("what-if prints the property", "~ properties.adminUserEnabled: false => true" in picture, picture)
    that("what-if prints both counts", "Resource changes: 1 to modify, 1 no change." in picture, picture)
    ids = az(f"deployment group what-if {GIVEN} adminUserEnabled=true -r ResourceIdOnly --no-pretty-print")
    equal("what-if of ids alone deploys", changes(ids), [(REGISTRY, "Deploy"), (IDENTITY, "Deploy")])


def complete_mode():
    written("less.json", {**TEMPLATE, "resources": TEMPLATE["resources"][:1]})
    given = "-g walk -f less.json -p registryName=walkdeployed adminUserEnabled=true"
    found, picture = what_if(f"{given} --mode Incremental")
    equal("what-if, incremental: the other is ignored", changes(found), [(REGISTRY, "Modify"), (IDENTITY, "Ignore")])
    that(f"what-if prints * {IDENTITY}", marked(picture, "*", IDENTITY), picture)
    found, picture = what_if(f"{given} --mode Complete")
    equal("what-if, complete: the other is deleted", changes(found), [(REGISTRY, "Modify"), (IDENTITY, "Delete")])
    that(f"what-if prints - {IDENTITY}", marked(picture, "-", IDENTITY), picture)
    that("what-if prints the counts in order", "Resource changes: 1 to delete, 1 to modify." in picture, picture)
    made = az(f"deployment group create -n second {given} --mode Complete")["properties"]
    equal("create, complete: the state", made["provisioningState"], "Succeeded")
    equal("create, complete: the mode", made["mode"], "Complete")
    equal("create, complete: the other is gone", names(az("resource list -g walk")), ["walkdeployed"])
    equal("create, complete: the change is made", az("acr show -n walkdeployed")["adminUserEnabled"], True)
    operations = az("deployment operation group list -g walk -n second")
    done = [(one["properties"]["provisioningOperation"], (one["properties"]["targetResource"] or {}).get("resourceType")) for one in operations]
    that("operations: creation", ("Create", "Microsoft.ContainerRegistry/registries") in done, done)
    that("operations: deletion", ("Delete", "Microsoft.ManagedIdentity/userAssignedIdentities") in done, done)


def history():
    equal("list has both", names(az("deployment group list -g walk")), ["first", "second"])
    shown = az("deployment group show -g walk -n first")
    that("show answers the hash of the template", shown["properties"]["templateHash"], shown)
    equal("show answers the providers", sorted(one["namespace"] for one in shown["properties"]["providers"]), ["Microsoft.ContainerRegistry", "Microsoft.ManagedIdentity"])
    exported = az("deployment group export -g walk -n first")
    equal("export answers the template", exported["resources"], TEMPLATE["resources"])
    refused("DeploymentNotFound", "deployment group show -g walk -n nothing")
    # What has ended cannot be cancelled.
    refused("DeploymentCannotBeCancelled", "deployment group cancel -g walk -n first")
    failing = {**TEMPLATE, "resources": [{**TEMPLATE["resources"][0], "sku": {"name": "Gigantic"}}]}
    written("failing.json", failing)
    refused("InvalidTemplateDeployment", "deployment group create -n third -g walk -f failing.json -p registryName=walkdeployed")
    answered("deployment group delete -g walk -n first")
    refused("DeploymentNotFound", "deployment group show -g walk -n first")


log_in()
az(f"group create -n walk -l {LOCATION}")
validation()
creation()
no_change_and_modification()
complete_mode()
history()
