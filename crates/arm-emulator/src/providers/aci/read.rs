//! A container group's request body, read strictly: what the emulator cannot honour is refused by name
//! (`azure-rest-api-specs: containerinstance/…/containerInstance.json`).

mod container;
mod placement;
mod probe;
mod volume;

use container_groups::{GroupSpec, OsType, RegistryCredential, RegistryIdentity, RestartPolicy};
use secrecy::SecretString;
use serde_json::Value;

use crate::error::ArmError;
use crate::fields::Fields;
use crate::providers::aci::identity::{self, WantedIdentity};
use crate::providers::{Kind, aci, checked_location};
use crate::resource_id::ResourceId;

const LATER: &str = "leave it out";

/// A group as a PUT wants it; who its identities are is still to be looked up.
#[derive(Debug)]
pub(crate) struct WantedGroup {
    pub(crate) spec: GroupSpec,
    pub(crate) identity: WantedIdentity,
}

pub(crate) fn group(id: &ResourceId, body: &Value) -> Result<WantedGroup, ArmError> {
    let mut fields = Fields::of(body, "")?;
    // Given by the route; a client that sends back what it read repeats them.
    for echoed in ["id", "name", "type", "apiVersion", "systemData"] {
        fields.value(echoed);
    }
    let location = checked_location(Kind::ContainerGroup, fields.string("location")?)?;
    let mut spec = GroupSpec::new(aci::group_id(id)?, location);
    spec.tags = fields.tags()?.unwrap_or_default();
    let zones = fields.strings("zones")?;
    let identity = identity::read(&mut fields)?;
    let properties = fields.required_object("properties")?;
    fields.finish()?;
    read_properties(properties, &mut spec)?;
    spec.placement.zones = zones;
    Ok(WantedGroup { spec, identity })
}

fn read_properties(mut fields: Fields<'_>, spec: &mut GroupSpec) -> Result<(), ArmError> {
    for read_only in [
        "provisioningState",
        "instanceView",
        "isCreatedFromStandbyPool",
        "isCustomProvisioningTimeout",
        "provisioningTimeoutInSeconds",
    ] {
        fields.value(read_only);
    }
    let os_type = fields.word("osType", &["Linux", "Windows"])?;
    spec.os_type = match os_type {
        Some("Linux") => OsType::Linux,
        Some(_) => OsType::Windows,
        None => fields.required("osType").map(|_| OsType::Linux)?,
    };
    spec.restart_policy = match fields.word("restartPolicy", &["Always", "OnFailure", "Never"])? {
        Some("OnFailure") => RestartPolicy::OnFailure,
        Some("Never") => RestartPolicy::Never,
        _ => RestartPolicy::Always,
    };
    fields.word("sku", &["Standard", "NotSpecified"])?;
    spec.placement = placement::read(&mut fields)?;
    fields.required("containers")?;
    for (path, container) in fields.array("containers")? {
        spec.containers.push(container::read_container(Fields::of(container, path)?)?);
    }
    for (path, init) in fields.array("initContainers")? {
        spec.init_containers.push(container::read_init_container(Fields::of(init, path)?)?);
    }
    for (path, credential) in fields.array("imageRegistryCredentials")? {
        match read_credential(Fields::of(credential, path)?)? {
            Credential::Password(login) => spec.registry_credentials.push(login),
            Credential::Identity(identity) => spec.registry_identities.push(identity),
        }
    }
    for (path, volume) in fields.array("volumes")? {
        spec.volumes.push(volume::read(Fields::of(volume, path)?)?);
    }
    spec.ip_address = fields.object("ipAddress")?.map(placement::read_ip_address).transpose()?;
    for name in [
        "networkProfile",
        "encryptionProperties",
        "confidentialComputeProperties",
        "extensions",
        "containerGroupProfile",
        "standbyPoolProfile",
        "secretReferences",
        "identityAcls",
    ] {
        fields.unsupported(name, LATER)?;
    }
    fields.finish()
}

/// How a registry is logged in to.
enum Credential {
    Password(RegistryCredential),
    Identity(RegistryIdentity),
}

