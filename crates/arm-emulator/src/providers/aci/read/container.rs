//! The containers of a group's request body.

use container_groups::{ContainerPort, ContainerSpec, EnvValue, EnvVar, Gpu, Protocol, VolumeMount};
use secrecy::SecretString;

use super::{LATER, probe};
use crate::error::ArmError;
use crate::fields::Fields;

pub(super) fn read_container(mut outer: Fields<'_>) -> Result<ContainerSpec, ArmError> {
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
    container.gpu = read_gpu(&mut requests)?;
    requests.finish()?;
    if let Some(mut limits) = resources.object("limits")? {
        container.cpu_limit = limits.number("cpu")?;
        container.memory_limit_gb = limits.number("memoryInGB")?;
        // What is asked for counts.
        read_gpu(&mut limits)?;
        limits.finish()?;
    }
    resources.finish()?;
    read_config_map(&mut fields)?;
    fields.value("instanceView");
    container.liveness_probe = fields.object("livenessProbe")?.map(probe::read).transpose()?;
    container.readiness_probe = fields.object("readinessProbe")?.map(probe::read).transpose()?;
    fields.unsupported("securityContext", LATER)?;
    fields.finish()?;
    Ok(container)
}

/// A container that runs before the others: without ports, resources and probes, which are refused like any member that
/// it does not have.
pub(super) fn read_init_container(mut outer: Fields<'_>) -> Result<ContainerSpec, ArmError> {
    let name = outer.required_string("name")?;
    let mut fields = outer.required_object("properties")?;
    outer.finish()?;
    let mut container = ContainerSpec::new(name, fields.required_string("image")?);
    (container.cpu, container.memory_gb) = (0.0, 0.0);
    container.command = fields.strings("command")?;
    for (path, variable) in fields.array("environmentVariables")? {
        container.environment.push(read_variable(Fields::of(variable, path)?)?);
    }
    for (path, mount) in fields.array("volumeMounts")? {
        container.volume_mounts.push(read_mount(Fields::of(mount, path)?)?);
    }
    fields.value("instanceView");
    fields.unsupported("securityContext", LATER)?;
    fields.finish()?;
    Ok(container)
}

fn read_gpu(fields: &mut Fields<'_>) -> Result<Option<Gpu>, ArmError> {
    let Some(mut gpu) = fields.object("gpu")? else { return Ok(None) };
    gpu.required("count")?;
    let count = gpu.integer("count")?.unwrap_or_default();
    let sku = gpu.required_string("sku")?.to_owned();
    gpu.finish()?;
    Ok(Some(Gpu { count, sku }))
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

pub(super) fn read_port(mut fields: Fields<'_>) -> Result<ContainerPort, ArmError> {
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
