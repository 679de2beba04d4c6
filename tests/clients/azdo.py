"""Microsoft's `azure-devops` library against the mock Azure DevOps. One agent, `mayfly-0`, listens in the pool."""

import os

import requests
from azure.devops.connection import Connection
from azure.devops.v7_1.build.models import Build, DefinitionReference
from azure.devops.v7_1.pipelines.models import RunPipelineParameters, Variable
from azure.devops.v7_1.task_agent.models import TaskAgent
from msrest.authentication import BasicAuthentication

from azdo_parts import refused, until, walk
from check import equal, fail, that

POOL = os.environ["AZDO_POOL"]
# Stands for the file in a repository.
GREETING = f"""
pool: {POOL}
jobs:
- job: Greet
  displayName: Greet everybody
  steps:
  - script: echo hello-$(WHO)
    displayName: Say hello
- job: After
  dependsOn: Greet
  steps:
  - script: echo done
"""
# Ends by a cancel alone.
ENDLESS = f"""
pool: {POOL}
steps:
- script: sleep 600
"""


def connection(token):
    return Connection(base_url=os.environ["AZDO_URL"], creds=BasicAuthentication("", token))


def put_file(name, text):
    """Gives the mock the text of a definition's file, as a push to a repository would."""
    answer = requests.put(
        f"{os.environ['MAYFLY_CONTROL_URL']}/azdo/definitions/{name}",
        json={"yaml": text},
        headers={"Authorization": f"Bearer {os.environ['MAYFLY_CONTROL_TOKEN']}"},
        timeout=30,
    )
    that(f"the file of {name} is known", answer.ok and not answer.json()["faults"], answer.text)
    return answer.json()["id"]


def followed(builds, project, definition):
    """A run from the queue to its logs."""
    build = builds.queue_build(Build(definition=DefinitionReference(id=definition), parameters='{"WHO": "walker"}'), project)
    that("queue_build answers a build", build.id > 0 and build.status in ("notStarted", "inProgress"), build.status)
    equal("its definition", build.definition.name, "greeting")
    ended = until("the build ends", lambda: builds.get_build(project, build.id), lambda one: one.status == "completed")
    equal("its result", ended.result, "succeeded")
    that("its times are in order", ended.queue_time <= ended.start_time <= ended.finish_time, ended)
    records = builds.get_build_timeline(project, build.id).records
    of = lambda kind: [one for one in records if one.type == kind]
    equal("the time line's jobs", sorted(one.name for one in of("Job")), ["After", "Greet everybody"])
    that("every record ended well", {(one.state, one.result) for one in records} == {("completed", "succeeded")}, records)
    equal("who ran them", {one.worker_name for one in of("Job")}, {"mayfly-0"})
    task = next(one for one in of("Task") if one.name == "Say hello")
    job = next(one for one in of("Job") if one.id == task.parent_id)
    equal("a task is below its job", job.name, "Greet everybody")
    lines = builds.get_build_log_lines(project, build.id, task.log.id)
    that("the step's log has what it said", any("hello-walker" in line for line in lines), lines)
    logs = builds.get_build_logs(project, build.id)
    that("get_build_logs lists it", task.log.id in [one.id for one in logs], logs)
    text = b"".join(builds.get_build_log(project, build.id, task.log.id)).decode()
    that("get_build_log as text", "hello-walker" in text, text)
    listed = builds.get_builds(project, definitions=[definition], status_filter="completed")
    equal("get_builds by definition", [one.id for one in listed], [build.id])
    return build.id


def cancelled(builds, pipelines, project, definition):
    """Another run, queued through the newer API, that never ends by itself."""
    run = pipelines.run_pipeline(RunPipelineParameters(variables={"X": Variable(value="1")}), project, definition)
    equal("run_pipeline answers a run", (run.state, run.pipeline.id), ("inProgress", definition))
    until("its job runs", lambda: builds.get_build_timeline(project, run.id).records, lambda all: any(one.type == "Task" and one.state == "inProgress" for one in all))
    stopped = builds.update_build(Build(status="cancelling"), project, run.id)
    that("update_build cancels", stopped.status in ("cancelling", "completed"), stopped.status)
    ended = until("the cancelled build ends", lambda: builds.get_build(project, run.id), lambda one: one.status == "completed")
    equal("its result", ended.result, "canceled")
    again = pipelines.get_run(project, definition, run.id)
    equal("get_run", (again.state, again.result), ("completed", "canceled"))


def runs(library):
    project = library.get_core_client().get_projects()[0].name
    builds, pipelines = library.get_build_client(), library.get_pipelines_client()
    greeting, endless = put_file("greeting", GREETING), put_file("endless", ENDLESS)
    names = [one.name for one in builds.get_definitions(project)]
    that("get_definitions has both", {"greeting", "endless"} <= set(names), names)
    equal("get_definition", builds.get_definition(project, greeting).name, "greeting")
    that("list_pipelines has both", {"greeting", "endless"} <= {one.name for one in pipelines.list_pipelines(project)})
    refused("a build that is not there", "BuildNotFoundException", lambda: builds.get_build(project, 4711))
    followed(builds, project, greeting)
    cancelled(builds, pipelines, project, endless)


def agents(client):
    pools = client.get_agent_pools(pool_name=POOL)
    equal("get_agent_pools finds the pool by name", [one.name for one in pools], [POOL])
    that("get_agent_pools has it among all", POOL in [one.name for one in client.get_agent_pools()])
    pool = pools[0].id
    equal("get_agent_pool", client.get_agent_pool(pool).name, POOL)
    refused("a pool that is not there", "TaskAgentPoolNotFoundException", lambda: client.get_agent_pool(4711))
    listed = client.get_agents(pool, include_capabilities=True)
    equal("get_agents", [one.name for one in listed], ["mayfly-0"])
    agent = listed[0]
    equal("the agent listens", (agent.status, agent.enabled), ("online", True))
    that("get_agents answers capabilities", agent.system_capabilities["Agent.Name"] == "mayfly-0", agent.system_capabilities)
    equal("get_agents without them", client.get_agents(pool)[0].system_capabilities, None)
    equal("get_agents by name", client.get_agents(pool, agent_name="nobody"), [])
    equal("get_agent", client.get_agent(pool, agent.id, include_capabilities=True).name, "mayfly-0")
    return pool, agent.id


def removal(client, pool, agent):
    disabled = client.update_agent(TaskAgent(id=agent, enabled=False), pool, agent)
    equal("update_agent disables it", (disabled.enabled, client.get_agent(pool, agent).enabled), (False, False))
    client.delete_agent(pool, agent)
    # Its container registers it anew, under the same name.
    that("delete_agent: that registration is gone", agent not in [one.id for one in client.get_agents(pool)])
    refused("an agent that is gone", "TaskAgentNotFoundException", lambda: client.get_agent(pool, agent))


library = connection(os.environ["AZDO_TOKEN"]).clients_v7_1
found = agents(library.get_task_agent_client())
walk(library, put_file, POOL)
runs(library)
removal(library.get_task_agent_client(), *found)
