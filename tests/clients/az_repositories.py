"""`az acr repository`: what is in a registry. An image was pushed before as `team/tool:1` and `team/tool:2`."""

import os

from check import answered, az, equal, log_in, refused, that

REGISTRY = os.environ["ACR_REGISTRY_NAME"]


def contents():
    listed = az(f"acr repository list -n {REGISTRY}")
    equal("repository list has the repository", listed, ["team/tool"])
    equal("repository show-tags", sorted(az(f"acr repository show-tags -n {REGISTRY} --repository team/tool")), ["1", "2"])
    detail = az(f"acr repository show-tags -n {REGISTRY} --repository team/tool --detail --orderby time_desc")
    that("repository show-tags --detail answers digests", all(one["digest"].startswith("sha256:") for one in detail), detail)
    shown = az(f"acr repository show -n {REGISTRY} --repository team/tool")
    equal("repository show counts", (shown["imageName"], shown["tagCount"], shown["manifestCount"]), ("team/tool", 2, 1))
    tag = az(f"acr repository show -n {REGISTRY} --image team/tool:1")
    equal("repository show --image answers the digest", tag["digest"], detail[0]["digest"])
    manifests = az(f"acr manifest list-metadata -r {REGISTRY} -n team/tool")
    equal("manifest list-metadata answers the tags", sorted(manifests[0]["tags"]), ["1", "2"])
    answered(f"acr repository untag -n {REGISTRY} --image team/tool:2")
    equal("repository untag takes one tag", az(f"acr repository show-tags -n {REGISTRY} --repository team/tool"), ["1"])
    answered(f"acr repository delete -n {REGISTRY} --image team/tool:1 --yes")
    refused("not known to registry", f"acr repository show -n {REGISTRY} --image team/tool:1")
    refused("not known to registry", f"acr repository show-tags -n {REGISTRY} --repository team/other")


log_in()
contents()
