//! From the tree to the seed. Reads on after a fault, so that a file's faults are told at once.

mod json;
mod resource;

use std::collections::{BTreeMap, BTreeSet};

use pipeline_yaml::{Fields, Found, Node, Position};
use serde_json::{Map, Value};
use uuid::Uuid;

use self::resource::id_in_group;
use super::{Application, Entry, Principal, Resource, RoleAssignment, Seed, Wanted};

/// The keys of a seed file that are Azure's, at its top.
pub const KEYS: &[&str] = &[
    "applications",
    "resourceGroups",
    "userAssignedIdentities",
    "registries",
    "resources",
    "roleAssignments",
];
/// Most entries of one list: a faulty program's file must not fill the memory.
const MOST: usize = 10_000;

/// What entries of the short forms are put with.
const GROUP_VERSION: &str = "2025-04-01";
const IDENTITY_VERSION: &str = "2023-01-31";
/// The first that all of a registry's keys here are in (`azure-mgmt-containerregistry` 14.0.0).
const REGISTRY_VERSION: &str = "2025-04-01";

/// What the entries that were read so far are called.
#[derive(Debug, Default)]
struct Names {
    applications: BTreeSet<String>,
    /// Locations of resource groups, by name in lower case.
    locations: BTreeMap<String, Value>,
    /// Ids of identities, by name.
    identities: BTreeMap<String, String>,
}

/// The file as a whole.
pub(super) fn seed(root: &Node, found: &mut Found) -> Option<Seed> {
    let file = Fields::of(root, "", found)?;
    file.only(KEYS, found);
    let mut names = Names::default();
    let mut entries = Vec::new();
    let mut each = |key: &str, found: &mut Found, read: Reader| {
        for (fields, at, path) in items(&file, key, found) {
            if let Some(wanted) = read(&fields, &mut names, found) {
                let placed = |(suffix, it)| Entry { at, path: format!("{path}{suffix}"), it };
                entries.extend(wanted.into_iter().map(placed));
            }
        }
    };
    each("applications", found, application);
    each("resourceGroups", found, resource_group);
    each("userAssignedIdentities", found, identity);
    each("registries", found, registry);
    each("resources", found, |fields, _, found| resource::with_children(fields, found));
    each("roleAssignments", found, role_assignment);
    Some(Seed { entries })
}

/// Reads one item of a list; each of the things that it stands for has a way of its own from the item.
type Reader = fn(&Fields<'_>, &mut Names, &mut Found) -> Option<Vec<(String, Wanted)>>;

fn only(wanted: Wanted) -> Vec<(String, Wanted)> {
    vec![(String::new(), wanted)]
}

/// The mappings of a list, each with its place.
fn items<'a>(owner: &Fields<'a>, key: &str, found: &mut Found) -> Vec<(Fields<'a>, Position, String)> {
    let Some(entry) = owner.get(key) else { return Vec::new() };
    let nodes = owner.list(entry, found).unwrap_or_default();
    if nodes.len() > MOST {
        owner.refuse(key, &format!("has {} entries; the most is {MOST}", nodes.len()), found);
        return Vec::new();
    }
    let mut all = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let path = format!("{}[{index}]", owner.path(key));
        all.extend(Fields::of(node, &path, found).map(|fields| (fields, node.at, path)));
    }
    all
}

fn required(fields: &Fields<'_>, key: &str, found: &mut Found) -> Option<String> {
    if fields.get(key).is_none() {
        found.add(fields.at, &fields.path(key), "is missing");
    }
    fields.text(key, found)
}

fn uuid(fields: &Fields<'_>, key: &str, found: &mut Found) -> Option<Uuid> {
    let text = fields.text(key, found)?;
    let read = text.parse().ok();
    if read.is_none() {
        fields.refuse(key, "is no GUID, such as 8e3af657-a8ff-443c-a75c-2fe8c4bcb635", found);
    }
    read
}

fn application(fields: &Fields<'_>, names: &mut Names, found: &mut Found) -> Option<Vec<(String, Wanted)>> {
    fields.only(&["name", "clientId", "clientSecret"], found);
    let name = required(fields, "name", found)?;
    if !names.applications.insert(name.clone()) {
        fields.refuse("name", "is the name of an earlier application", found);
    }
    Some(only(Wanted::Application(Application {
        name,
        client_id: uuid(fields, "clientId", found),
        secret: fields.text("clientSecret", found).map(Into::into),
    })))
}

