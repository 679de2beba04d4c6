"""Microsoft's Python libraries: identity, resources, deployments, container instances, registries.

TEAM_IMAGE is an image with a shell that was pushed before."""

import os

from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.containerinstance import ContainerInstanceManagementClient
from azure.mgmt.containerregistry import ContainerRegistryManagementClient
from azure.mgmt.resource.deployments import DeploymentsMgmtClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resource.subscriptions import SubscriptionClient

from check import ARM, LOCATION, SUBSCRIPTION, equal, eventually, fail, that

TENANT, APPLICATION = os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"]
IMAGE, SERVER = os.environ["TEAM_IMAGE"], os.environ["ACR_LOGIN_SERVER"]
FAST = {"polling_interval": 1}


def credential(secret):
    """AZURE_AUTHORITY_HOST says where; a private cloud is in no list that could be asked."""
    return ClientSecretCredential(TENANT, APPLICATION, secret, disable_instance_discovery=True)


def client(kind, **options):
    return kind(credential(os.environ["AZURE_CLIENT_SECRET"]), SUBSCRIPTION, base_url=ARM, credential_scopes=[f"{ARM}/.default"], **options)


def refused(what, kind, code, call):
    """A call that must raise this kind of error with this code."""
    try:
        found = call()
    except kind as error:
        equal(f"{what} is refused with {code}", getattr(error, "error", None) and error.error.code, code)
        return error
    fail(f"{what} is refused", found)


def identity():
    token = credential(os.environ["AZURE_CLIENT_SECRET"]).get_token(f"{ARM}/.default")
    that("identity answers a token with an end", token.token.count(".") == 2 and token.expires_on)
    try:
        credential("wrong").get_token(f"{ARM}/.default")
        fail("identity refuses a wrong secret", "a token")
    except ClientAuthenticationError as error:
        that("identity refuses a wrong secret with Entra's code", "AADSTS7000215" in str(error), error)
    subscriptions = SubscriptionClient(credential(os.environ["AZURE_CLIENT_SECRET"]), base_url=ARM, credential_scopes=[f"{ARM}/.default"])
    equal("subscriptions.list", [one.subscription_id for one in subscriptions.subscriptions.list()], [SUBSCRIPTION])


def resources():
    arm = client(ResourceManagementClient)
    equal("check_existence before", arm.resource_groups.check_existence("sdk"), False)
    group = arm.resource_groups.create_or_update("sdk", {"location": LOCATION, "tags": {"team": "a"}})
    equal("resource_groups.create_or_update", (group.name, group.tags, group.properties.provisioning_state), ("sdk", {"team": "a"}, "Succeeded"))
    equal("check_existence after", arm.resource_groups.check_existence("sdk"), True)
    for number in range(3):
        arm.resource_groups.create_or_update(f"page-{number}", {"location": LOCATION})
    pages = list(arm.resource_groups.list(top=2).by_page())
    counts = [len(list(page)) for page in pages]
    that("resource_groups.list follows the pages", sum(counts) >= 4 and counts[0] == 2, counts)
    refused("a group that is not there", ResourceNotFoundError, "ResourceGroupNotFound", lambda: arm.resource_groups.get("nowhere"))
    refused("another location", HttpResponseError, "InvalidResourceGroupLocation", lambda: arm.resource_groups.create_or_update("sdk", {"location": "northeurope"}))
    return arm


def deployments(arm):
    library = client(DeploymentsMgmtClient)
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {"name": {"type": "string"}},
        "resources": [{
            "type": "Microsoft.ManagedIdentity/userAssignedIdentities", "apiVersion": "2023-01-31",
            "name": "[parameters('name')]", "location": "[resourceGroup().location]",
        }],
        "outputs": {"id": {"type": "string", "value": "[resourceId('Microsoft.ManagedIdentity/userAssignedIdentities', parameters('name'))]"}},
    }
    properties = {"mode": "Incremental", "template": template, "parameters": {"name": {"value": "worker"}}}
    valid = library.deployments.begin_validate("sdk", "one", {"properties": properties}, **FAST).result()
    equal("deployments.begin_validate", valid.properties.provisioning_state, "Succeeded")
    foreseen = library.deployments.begin_what_if("sdk", "one", {"properties": properties}, **FAST).result()
    equal("deployments.begin_what_if", [one.change_type for one in foreseen.changes], ["Create"])
    made = library.deployments.begin_create_or_update("sdk", "one", {"properties": properties}, **FAST).result()
    equal("deployments.begin_create_or_update", made.properties.provisioning_state, "Succeeded")
    that("its output", made.properties.outputs["id"]["value"].endswith("/userAssignedIdentities/worker"), made.properties.outputs)
    equal("deployments.list_by_resource_group", [one.name for one in library.deployments.list_by_resource_group("sdk")], ["one"])
    that("deployment_operations.list", list(library.deployment_operations.list("sdk", "one")))
    equal("resources.list_by_resource_group", [one.name for one in arm.resources.list_by_resource_group("sdk")], ["worker"])
    wrong = {**properties, "template": {**template, "resources": "none"}}
    refused("a template that is none", HttpResponseError, "InvalidRequestContent", lambda: library.deployments.begin_create_or_update("sdk", "two", {"properties": wrong}, **FAST).result())
    library.deployments.begin_delete("sdk", "one", **FAST).result()
    refused("a deployment that is gone", ResourceNotFoundError, "DeploymentNotFound", lambda: library.deployments.get("sdk", "one"))


