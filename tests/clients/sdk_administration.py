"""Microsoft's Python libraries, further: authorization, exports, tags, subscription deployments, cancel, rollback.

TEAM_IMAGE is an image with a shell that was pushed before."""

import os
import uuid

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.resource.deployments import DeploymentsMgmtClient
from azure.mgmt.resource.resources import ResourceManagementClient

from check import ARM, LOCATION, SUBSCRIPTION, equal, eventually, fail, that

IMAGE, SERVER = os.environ["TEAM_IMAGE"], os.environ["ACR_LOGIN_SERVER"]
FAST = {"polling_interval": 1}
GROUP = "more"
SCOPE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}"
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"


def client(kind):
    secret = os.environ["AZURE_CLIENT_SECRET"]
    credential = ClientSecretCredential(os.environ["AZURE_TENANT_ID"], os.environ["AZURE_CLIENT_ID"], secret, disable_instance_discovery=True)
    return kind(credential, SUBSCRIPTION, base_url=ARM, credential_scopes=[f"{ARM}/.default"])


def template(resources, schema="2019-04-01/deploymentTemplate"):
    return {
        "$schema": f"https://schema.management.azure.com/schemas/{schema}.json#",
        "contentVersion": "1.0.0.0",
        "resources": resources,
    }


def identity(name):
    return {"type": "Microsoft.ManagedIdentity/userAssignedIdentities", "apiVersion": "2023-01-31", "name": name, "location": LOCATION}


def refused(what, kind, code, call):
    """A call that must raise this kind of error with this code."""
    try:
        found = call()
    except kind as error:
        that(f"{what} is refused with {code}", code in str(error), error)
        return
    fail(f"{what} is refused", found)


def roles(arm, library):
    run(library, "worker", [identity("worker")])
    worker = arm.resources.get_by_id(f"{SCOPE}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker", "2023-01-31")
    roles = client(AuthorizationManagementClient)
    equal("role_definitions.list by name", [one.name for one in roles.role_definitions.list(SCOPE, filter="roleName eq 'AcrPull'")], [ACR_PULL])
    definition = roles.role_definitions.get(SCOPE, ACR_PULL)
    equal("role_definitions.get", definition.role_name, "AcrPull")
    wanted = {"properties": {"roleDefinitionId": definition.id, "principalId": worker.properties["principalId"], "principalType": "ServicePrincipal"}}
    name = str(uuid.uuid4())
    made = roles.role_assignments.create(SCOPE, name, wanted)
    equal("role_assignments.create", made.name, name)
    listed = roles.role_assignments.list_for_scope(SCOPE, filter=f"principalId eq '{worker.properties['principalId']}'")
    equal("role_assignments.list_for_scope", [one.name for one in listed], [name])
    roles.role_assignments.delete(SCOPE, name)
    equal("role_assignments.delete", list(roles.role_assignments.list_for_scope(SCOPE, filter="atScope()")), [])


def run(library, name, resources, **more):
    properties = {"mode": "Incremental", "template": template(resources), **more}
    return library.deployments.begin_create_or_update(GROUP, name, {"properties": properties}, **FAST).result()


def groups(arm):
    exported = arm.resource_groups.begin_export_template(GROUP, {"resources": ["*"], "options": "IncludeParameterDefaultValue"}, **FAST).result()
    equal("resource_groups.begin_export_template", [one["apiVersion"] for one in exported.template["resources"]], ["2023-01-31"])
    arm.tags.create_or_update("cost")
    arm.tags.create_or_update_value("cost", "high")
    that("tags.list", "cost" in [one.tag_name for one in arm.tags.list()])
    equal("tags.update_at_scope", arm.tags.begin_update_at_scope(SCOPE, {"operation": "Merge", "properties": {"tags": {"a": "b"}}}, **FAST).result().properties.tags, {"a": "b"})
    equal("resources.check_existence_by_id", arm.resources.check_existence_by_id(f"{SCOPE}/providers/Microsoft.Web/sites/none", "2023-12-01"), False)
    move = {"resources": [f"{SCOPE}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/worker"], "targetResourceGroup": f"{SCOPE}-2"}
    arm.resource_groups.create_or_update(f"{GROUP}-2", {"location": LOCATION})
    refused("resources.begin_validate_move_resources", HttpResponseError, "ResourceMoveNotSupported", lambda: arm.resources.begin_validate_move_resources(GROUP, move, **FAST).result())
    refused("an action of a type without behaviour", HttpResponseError, "ResourceNotFound", lambda: arm.resources.get_by_id(f"{SCOPE}/providers/Microsoft.Web/sites/none", "2023-12-01"))


