"""What Microsoft's `azure-devops` library asks beside jobs: at least one call of each family that the mock has. No agent is
needed: a build that is cancelled before anybody takes it has ended."""

import json
import time

from azure.devops.exceptions import AzureDevOpsServiceError
from azure.devops.v7_1.build.models import Build, DefinitionReference, DefinitionResourceReference, Folder, JsonPatchOperation, NewRetentionLease, RetentionLeaseUpdate
from azure.devops.v7_1.build.models import BuildDefinitionTemplate, PipelineGeneralSettings, UpdateProjectRetentionSettingModel, UpdateRetentionSettingModel
from azure.devops.v7_1.core.models import TeamProject
from azure.devops.v7_1.task_agent.models import EnvironmentCreateParameter, TaskAgentCloud, TaskAgentPoolMaintenanceDefinition, TaskAgentPoolMaintenanceJob, TaskAgentPoolMaintenanceOptions

from check import equal, fail, that

DEFINITIONS = "80572e16-58f0-4419-ac07-d19fde32195c"
JOBS = "15e7ab6e-abce-4601-a6d8-e111fe148f46"


def refused(what, kind, call):
    """A call that the service must refuse with this type of exception; its text."""
    try:
        found = call()
    except AzureDevOpsServiceError as error:
        equal(f"{what} is refused with {kind}", error.type_key, kind)
        return error.message
    fail(f"{what} is refused", found)


def until(what, found, good, limit=180):
    """Asks again and again for what must come to be."""
    deadline = time.monotonic() + limit
    while not good(last := found()):
        if time.monotonic() > deadline:
            fail(f"{what} within {limit} s", last)
        time.sleep(0.5)
    print(f"ok {what}", flush=True)
    return last


def text(stream):
    return b"".join(stream).decode()


def ended(builds, project, definition):
    """A build that has ended without an agent."""
    build = builds.queue_build(Build(definition=DefinitionReference(id=definition)), project)
    builds.update_build(Build(status="cancelling"), project, build.id)
    equal("a build that nobody took is cancelled at once", builds.get_build(project, build.id).status, "completed")
    return build.id


def leases(builds, project, definition, run):
    wanted = NewRetentionLease(days_valid=1, definition_id=definition, owner_id="User:walker", protect_pipeline=False, run_id=run)
    lease = builds.add_retention_leases([wanted], project)[0]
    equal("add_retention_leases", (lease.run_id, lease.owner_id), (run, "User:walker"))
    equal("get_retention_lease", builds.get_retention_lease(project, lease.lease_id).valid_until, lease.valid_until)
    for how, found in [
        ("for_build", builds.get_retention_leases_for_build(project, run)),
        ("by_owner_id", builds.get_retention_leases_by_owner_id(project, owner_id="User:walker")),
        ("by_user_id", builds.get_retention_leases_by_user_id(project, "walker", definition_id=definition)),
        ("by_minimal", builds.get_retention_leases_by_minimal_retention_leases(project, [json.dumps({"ownerId": "User:walker", "definitionId": definition, "runId": run})])),
    ]:
        equal(f"get_retention_leases_{how}", [one.lease_id for one in found], [lease.lease_id])
    longer = builds.update_retention_lease(RetentionLeaseUpdate(days_valid=3), project, lease.lease_id)
    that("update_retention_lease makes it longer", longer.valid_until > lease.valid_until, longer)
    refused("a build with a lease", "CannotDeleteRetainedBuildException", lambda: builds.delete_build(project, run))
    builds.delete_retention_leases_by_id(project, [lease.lease_id])
    refused("a lease that is gone", "RetentionLeaseNotFoundException", lambda: builds.get_retention_lease(project, lease.lease_id))
    equal("get_retention_history", builds.get_retention_history().build_retention_samples, [])


def properties(builds, core, project, definition, run):
    red = [JsonPatchOperation(op="add", path="/walker.color", value="red")]
    equal("update_build_properties", builds.update_build_properties(red, project, run)["value"]["walker.color"]["$value"], "red")
    equal("get_build_properties", builds.get_build_properties(project, run, filter=["walker.color"])["count"], 1)
    equal("update_definition_properties", builds.update_definition_properties(red, project, definition)["count"], 1)
    equal("get_definition_properties", builds.get_definition_properties(project, definition)["count"], 1)
    refused("a property that is not there", "PatchOperationFailedException", lambda: builds.update_build_properties([JsonPatchOperation(op="remove", path="/nope")], project, run))
    of_project = core.get_projects()[0].id
    core.set_project_properties(of_project, red)
    known = {one.name: one.value for one in core.get_project_properties(of_project)}
    equal("get_project_properties", (known["walker.color"], known["System.Process Template"]), ("red", "Basic"))
    equal("get_project_properties by name", [one.value for one in core.get_project_properties(of_project, keys=["walker.color"])], ["red"])