fn resource_group(
    fields: &Fields<'_>,
    names: &mut Names,
    found: &mut Found,
) -> Option<Vec<(String, Wanted)>> {
    fields.only(&["name", "location", "tags"], found);
    let (name, location) = (required(fields, "name", found), required(fields, "location", found));
    let (name, location) = (name?, Value::String(location?));
    if names.locations.insert(name.to_lowercase(), location).is_some() {
        fields.refuse("name", "is the name of an earlier resource group", found);
    }
    Some(only(Wanted::ResourceGroup(Resource {
        id: format!("/subscriptions/{{subscriptionId}}/resourceGroups/{name}"),
        api_version: GROUP_VERSION.to_owned(),
        body: members(fields, &["location", "tags"]).into(),
    })))
}

/// What of an entry goes into the body as it is.
fn members(fields: &Fields<'_>, keys: &[&str]) -> Map<String, Value> {
    let given = keys.iter().filter_map(|key| fields.get(key));
    given.map(|entry| (entry.key.clone(), json::value(&entry.value))).collect()
}

/// A body with a location: its own, or that of its resource group where the file holds it.
fn located(fields: &Fields<'_>, group: &str, names: &Names) -> Map<String, Value> {
    let mut body = members(fields, &["location", "tags"]);
    if let Some(location) = names.locations.get(&group.to_lowercase()) {
        body.entry("location").or_insert_with(|| location.clone());
    }
    body
}

fn identity(fields: &Fields<'_>, names: &mut Names, found: &mut Found) -> Option<Vec<(String, Wanted)>> {
    fields.only(&["name", "resourceGroup", "location", "tags"], found);
    let (name, group) = (required(fields, "name", found), required(fields, "resourceGroup", found));
    let (name, group) = (name?, group?);
    let id = id_in_group(&group, "Microsoft.ManagedIdentity/userAssignedIdentities", &name);
    if names.applications.contains(&name) || names.identities.insert(name, id.clone()).is_some() {
        fields.refuse(
            "name",
            "is the name of an earlier application or identity: `principal` could not tell them apart; make it one of `resources`",
            found,
        );
    }
    let body = located(fields, &group, names).into();
    Some(only(Wanted::Resource(Resource { id, api_version: IDENTITY_VERSION.to_owned(), body })))
}

fn registry(fields: &Fields<'_>, names: &mut Names, found: &mut Found) -> Option<Vec<(String, Wanted)>> {
    const OWN: &[&str] =
        &["name", "resourceGroup", "location", "tags", "sku", "adminUserEnabled", "anonymousPullEnabled"];
    fields.only(OWN, found);
    let (name, group) = (required(fields, "name", found), required(fields, "resourceGroup", found));
    let (name, group) = (name?, group?);
    let mut body = located(fields, &group, names);
    let sku = fields.text("sku", found).unwrap_or_else(|| "Basic".to_owned());
    body.insert("sku".to_owned(), serde_json::json!({ "name": sku }));
    let properties = members(fields, &["adminUserEnabled", "anonymousPullEnabled"]);
    body.insert("properties".to_owned(), properties.into());
    let id = id_in_group(&group, "Microsoft.ContainerRegistry/registries", &name);
    Some(only(Wanted::Resource(Resource { id, api_version: REGISTRY_VERSION.to_owned(), body: body.into() })))
}

fn role_assignment(
    fields: &Fields<'_>,
    names: &mut Names,
    found: &mut Found,
) -> Option<Vec<(String, Wanted)>> {
    fields.only(&["principal", "principalId", "role", "scope", "resourceGroup", "name"], found);
    let principal = principal(fields, names, found);
    let role = required(fields, "role", found);
    let scope = resource::scope(fields, found);
    let name = uuid(fields, "name", found);
    Some(only(Wanted::RoleAssignment(RoleAssignment {
        principal: principal?,
        role: role?,
        scope: scope?,
        name,
    })))
}

fn principal(fields: &Fields<'_>, names: &Names, found: &mut Found) -> Option<Principal> {
    match (fields.text("principal", found), fields.text("principalId", found)) {
        (Some(_), Some(_)) => {
            fields.refuse("principalId", "is there beside `principal`; one of them says who", found);
            None
        }
        (None, Some(id)) => Some(Principal::Id(id)),
        (Some(name), None) if names.applications.contains(&name) => Some(Principal::Application(name)),
        (Some(name), None) => {
            let id = names.identities.get(&name).cloned();
            if id.is_none() {
                fields.refuse(
                    "principal",
                    "names none of the file's `applications` and `userAssignedIdentities`; name another by `principalId`",
                    found,
                );
            }
            id.map(Principal::Identity)
        }
        (None, None) => {
            found.add(fields.at, &fields.path("principal"), "is missing, and so is `principalId`");
            None
        }
    }
}