def subscription(library):
    resources = [{"type": "Microsoft.Resources/resourceGroups", "apiVersion": "2022-09-01", "name": f"{GROUP}-3", "location": LOCATION}]
    wanted = {"location": LOCATION, "properties": {"mode": "Incremental", "template": template(resources, "2018-05-01/subscriptionDeploymentTemplate")}}
    foreseen = library.deployments.begin_what_if_at_subscription_scope("above", wanted, **FAST).result()
    equal("begin_what_if_at_subscription_scope", [one.change_type for one in foreseen.changes], ["Create"])
    made = library.deployments.begin_create_or_update_at_subscription_scope("above", wanted, **FAST).result()
    equal("begin_create_or_update_at_subscription_scope", made.properties.provisioning_state, "Succeeded")
    that("list_at_subscription_scope", "above" in [one.name for one in library.deployments.list_at_subscription_scope()])
    library.deployments.begin_delete_at_subscription_scope("above", **FAST).result()
    refused("a deployment that is gone", ResourceNotFoundError, "DeploymentNotFound", lambda: library.deployments.get_at_subscription_scope("above"))


def rollback(arm, library):
    orphan = {"type": "Microsoft.Network/virtualNetworks/subnets", "apiVersion": "2023-11-01", "name": "nothing/inner"}
    refused(
        "a deployment without a parent", HttpResponseError, "DeploymentFailed",
        lambda: run(library, "bad", [identity("extra"), orphan], onErrorDeployment={"type": "SpecificDeployment", "deploymentName": "worker"}),
    )
    failed = library.deployments.get(GROUP, "bad").properties
    equal("on_error_deployment", (failed.on_error_deployment.deployment_name, failed.on_error_deployment.provisioning_state), ("worker", "Succeeded"))
    equal("what the earlier deployment does not name is gone", [one.name for one in arm.resources.list_by_resource_group(GROUP)], ["worker"])


def cancellation(arm, library):
    container = {
        "image": IMAGE, "command": ["sleep", "600"], "resources": {"requests": {"cpu": 1, "memoryInGB": 1}},
    }
    slow = {
        "type": "Microsoft.ContainerInstance/containerGroups", "apiVersion": "2023-05-01", "name": "[concat('slow-', copyIndex())]", "location": LOCATION,
        "copy": {"name": "slow", "count": 20, "mode": "serial", "batchSize": 1},
        "properties": {
            "osType": "Linux", "restartPolicy": "Never",
            "imageRegistryCredentials": [{"server": SERVER, "username": os.environ["ACR_USERNAME"], "password": os.environ["ACR_PASSWORD"]}],
            "containers": [{"name": "main", "properties": container}],
        },
    }
    poller = library.deployments.begin_create_or_update(GROUP, "slow", {"properties": {"mode": "Incremental", "template": template([slow])}}, **FAST)
    library.deployments.cancel(GROUP, "slow")
    eventually("deployments.cancel", lambda: ((now := library.deployments.get(GROUP, "slow").properties.provisioning_state) == "Canceled", now))
    refused("the poller", HttpResponseError, "Canceled", lambda: poller.result())
    refused("cancel of what has ended", HttpResponseError, "DeploymentCannotBeCancelled", lambda: library.deployments.cancel(GROUP, "slow"))


arm, library = client(ResourceManagementClient), client(DeploymentsMgmtClient)
arm.resource_groups.create_or_update(GROUP, {"location": LOCATION})
roles(arm, library)
groups(arm)
subscription(library)
rollback(arm, library)
cancellation(arm, library)
for name in [GROUP, f"{GROUP}-2", f"{GROUP}-3"]:
    arm.resource_groups.begin_delete(name, **FAST).result()
equal("all is gone", [arm.resource_groups.check_existence(name) for name in [GROUP, f"{GROUP}-2", f"{GROUP}-3"]], [False, False, False])