fn read_credential(mut fields: Fields<'_>) -> Result<Credential, ArmError> {
    fields.unsupported("identityUrl", "use 'identity'")?;
    let server = fields.required_string("server")?.to_owned();
    if let Some(identity) = fields.string("identity")? {
        let identity = identity.to_owned();
        for name in ["username", "password", "passwordReference"] {
            fields.unsupported(name, "give 'identity' alone")?;
        }
        fields.finish()?;
        return Ok(Credential::Identity(RegistryIdentity { server, identity }));
    }
    let username = fields.required_string("username")?.to_owned();
    let password = SecretString::from(fields.required_string("password")?);
    fields.unsupported("passwordReference", "use 'password'")?;
    fields.finish()?;
    Ok(Credential::Password(RegistryCredential { server, username, password }))
}

#[cfg(test)]
mod tests {
    use container_groups::EnvValue;
    use serde_json::{Value, json};

    use super::group;
    use crate::resource_id::ResourceId;

    fn id() -> ResourceId {
        ResourceId::in_group("s", "g", "Microsoft.ContainerInstance/containerGroups", "web")
    }

    fn body() -> Value {
        json!({
            "location": "West Europe", "tags": {"a": "b"},
            "properties": {
                "osType": "linux", "restartPolicy": "Never",
                "containers": [{"name": "web", "properties": {
                    "image": "localhost:1/web:1", "command": ["sleep", "5"], "configMap": {"keyValuePairs": {}},
                    "ports": [{"port": 80}], "resources": {"requests": {"cpu": "0.5", "memoryInGb": 1}},
                    "environmentVariables": [{"name": "A", "value": "b"}, {"name": "T", "secureValue": "hunter2"}],
                }}],
                "imageRegistryCredentials": [{"server": "localhost:1", "username": "u", "password": "hunter2"}],
            },
        })
    }

    #[test]
    fn a_group_as_az_and_templates_send_it_is_read() {
        let spec = group(&id(), &body()).unwrap().spec;
        assert_eq!((spec.location.as_str(), spec.containers[0].cpu), ("westeurope", 0.5));
        assert!(matches!(spec.containers[0].environment[1].value, EnvValue::Secure(_)));
        assert!(!format!("{spec:?}").contains("hunter2"));
    }

    #[test]
    fn what_is_not_understood_is_refused_by_path_and_without_values() {
        let cases: [(&str, Value, &str); 9] = [
            (
                "/properties/containers/0/properties/imag",
                json!("hunter2"),
                "properties.containers[0].properties.imag",
            ),
            (
                "/properties/containers/0/properties/livenessProbe",
                json!({"exec": {"command": ["a"]}, "httpGet": {"port": 1}}),
                "livenessProbe",
            ),
            (
                "/properties/containers/0/properties/configMap",
                json!({"keyValuePairs": {"k": "hunter2"}}),
                "keyValuePairs.k",
            ),
            ("/properties/osType", json!("hunter2"), "Linux, Windows"),
            ("/properties/restartPolicy", json!(3), "restartPolicy"),
            (
                "/properties/initContainers",
                json!([{"name": "x", "properties": {"image": "x", "ports": [{"port": 1}]}}]),
                "initContainers[0].properties.ports",
            ),
            ("/properties/ipAddress", json!({"type": "Public", "ports": [{"port": 70000}]}), "ports[0].port"),
            ("/location", json!("atlantis"), "westeurope"),
            ("/surprise", json!(1), "'surprise'"),
        ];
        for (pointer, value, expected) in cases {
            let mut body = body();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            body.pointer_mut(parent).unwrap()[name] = value;
            let error = group(&id(), &body).expect_err(pointer).to_string();
            assert!(error.contains(expected) && !error.contains("hunter2"), "{pointer}: {error}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        for pointer in [
            "/location",
            "/properties",
            "/properties/osType",
            "/properties/containers",
            "/properties/containers/0/properties/image",
            "/properties/containers/0/properties/resources",
            "/properties/containers/0/properties/resources/requests/cpu",
            "/properties/imageRegistryCredentials/0/password",
        ] {
            let mut body = body();
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            body.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(name);
            let error = group(&id(), &body).expect_err(pointer);
            assert!(error.body.message.contains(name), "{pointer}: {error}");
        }
    }
}
