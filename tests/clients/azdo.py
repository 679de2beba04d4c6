"""Microsoft's `azure-devops` library against the mock Azure DevOps. One agent, `mayfly-0`, listens in the pool."""

import os

from azure.devops.connection import Connection
from azure.devops.exceptions import AzureDevOpsServiceError
from azure.devops.v7_1.task_agent.models import TaskAgent
from msrest.authentication import BasicAuthentication

from check import equal, eventually, fail, that

POOL = os.environ["AZDO_POOL"]


def connection(token):
    return Connection(base_url=os.environ["AZDO_URL"], creds=BasicAuthentication("", token))


def refused(what, kind, call):
    """A call that the service must refuse with this type of exception."""
    try:
        found = call()
    except AzureDevOpsServiceError as error:
        equal(f"{what} is refused with {kind}", error.type_key, kind)
        return
    fail(f"{what} is refused", found)


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


library = connection(os.environ["AZDO_TOKEN"]).clients_v7_1.get_task_agent_client()
found = agents(library)
removal(library, *found)