def parts_of_builds(builds, project, definition, run):
    counts = {one.name: one.int_value for one in builds.get_definition_metrics(project, definition)}
    equal("get_definition_metrics", (counts["CanceledBuilds"], counts["CurrentBuildsInQueue"]), (1, 0))
    that("get_project_metrics", any(one.name == "TotalBuilds" for one in builds.get_project_metrics(project, "daily")))
    that("get_resource_usage", builds.get_resource_usage().distributed_task_agents >= 0)
    equal("get_attachments", builds.get_attachments(project, run, "Report"), [])
    equal("get_changes_between_builds", builds.get_changes_between_builds(project, from_build_id=run, to_build_id=run), [])
    equal("get_work_items_between_builds", builds.get_work_items_between_builds(project, run, run), [])
    that("get_build_report", "canceled" in builds.get_build_report(project, run).content)
    that("get_build_report_html_content", text(builds.get_build_report_html_content(project, run)).startswith("<h1>"))
    equal("get_build_badge", builds.get_build_badge(project, "TfsGit").build_id, run)
    queues = [one for one in builds.get_project_resources(project, type="queue")]
    that("get_project_resources", queues and all(one.authorized for one in queues), queues)
    wanted = [DefinitionResourceReference(id=queues[0].id, type="queue", authorized=True)]
    for call in (lambda: builds.authorize_project_resources(wanted, project), lambda: builds.authorize_definition_resources(wanted, project, definition)):
        equal("a resource is authorized", [one.id for one in call()], [queues[0].id])
    that("get_definition_resources", queues[0].id in [one.id for one in builds.get_definition_resources(project, definition)])


def sources(builds, project):
    equal("list_source_providers", [one.name for one in builds.list_source_providers(project)], ["TfsGit"])
    equal("list_branches", builds.list_branches(project, "TfsGit"), ["refs/heads/main"])
    that("list_repositories", builds.list_repositories(project, "TfsGit").repositories[0].name)
    that("get_path_contents", "/walked.yml" in [one.path for one in builds.get_path_contents(project, "TfsGit", path="/")])
    that("get_file_contents", "echo walked" in text(builds.get_file_contents(project, "TfsGit", path="/walked.yml")))
    equal("list_webhooks", builds.list_webhooks(project, "TfsGit"), [])
    refused("a pull request", "GitPullRequestNotFoundException", lambda: builds.get_pull_request(project, "TfsGit", "7"))


def settings(builds, project):
    folder = builds.create_folder(Folder(path="\\walked", description="of the walk"), project, "\\walked")
    equal("create_folder", (folder.path, folder.description), ("\\walked", "of the walk"))
    equal("update_folder", builds.update_folder(Folder(path="\\moved"), project, "\\walked").path, "\\moved")
    equal("get_folders by path", [one.path for one in builds.get_folders(project, path="\\moved")], ["\\moved"])
    builds.delete_folder(project, "\\moved")
    that("delete_folder", "\\moved" not in [one.path for one in builds.get_folders(project)])
    changed = builds.update_build_general_settings(PipelineGeneralSettings(publish_pipeline_metadata=True), project)
    equal("update_build_general_settings", changed.publish_pipeline_metadata, True)
    days = UpdateProjectRetentionSettingModel(run_retention=UpdateRetentionSettingModel(value=40))
    equal("update_retention_settings", builds.update_retention_settings(days, project).purge_runs.value, 40)
    equal("get_retention_settings", builds.get_retention_settings(project).purge_runs.value, 40)


def maintenance(client, pool):
    """The calls are those of version 4.0, which later ones leave out though they have the models."""
    send = lambda method, location, body=None, kind=None, **route: client._send(
        http_method=method, location_id=location, version="7.1-preview.1", route_values=route,
        content=None if body is None else client._serialize.body(body, kind))
    one = lambda kind, response: client._deserialize(kind, response)
    kind, of_job = "TaskAgentPoolMaintenanceDefinition", "TaskAgentPoolMaintenanceJob"
    wanted = TaskAgentPoolMaintenanceDefinition(enabled=False, job_timeout_in_minutes=5, max_concurrent_agents_percentage=100, options=TaskAgentPoolMaintenanceOptions(working_directory_expiration_in_days=3))
    made = one(kind, send("POST", DEFINITIONS, wanted, kind, poolId=pool))
    equal("a maintenance definition is made", (made.enabled, made.pool.id), (False, pool))
    queue = lambda: send("POST", JOBS, TaskAgentPoolMaintenanceJob(definition_id=made.id), of_job, poolId=pool)
    refused("maintenance that is not enabled", "TaskAgentPoolMaintenanceNotEnabledException", queue)
    made.enabled = True
    equal("a maintenance definition is changed", one(kind, send("PUT", DEFINITIONS, made, kind, poolId=pool, definitionId=made.id)).enabled, True)
    job = one(of_job, queue())
    that("maintenance is queued", job.job_id > 0 and job.status in ("queued", "inProgress", "completed"), job.status)
    # An agent that listens does it, and without one it has ended at once.
    found = lambda: one(of_job, send("GET", JOBS, poolId=pool, jobId=job.job_id))
    until("maintenance has ended", found, lambda job: job.status == "completed")
    send("DELETE", DEFINITIONS, poolId=pool, definitionId=made.id)
    refused("a maintenance definition that is gone", "TaskAgentPoolMaintenanceDefinitionNotFoundException", lambda: send("GET", DEFINITIONS, poolId=pool, definitionId=made.id))


