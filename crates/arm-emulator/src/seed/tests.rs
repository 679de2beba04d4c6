//! What a file says, and what is wrong with it.

use serde_json::json;

use super::{Seed, Wanted};

#[test]
fn entries_become_puts_in_the_order_of_their_making() {
    let text = "
roleAssignments:
- {principal: puller, role: AcrPull, resourceGroup: rg}
resources:
- type: Microsoft.Network/virtualNetworks
  name: net
  resourceGroup: rg
  apiVersion: 2024-05-01
  properties: {a: 1, b: true, c: '1', d: [1.5, x], e: , f: 007, version: 1.2.3}
  resources:
  - type: subnets
    name: one
  - {type: Microsoft.Authorization/locks, name: stay, apiVersion: 2020-05-01, properties: {level: CanNotDelete}}
userAssignedIdentities:
- {name: puller, resourceGroup: RG}
resourceGroups:
- {name: rg, location: westeurope, tags: {a: b}}
";
    let seed = Seed::parse(text).unwrap();
    let shown: Vec<_> = seed
        .entries
        .iter()
        .map(|entry| match &entry.it {
            Wanted::ResourceGroup(one) | Wanted::Resource(one) => {
                (entry.path.as_str(), one.id.replace("/subscriptions/{subscriptionId}/resourceGroups/", ""))
            }
            other => (entry.path.as_str(), format!("{other:?}")),
        })
        .collect();
    let net = "rg/providers/Microsoft.Network/virtualNetworks/net";
    assert_eq!(shown[0], ("resourceGroups[0]", "rg".to_owned()));
    assert_eq!(shown[1].1, "RG/providers/Microsoft.ManagedIdentity/userAssignedIdentities/puller");
    assert_eq!(shown[2], ("resources[0]", net.to_owned()));
    assert_eq!(shown[3], ("resources[0].resources[0]", format!("{net}/subnets/one")));
    assert_eq!(
        shown[4],
        ("resources[0].resources[1]", format!("{net}/providers/Microsoft.Authorization/locks/stay"))
    );
    assert_eq!(shown[5].0, "roleAssignments[0]");
    let Wanted::Resource(net) = &seed.entries[2].it else { panic!("a resource") };
    let expected = json!({"properties": {"a": 1, "b": true, "c": "1", "d": [1.5, "x"], "e": null, "f": "007", "version": "1.2.3"}});
    assert_eq!(net.body, expected);
    let Wanted::Resource(identity) = &seed.entries[1].it else { panic!("a resource") };
    assert_eq!(identity.body["location"], "westeurope", "that of its resource group");
}

#[test]
fn every_fault_is_told_with_line_and_key() {
    let mut wrong = Vec::new();
    for (text, at, expected) in [
        ("resourceGroup: []", "1:1", "`resourceGroup` is not supported here; supported: applications"),
        ("resourcegroups: []", "1:1", "it is written `resourceGroups`"),
        ("resourceGroups:\n- {name: a}", "2:3", "`resourceGroups[0].location` is missing"),
        ("resourceGroups:\n- {name: a, location: b, colour: c}", "2:26", "`resourceGroups[0].colour`"),
        ("applications:\n- {name: a, clientId: b}", "2:23", "`applications[0].clientId` is no GUID"),
        ("applications:\n- {name: a}\n- {name: a}", "3:10", "name of an earlier application"),
        ("registries:\n- {name: a}", "2:3", "`registries[0].resourceGroup` is missing"),
        ("resources:\n- {id: a, apiVersion: b}", "2:8", "`resources[0].id` is no id"),
        ("resources:\n- {id: /a, name: c, apiVersion: b}", "2:18", "beside `id`"),
        ("resources:\n- {type: A.B/c/d, name: e, apiVersion: b}", "2:25", "has 1 names"),
        ("resources:\n- {type: A.B/c, name: e}", "2:3", "`resources[0].apiVersion` is missing"),
        (
            "resources:\n- {type: A.B/c, name: e, apiVersion: b, resources: [{type: d, name: f, scope: /g}]}",
            "2:79",
            "`resources[0].resources[0].scope` has no place in a child",
        ),
        ("roleAssignments:\n- {principal: a, role: b}", "2:15", "names none of the file's"),
        ("roleAssignments:\n- {role: b}", "2:3", "`roleAssignments[0].principal` is missing"),
        (
            "roleAssignments:\n- {principalId: a, role: b, scope: /c, resourceGroup: d}",
            "2:36",
            "beside `resourceGroup`",
        ),
        ("- a", "1:1", "the file is a list; it needs one or more of applications"),
    ] {
        let faults = Seed::parse(text).expect_err(text).to_string();
        let line = faults.lines().find(|line| line.contains(expected));
        let line = line.unwrap_or_else(|| panic!("{text}\n{faults}"));
        wrong.extend((!line.starts_with(&format!("{at}:"))).then(|| format!("{at} is {line}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_may_be_secret_is_not_printed() {
    let text = "
applications: [{name: a, clientSecret: planted-secret}]
resources: [{type: A.B/c, name: d, apiVersion: 2024-01-01, properties: {key: planted-secret}}]
";
    let seed = Seed::parse(text).unwrap();
    assert_eq!(seed.entries.len(), 2, "control: both are there");
    assert!(!format!("{seed:?}").contains("planted"), "{seed:?}");
}
