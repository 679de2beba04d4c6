//! A container group's request body, read strictly: what the emulator cannot honour is refused by name
//! (`azure-rest-api-specs: containerinstance/…/containerInstance.json`).

use std::collections::BTreeMap;

use container_groups::{
    ContainerPort, ContainerSpec, EnvValue, EnvVar, GroupSpec, IpAddress, IpAddressKind, OsType, Protocol,
    RegistryCredential, RegistryIdentity, RestartPolicy, VolumeMount, VolumeSource, VolumeSpec,
};
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
    fields.unsupported("zones", LATER)?;
    let identity = identity::read(&mut fields)?;
    let properties = fields.required_object("properties")?;
    fields.finish()?;
    read_properties(properties, &mut spec)?;
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
    fields.word("priority", &["Regular"])?;
    fields.required("containers")?;
    for (path, container) in fields.array("containers")? {
        spec.containers.push(read_container(Fields::of(container, path)?)?);
    }
    for (path, credential) in fields.array("imageRegistryCredentials")? {
        match read_credential(Fields::of(credential, path)?)? {
            Credential::Password(login) => spec.registry_credentials.push(login),
            Credential::Identity(identity) => spec.registry_identities.push(identity),
        }
    }
    for (path, volume) in fields.array("volumes")? {
        spec.volumes.push(read_volume(Fields::of(volume, path)?)?);
    }
    spec.ip_address = fields.object("ipAddress")?.map(read_ip_address).transpose()?;
    for name in [
        "initContainers",
        "subnetIds",
        "networkProfile",
        "dnsConfig",
        "diagnostics",
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

fn read_container(mut outer: Fields<'_>) -> Result<ContainerSpec, ArmError> {
    let name = outer.required_string("name")?;
    let mut fields = outer.required_object("properties")?;
    outer.finish()?;
    let mut container = ContainerSpec::new(name, fields.required_string("image")?);
    container.command = fields.strings("command")?;
    for (path, variable) in fields.array("environmentVariables")? {
        container.environment.push(read_variable(Fields::of(variable, path)?)?);
    }
    for (path, port) in fields.array("ports")? {
        container.ports.push(read_port(Fields::of(port, path)?)?);
    }
    for (path, mount) in fields.array("volumeMounts")? {
        container.volume_mounts.push(read_mount(Fields::of(mount, path)?)?);
    }
    let mut resources = fields.required_object("resources")?;
    let mut requests = resources.required_object("requests")?;
    (container.cpu, container.memory_gb) =
        (required_number(&mut requests, "cpu")?, required_number(&mut requests, "memoryInGB")?);
    requests.unsupported("gpu", LATER)?;
    requests.finish()?;
    if let Some(mut limits) = resources.object("limits")? {
        container.cpu_limit = limits.number("cpu")?;
        container.memory_limit_gb = limits.number("memoryInGB")?;
        limits.unsupported("gpu", LATER)?;
        limits.finish()?;
    }
    resources.finish()?;
    read_config_map(&mut fields)?;
    fields.value("instanceView");
    for name in ["livenessProbe", "readinessProbe", "securityContext"] {
        fields.unsupported(name, LATER)?;
    }
    fields.finish()?;
    Ok(container)
}

fn required_number(fields: &mut Fields<'_>, name: &'static str) -> Result<f64, ArmError> {
    fields.required(name)?;
    Ok(fields.number(name)?.unwrap_or_default())
}

/// az sends an empty one with every container.
fn read_config_map(fields: &mut Fields<'_>) -> Result<(), ArmError> {
    let Some(mut map) = fields.object("configMap")? else { return Ok(()) };
    if let Some(pairs) = map.object("keyValuePairs")? {
        pairs.finish()?;
    }
    map.finish()
}

fn read_variable(mut fields: Fields<'_>) -> Result<EnvVar, ArmError> {
    let name = fields.required_string("name")?.to_owned();
    let plain = fields.string("value")?;
    let secure = fields.string("secureValue")?;
    fields.unsupported("secureValueReference", "use 'secureValue'")?;
    let value = match (plain, secure) {
        (Some(_), Some(_)) => {
            return Err(ArmError::invalid_content(
                &fields.path("secureValue"),
                format_args!("The environment variable '{name}' has both 'value' and 'secureValue'."),
            ));
        }
        (None, Some(secure)) => EnvValue::Secure(SecretString::from(secure)),
        (plain, None) => EnvValue::Plain(plain.unwrap_or_default().to_owned()),
    };
    fields.finish()?;
    Ok(EnvVar { name, value })
}

fn read_port(mut fields: Fields<'_>) -> Result<ContainerPort, ArmError> {
    let number = fields.integer("port")?;
    let path = fields.path("port");
    fields.required("port")?;
    let port =
        number.and_then(|number| u16::try_from(number).ok()).filter(|port| *port > 0).ok_or_else(|| {
            ArmError::invalid_content(&path, format_args!("The port must be between 1 and 65535."))
        })?;
    let protocol = match fields.word("protocol", &["TCP", "UDP"])? {
        Some("UDP") => Protocol::Udp,
        _ => Protocol::Tcp,
    };
    fields.finish()?;
    Ok(ContainerPort { port, protocol })
}

fn read_mount(mut fields: Fields<'_>) -> Result<VolumeMount, ArmError> {
    let name = fields.required_string("name")?.to_owned();
    let mount_path = fields.required_string("mountPath")?.to_owned();
    let read_only = fields.boolean("readOnly")?.unwrap_or_default();
    fields.finish()?;
    Ok(VolumeMount { name, mount_path, read_only })
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

fn read_volume(mut fields: Fields<'_>) -> Result<VolumeSpec, ArmError> {
    let name = fields.required_string("name")?.to_owned();
    fields.unsupported("azureFile", "use 'emptyDir' or 'secret'")?;
    fields.unsupported("gitRepo", "use 'emptyDir' or 'secret'")?;
    fields.unsupported("secretReference", "use 'secret'")?;
    let empty_dir = fields.value("emptyDir");
    let path = fields.path("secret");
    let secret = fields.value("secret");
    let source = match (empty_dir, secret) {
        (Some(_), None) => VolumeSource::EmptyDir,
        (None, Some(Value::Object(files))) => {
            let mut contents = BTreeMap::new();
            for (file, content) in files {
                let Value::String(text) = content else {
                    return Err(ArmError::invalid_content(
                        &format!("{path}.{file}"),
                        "A secret is a string in base64.",
                    ));
                };
                contents.insert(file.clone(), SecretString::from(text.as_str()));
            }
            VolumeSource::Secret(contents)
        }
        _ => {
            return Err(ArmError::invalid_content(
                &path,
                format_args!(
                    "The volume '{name}' needs exactly one of 'emptyDir' and 'secret', each an object."
                ),
            ));
        }
    };
    fields.finish()?;
    Ok(VolumeSpec { name, source })
}

fn read_ip_address(mut fields: Fields<'_>) -> Result<IpAddress, ArmError> {
    for read_only in ["ip", "fqdn"] {
        fields.value(read_only);
    }
    fields.required("type")?;
    let kind = match fields.word("type", &["Public", "Private"])? {
        Some("Private") => IpAddressKind::Private,
        _ => IpAddressKind::Public,
    };
    let mut ports = Vec::new();
    for (path, port) in fields.array("ports")? {
        ports.push(read_port(Fields::of(port, path)?)?);
    }
    let dns_name_label = fields.string("dnsNameLabel")?.map(str::to_owned);
    fields.word("autoGeneratedDomainNameLabelScope", &["Unsecure"])?;
    fields.finish()?;
    Ok(IpAddress { kind, ports, dns_name_label })
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
            ("/properties/containers/0/properties/livenessProbe", json!({"exec": {}}), "livenessProbe"),
            (
                "/properties/containers/0/properties/configMap",
                json!({"keyValuePairs": {"k": "hunter2"}}),
                "keyValuePairs.k",
            ),
            ("/properties/osType", json!("hunter2"), "Linux, Windows"),
            ("/properties/restartPolicy", json!(3), "restartPolicy"),
            ("/properties/initContainers", json!([{"name": "x"}]), "initContainers"),
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
