//! What roles can allow (`Microsoft.Authorization/providerOperations`). Of the namespaces with behaviour the operations are
//! those of `azure-docs: role-based-access-control/permissions`; of all others they are read, write and delete of what is
//! listed, which every resource type has.

use serde_json::{Value, json};

use crate::app::Arm;
use crate::error::ArmError;
use crate::providers::{catalogue, namespaces};

/// `namespace/type`.
pub(crate) const TYPE: &str = "Microsoft.Authorization/providerOperations";

/// An operation without its namespace, what it is done to, and what it does.
type Operation = (&'static str, &'static str, &'static str);

const CONTAINER_INSTANCE: [Operation; 14] = [
    ("containerGroups/read", "Container Group", "Get Container Groups"),
    ("containerGroups/write", "Container Group", "Create or Update Container Group"),
    ("containerGroups/delete", "Container Group", "Delete Container Group"),
    ("containerGroups/restart/action", "Container Group", "Restart Container Group"),
    ("containerGroups/stop/action", "Container Group", "Stop Container Group"),
    ("containerGroups/start/action", "Container Group", "Start Container Group"),
    ("containerGroups/containers/exec/action", "Container", "Exec into Container"),
    ("containerGroups/containers/attach/action", "Container", "Attach to Container"),
    ("containerGroups/containers/logs/read", "Container Logs", "Get Logs for Container"),
    (
        "containerGroups/outboundNetworkDependenciesEndpoints/read",
        "Container Group",
        "Get Outbound Network Dependencies",
    ),
    ("locations/usages/read", "Usage", "Get Usage"),
    ("locations/capabilities/read", "Capabilities", "Get Capabilities"),
    ("locations/cachedImages/read", "Cached Images", "Get Cached Images"),
    ("locations/operations/read", "Operation", "Get Async Operation"),
];

const CONTAINER_REGISTRY: [Operation; 15] = [
    ("checkNameAvailability/read", "Container Registry", "Check whether a registry's name is available"),
    ("registries/read", "Container Registry", "Get or List Container Registries"),
    ("registries/write", "Container Registry", "Create or Update Container Registry"),
    ("registries/delete", "Container Registry", "Delete Container Registry"),
    ("registries/listCredentials/action", "Container Registry", "List Login Credentials"),
    ("registries/regenerateCredential/action", "Container Registry", "Regenerate a Login Credential"),
    ("registries/generateCredentials/action", "Container Registry", "Generate Passwords of a Token"),
    ("registries/listUsages/read", "Container Registry", "List Quota Usages"),
    ("registries/pull/read", "Container Registry", "Pull or Get Images"),
    ("registries/push/write", "Container Registry", "Push or Write Images"),
    ("registries/artifacts/delete", "Container Registry", "Delete Artifact"),
    ("registries/metadata/read", "Container Registry", "Get Metadata of a Repository"),
    ("registries/metadata/write", "Container Registry", "Update Metadata of a Repository"),
    ("registries/sign/write", "Container Registry", "Push or Pull Content Trust Metadata"),
    ("registries/scopeMaps/read", "Scope Map", "Get or List Scope Maps"),
];

const MANAGED_IDENTITY: [Operation; 5] = [
    ("userAssignedIdentities/read", "User Assigned Identity", "Get User Assigned Identity"),
    ("userAssignedIdentities/write", "User Assigned Identity", "Create or Update User Assigned Identity"),
    ("userAssignedIdentities/delete", "User Assigned Identity", "Delete User Assigned Identity"),
    ("userAssignedIdentities/assign/action", "User Assigned Identity", "Assign User Assigned Identity"),
    ("userAssignedIdentities/revokeTokens/action", "User Assigned Identity", "Revoke its Tokens"),
];

const DERIVED: [(&str, &str); 3] = [("read", "Read"), ("write", "Create or Update"), ("delete", "Delete")];

pub(crate) fn list(arm: &Arm) -> Result<Vec<Value>, ArmError> {
    Ok(catalogue::all(arm)?.iter().map(|(namespace, types)| view(namespace, types)).collect())
}

pub(crate) fn get(arm: &Arm, namespace: &str) -> Result<Value, ArmError> {
    find(arm, namespace).map(|(namespace, types)| view(&namespace, &types))
}

/// The same operations as a provider tells its own: `GET /providers/{namespace}/operations`.
pub(crate) fn offered(arm: &Arm, namespace: &str) -> Result<Vec<Value>, ArmError> {
    let (namespace, types) = find(arm, namespace)?;
    let provider = words(&namespace);
    let one = |(name, resource, text): (String, String, String)| {
        json!({
            "name": format!("{namespace}/{name}"),
            "isDataAction": false,
            "display": { "provider": provider, "resource": resource, "operation": text, "description": text },
            "origin": "User",
        })
    };
    Ok(operations(&namespace, &types).into_iter().map(one).collect())
}

fn find(arm: &Arm, namespace: &str) -> Result<catalogue::Listed, ArmError> {
    let found = catalogue::all(arm)?.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(namespace));
    found.ok_or_else(|| namespaces::no_such_namespace(namespace))
}

