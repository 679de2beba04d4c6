"""azure-identity's `ManagedIdentityCredential`, as a program in a container of a group with one user-assigned identity
has it.

What goes to IDENTITY_ENDPOINT is passed on unread by that container, so that it comes from the container's address.
IDENTITY_HEADER is the container's own; IDENTITY_* names the identity; HOST_ENDPOINT is the endpoint without the detour.
"""

import base64
import json
import os
import sys
from urllib.parse import urlsplit

from azure.core.exceptions import ClientAuthenticationError
from azure.devops.connection import Connection
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from msrest.authentication import BasicTokenAuthentication

from check import equal, fail, that

ARM_RESOURCE, AZURE_DEVOPS = "https://management.azure.com", "499b84ac-1321-427f-aa17-267ca6975798"
CLIENT, PRINCIPAL = os.environ["IDENTITY_CLIENT_ID"], os.environ["IDENTITY_PRINCIPAL_ID"]
RESOURCE = os.environ["IDENTITY_RESOURCE_ID"]
ENDPOINT, HEADER = os.environ["IDENTITY_ENDPOINT"], os.environ["IDENTITY_HEADER"]
ASKED = set()


def watch(event, values):
    """Notes every address that this process connects to."""
    if event == "socket.connect":
        ASKED.add(str(values[1]))


def claims(token):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def refused(what, text, call):
    """A credential that must get no token, for this reason."""
    try:
        found = call()
    except ClientAuthenticationError as error:
        that(f"{what} is refused with `{text}`", text in str(error), error)
        return
    fail(f"{what} is refused", found)


def means_it(what, credential):
    """A token of a credential is the identity's."""
    token = credential.get_token(f"{ARM_RESOURCE}/.default")
    found = claims(token.token)
    wanted = (ARM_RESOURCE, PRINCIPAL, CLIENT, RESOURCE)
    equal(f"{what}: audience, object, application and resource", tuple(found[name] for name in ("aud", "oid", "appid", "xms_mirid")), wanted)
    # Where the library counts the end from its own clock and `expires_in`, the answer's way is in between.
    that(f"{what}: the end", 0 <= token.expires_on - found["exp"] < 30, (found["exp"], token.expires_on))


def selections(form):
    means_it(f"{form}: the only identity", ManagedIdentityCredential())
    means_it(f"{form}: by client id", ManagedIdentityCredential(client_id=CLIENT))
    means_it(f"{form}: by resource id", ManagedIdentityCredential(identity_config={"resource_id": RESOURCE}))
    means_it(f"{form}: by object id", ManagedIdentityCredential(identity_config={"object_id": PRINCIPAL}))
    means_it(f"{form}: DefaultAzureCredential", DefaultAzureCredential(exclude_environment_credential=True, managed_identity_client_id=CLIENT))
    stranger = ManagedIdentityCredential(client_id="00000000-0000-0000-0000-000000000001")
    refused(f"{form}: somebody else's client id", "Identity not found", lambda: stranger.get_token(f"{ARM_RESOURCE}/.default"))
    refused(f"{form}: an unknown resource", "AADSTS500011", lambda: ManagedIdentityCredential().get_token("https://nobody.example/.default"))


def azure_devops():
    token = ManagedIdentityCredential(client_id=CLIENT).get_token(f"{AZURE_DEVOPS}/.default").token
    connection = Connection(base_url=os.environ["AZDO_URL"], creds=BasicTokenAuthentication({"access_token": token}))
    pools = [one.name for one in connection.clients_v7_1.get_task_agent_client().get_agent_pools()]
    that("Azure DevOps takes the token of a member", os.environ["AZDO_POOL"] in pools, pools)


def strangers():
    os.environ["IDENTITY_HEADER"] = "0" * 64
    refused("another header", "Unknown Source", lambda: ManagedIdentityCredential().get_token(f"{ARM_RESOURCE}/.default"))
    os.environ.update(IDENTITY_ENDPOINT=os.environ["HOST_ENDPOINT"], IDENTITY_HEADER=HEADER)
    refused("the header from another address", "Unknown Source", lambda: ManagedIdentityCredential().get_token(f"{ARM_RESOURCE}/.default"))


def main():
    sys.addaudithook(watch)
    selections("App Service's form")
    azure_devops()
    strangers()
    # The form of the metadata service, which libraries use where no variable is set; this one moves its address.
    del os.environ["IDENTITY_ENDPOINT"], os.environ["IDENTITY_HEADER"]
    relay = urlsplit(ENDPOINT)
    os.environ["AZURE_POD_IDENTITY_AUTHORITY_HOST"] = f"{relay.scheme}://{relay.netloc}"
    selections("the metadata service's form")
    that("all went where it was told to", ASKED and not any("169.254." in one for one in ASKED), ASKED)


main()