def registries():
    acr = client(ContainerRegistryManagementClient)
    made = acr.registries.begin_create("sdk", "sdkregistry", {"location": LOCATION, "sku": {"name": "Basic"}, "properties": {"adminUserEnabled": True}}, **FAST).result()
    equal("registries.begin_create", (made.provisioning_state, made.sku.name, made.admin_user_enabled), ("Succeeded", "Basic", True))
    equal("registries.list_credentials", len(acr.registries.list_credentials("sdk", "sdkregistry").passwords), 2)
    equal("registries.list_by_resource_group", [one.name for one in acr.registries.list_by_resource_group("sdk")], ["sdkregistry"])
    refused("a registry that is not there", ResourceNotFoundError, "ResourceNotFound", lambda: acr.registries.get("sdk", "nothing"))
    acr.registries.begin_delete("sdk", "sdkregistry", **FAST).result()
    equal("registries.begin_delete", list(acr.registries.list_by_resource_group("sdk")), [])


def container_groups():
    aci = client(ContainerInstanceManagementClient)
    group = {
        "location": LOCATION, "os_type": "Linux", "restart_policy": "Never",
        "image_registry_credentials": [{"server": SERVER, "username": os.environ["ACR_USERNAME"], "password": os.environ["ACR_PASSWORD"]}],
        "containers": [{
            "name": "main", "image": IMAGE, "command": ["/bin/sh", "-c", "echo hello from the library; exit 3"],
            "resources": {"requests": {"cpu": 1.0, "memory_in_gb": 1.0}},
        }],
    }
    made = aci.container_groups.begin_create_or_update("sdk", "one", group, **FAST).result()
    equal("container_groups.begin_create_or_update", made.provisioning_state, "Succeeded")
    ended = eventually("the group ends with its container", lambda: ((found := aci.container_groups.get("sdk", "one")).instance_view.state == "Failed", found))
    state = ended.containers[0].instance_view.current_state
    equal("its exit code", (state.state, state.exit_code, state.detail_status), ("Terminated", 3, "Error"))
    that("containers.list_logs", "hello from the library" in aci.containers.list_logs("sdk", "one", "main").content)
    listed = [(one.name, one.provisioning_state, one.containers[0].instance_view) for one in aci.container_groups.list_by_resource_group("sdk")]
    equal("container_groups.list_by_resource_group leaves out the instance views", listed, [("one", "Succeeded", None)])
    that("location.list_usage", [one.name.value for one in aci.location.list_usage(LOCATION)])
    refused("a group that is not there", ResourceNotFoundError, "ResourceNotFound", lambda: aci.container_groups.get("sdk", "nothing"))
    wrong = {**group, "containers": [{**group["containers"][0], "image": f"{SERVER}/team/nothing:1"}]}
    refused("an image that is not there", HttpResponseError, "InaccessibleImage", lambda: aci.container_groups.begin_create_or_update("sdk", "two", wrong, **FAST).result())
    aci.container_groups.begin_delete("sdk", "one", **FAST).result()
    refused("a group that is gone", ResourceNotFoundError, "ResourceNotFound", lambda: aci.container_groups.get("sdk", "one"))


identity()
arm = resources()
deployments(arm)
registries()
container_groups()
for name in ["sdk", "page-0", "page-1", "page-2"]:
    arm.resource_groups.begin_delete(name, **FAST).result()
equal("resource_groups.begin_delete", arm.resource_groups.check_existence("sdk"), False)