/// `Microsoft.ContainerInstance` as people write it: `Microsoft Container Instance`.
fn words(namespace: &str) -> String {
    let mut words = String::new();
    let mut before = ' ';
    for letter in namespace.chars() {
        match letter {
            '.' => words.push(' '),
            _ if letter.is_uppercase() && before.is_lowercase() => words.extend([' ', letter]),
            _ => words.push(letter),
        }
        before = letter;
    }
    words
}

fn view(namespace: &str, types: &[String]) -> Value {
    let mut resource_types: Vec<Value> = Vec::new();
    for (name, resource, description) in operations(namespace, types) {
        let target = target(&name);
        let place = resource_types.iter().position(|one| one["name"] == target).unwrap_or_else(|| {
            resource_types.push(json!({ "name": target, "displayName": resource, "operations": [] }));
            resource_types.len() - 1
        });
        let operation = json!({
            "name": format!("{namespace}/{name}"),
            "displayName": description,
            "description": description,
            "origin": "user,system",
            "properties": null,
            "isDataAction": false,
        });
        if let Some(listed) = resource_types[place]["operations"].as_array_mut() {
            listed.push(operation);
        }
    }
    json!({
        "id": format!("/providers/{TYPE}/{namespace}"),
        "name": namespace,
        "type": TYPE,
        "displayName": namespace,
        "resourceTypes": resource_types,
        "operations": [],
    })
}

fn operations(namespace: &str, types: &[String]) -> Vec<(String, String, String)> {
    let known: &[Operation] = match namespace {
        "Microsoft.ContainerInstance" => &CONTAINER_INSTANCE,
        "Microsoft.ContainerRegistry" => &CONTAINER_REGISTRY,
        "Microsoft.ManagedIdentity" => &MANAGED_IDENTITY,
        _ => &[],
    };
    if !known.is_empty() {
        let owned = |(name, resource, text): &Operation| {
            ((*name).to_owned(), (*resource).to_owned(), (*text).to_owned())
        };
        return known.iter().map(owned).collect();
    }
    let each = types.iter().flat_map(|short| {
        DERIVED.map(|(verb, text)| (format!("{short}/{verb}"), short.clone(), format!("{text} {short}")))
    });
    each.collect()
}

/// The resource type that an operation is one of: it ends before the verb, and before what an action is called.
fn target(name: &str) -> &str {
    let action = name.strip_suffix("/action");
    action.unwrap_or(name).rsplit_once('/').map_or("", |(target, _)| target)
}

#[cfg(test)]
mod tests {
    use super::{target, words};

    #[test]
    fn an_operation_belongs_to_the_type_in_front_of_its_verb() {
        for (name, of) in [
            ("containerGroups/read", "containerGroups"),
            ("containerGroups/containers/exec/action", "containerGroups/containers"),
            ("register/action", ""),
        ] {
            assert_eq!(target(name), of, "{name}");
        }
    }

    #[test]
    fn a_namespace_is_written_in_words() {
        for (namespace, expected) in [
            ("Microsoft.ContainerInstance", "Microsoft Container Instance"),
            ("Microsoft.DBforMySQL", "Microsoft DBfor My SQL"),
            ("Contoso", "Contoso"),
        ] {
            assert_eq!(words(namespace), expected);
        }
    }
}