def absent(library, project):
    builds, core, client = library.get_build_client(), library.get_core_client(), library.get_task_agent_client()
    id = core.get_projects()[0].id
    for what, list_them in [
        ("get_build_option_definitions", lambda: builds.get_build_option_definitions(project)),
        ("get_templates", lambda: builds.get_templates(project)),
        ("get_build_controllers", lambda: builds.get_build_controllers()),
        ("get_agent_clouds", lambda: client.get_agent_clouds()),
        ("get_agent_cloud_types", lambda: client.get_agent_cloud_types()),
        ("get_environments", lambda: client.get_environments(project)),
        ("get_deployment_groups", lambda: client.get_deployment_groups(project)),
        ("get_task_groups", lambda: client.get_task_groups(project)),
        ("get_connected_services", lambda: core.get_connected_services(id)),
        ("get_proxies", lambda: core.get_proxies()),
    ]:
        equal(f"{what} is empty", list_them(), [])
    for what, kind, call in [
        ("an environment", "EnvironmentNotFoundException", lambda: client.get_environment_by_id(project, 1)),
        ("a Kubernetes resource", "EnvironmentNotFoundException", lambda: client.get_kubernetes_resource(project, 1, 1)),
        ("records of deployments", "EnvironmentNotFoundException", lambda: client.get_environment_deployment_execution_records(project, 1)),
        ("a deployment group's targets", "DeploymentGroupNotFoundException", lambda: client.get_deployment_targets(project, 1)),
        ("an agent cloud", "TaskAgentCloudNotFoundException", lambda: client.get_agent_cloud(1)),
        ("an agent cloud's requests", "TaskAgentCloudNotFoundException", lambda: client.get_agent_cloud_requests(1)),
        ("a template", "DefinitionTemplateNotFoundException", lambda: builds.get_template(project, "walked")),
        ("a connected service", "ConnectedServiceNotFoundException", lambda: core.get_connected_service_details(id, "walked")),
    ]:
        refused(what, kind, call)
    for what, call in [
        ("a new environment", lambda: client.add_environment(EnvironmentCreateParameter(name="x"), project)),
        ("a new agent cloud", lambda: client.add_agent_cloud(TaskAgentCloud(name="x"))),
        ("the schema", lambda: client.get_yaml_schema()),
        ("a saved template", lambda: builds.save_template(BuildDefinitionTemplate(name="x"), project, "x")),
        ("a new project", lambda: core.queue_create_project(TeamProject(name="x"))),
        ("a project's end", lambda: core.queue_delete_project(id)),
        ("a picture's end", lambda: core.remove_project_avatar(id)),
        ("webhooks", lambda: builds.restore_webhooks(["continuousIntegration"], project, "TfsGit")),
    ]:
        told = refused(what, "HttpException", call)
        that(f"{what}: it is said why", "does not support http method" in told and not told.endswith("'."), told)


def not_served(library):
    """The library looks for what is not here on the server that it was given, and asks nobody else."""
    try:
        fail("get_repositories", library.get_git_client().get_repositories())
    except ValueError as error:
        that(f"git is not served: {error}", "is not registered on" in str(error))


def walk(library, put_file, pool_name):
    builds, core, client = library.get_build_client(), library.get_core_client(), library.get_task_agent_client()
    project = core.get_projects()[0].name
    definition = put_file("walked", f"pool: {pool_name}\nsteps: [{{script: echo walked}}]\n")
    # A name that no agent has: the build waits until it is cancelled.
    waiting = put_file("waiting", f"pool: {{name: {pool_name}, demands: [nobody-has-this]}}\nsteps: [{{script: echo walked}}]\n")
    that("put_file", definition != waiting)
    run = ended(builds, project, waiting)
    leases(builds, project, waiting, run)
    properties(builds, core, project, waiting, run)
    parts_of_builds(builds, project, waiting, run)
    sources(builds, project)
    settings(builds, project)
    not_served(library)
    maintenance(client, client.get_agent_pools(pool_name=pool_name)[0].id)
    team = core.get_teams(core.get_projects()[0].id)[0]
    that("get_team_members_with_extended_properties", core.get_team_members_with_extended_properties(team.project_id, team.id)[0].identity.display_name)
    absent(library, project)
