//! API profiles: versions for the resources of a template that names a profile instead of giving each its own.
//!
//! Source: Microsoft Learn, "Understand the structure and syntax of ARM templates" (`apiProfile`); the versions are those that
//! the `az` CLI uses for the same profiles (Azure/azure-cli: src/azure-cli-core/azure/cli/core/profiles/_shared.py), as far
//! as one library there stands for one namespace or type.

/// A profile whose versions are known here: its place in the rows of [`VERSIONS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ApiProfile(usize);

const NAMES: [&str; 4] =
    ["2017-03-09-profile", "2018-03-01-hybrid", "2019-03-01-hybrid", "2020-09-01-hybrid"];

/// A namespace or a type in it, and its version in each profile; an empty one where the profile has none.
const VERSIONS: &[(&str, [&str; 4])] = &[
    ("Microsoft.Authorization", ["2015-07-01"; 4]),
    ("Microsoft.Authorization/locks", ["2015-01-01", "2016-09-01", "2016-09-01", "2016-09-01"]),
    (
        "Microsoft.Authorization/policyAssignments",
        ["2015-10-01-preview", "2016-12-01", "2016-12-01", "2016-12-01"],
    ),
    (
        "Microsoft.Authorization/policyDefinitions",
        ["2015-10-01-preview", "2016-12-01", "2016-12-01", "2016-12-01"],
    ),
    ("Microsoft.Compute", ["2016-03-30", "2017-03-30", "2017-12-01", "2020-06-01"]),
    ("Microsoft.Compute/disks", ["", "2017-03-30", "2017-03-30", "2019-07-01"]),
    ("Microsoft.Compute/galleries", ["", "", "", "2019-12-01"]),
    ("Microsoft.Compute/snapshots", ["", "2017-03-30", "2017-03-30", "2019-07-01"]),
    ("Microsoft.ContainerRegistry", ["", "", "", "2019-05-01"]),
    ("Microsoft.ContainerService", ["", "", "", "2020-11-01"]),
    ("Microsoft.KeyVault", ["2016-10-01"; 4]),
    ("Microsoft.ManagedIdentity", ["2018-11-30"; 4]),
    ("Microsoft.Network", ["2015-06-15", "2017-10-01", "2017-10-01", "2018-11-01"]),
    ("Microsoft.Network/dnsZones", ["2016-04-01"; 4]),
    ("Microsoft.Resources", ["2016-02-01", "2018-02-01", "2018-05-01", "2019-10-01"]),
    ("Microsoft.Storage", ["2016-01-01", "2016-01-01", "2017-10-01", "2019-06-01"]),
    ("Microsoft.Web", ["", "", "2018-02-01", "2018-02-01"]),
];

impl ApiProfile {
    pub(crate) fn find(name: &str) -> Option<Self> {
        NAMES.iter().position(|known| known.eq_ignore_ascii_case(name)).map(Self)
    }

    pub(crate) fn name(self) -> &'static str {
        NAMES[self.0]
    }

    /// The version of a resource type: that of the longest row that it falls under.
    pub(crate) fn version(self, resource_type: &str) -> Option<&'static str> {
        let falls_under = |row: &str| {
            let start = resource_type.get(..row.len());
            start.is_some_and(|start| start.eq_ignore_ascii_case(row))
                && matches!(resource_type.as_bytes().get(row.len()), None | Some(b'/'))
        };
        let versions =
            VERSIONS.iter().filter(|(row, versions)| falls_under(row) && !versions[self.0].is_empty());
        versions.max_by_key(|(row, _)| row.len()).map(|(_, versions)| versions[self.0])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Placeholders;
    use crate::tests::support::{details, guid, plan, template};

    #[test]
    fn a_type_has_the_version_of_its_own_row_or_of_its_namespace() {
        let version = |profile, kind| ApiProfile::find(profile).and_then(|profile| profile.version(kind));
        assert_eq!(version("2018-03-01-HYBRID", "microsoft.network/dnsZones/A"), Some("2016-04-01"));
        assert_eq!(version("2018-03-01-hybrid", "Microsoft.Network/loadBalancers"), Some("2017-10-01"));
        assert_eq!(version("2017-03-09-profile", "Microsoft.Compute/disks"), Some("2016-03-30"));
        assert_eq!(version("2020-09-01-hybrid", "Microsoft.Compute/disks"), Some("2019-07-01"));
        assert_eq!(version("2018-03-01-hybrid", "Microsoft.Web/sites"), None);
        assert_eq!(version("2018-03-01-hybrid", "Microsoft.NetworkFunction/x"), None);
        assert_eq!(version("latest", "Microsoft.Network/x"), None);
    }

    fn with(profile: &str) -> String {
        let nested = json!({"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
            "contentVersion": "1.0.0.0", "apiProfile": "2020-09-01-hybrid",
            "resources": [{"type": "Microsoft.Storage/storageAccounts", "name": "inner"}]});
        let deployment = json!({"type": "Microsoft.Resources/deployments", "name": "nested",
            "properties": {"mode": "Incremental", "template": nested}});
        let network = json!({"type": "Microsoft.Network/virtualNetworks", "name": "outer",
            "resources": [{"type": "subnets", "name": "child"}]});
        let own = json!({"type": "Microsoft.Web/sites", "apiVersion": "2021-01-01", "name": "own"});
        template(json!({"apiProfile": profile, "resources": [deployment, network, own]}))
    }

    #[test]
    fn a_resource_without_a_version_has_that_of_its_own_template_s_profile() {
        let plan = plan(&with("2018-03-01-hybrid"), json!({})).unwrap();
        let versions: Vec<_> =
            plan.resources().iter().map(|one| (one.name.as_str(), one.api_version.as_str())).collect();
        for expected in [("outer", "2017-10-01"), ("outer/child", "2017-10-01"), ("own", "2021-01-01")] {
            assert!(versions.contains(&expected), "{versions:?}");
        }
        let at = versions.iter().position(|one| *one == ("nested", "2018-02-01")).expect("the deployment");
        let inside = plan.nested(at, &Placeholders, None, &guid).expect("nested").expect("a plan");
        assert_eq!(inside.resources()[0].api_version, "2019-06-01");
    }

    #[test]
    fn a_version_that_no_profile_has_is_asked_for() {
        let faults = |text: &str| details(&plan(text, json!({})).unwrap_err()).join("\n");
        // The control is the test above: the same template with a profile that is known.
        assert!(faults(&with("latest")).contains("Required property 'apiVersion' not found"));
        let web = json!({"type": "Microsoft.Web/sites", "name": "site"});
        let told = faults(&template(json!({"apiProfile": "2018-03-01-hybrid", "resources": [web]})));
        assert!(told.contains("has no version for the resource type 'Microsoft.Web/sites'"), "{told}");
    }
}
