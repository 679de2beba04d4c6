use super::*;
use crate::group::{EnvVar, GroupId, RestartPolicy, VolumeMount};

fn group() -> GroupSpec {
    let id =
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerInstance/containerGroups/agent-1";
    let mut spec = GroupSpec::new(GroupId::parse(id).unwrap(), "westeurope");
    spec.containers.push(ContainerSpec::new("agent", "localhost:5000/agent:1"));
    spec
}

/// The code that a change of a valid group is refused with.
fn check_code(expected: &str, change: impl FnOnce(&mut GroupSpec)) {
    let mut spec = group();
    change(&mut spec);
    let code = check(&spec).err().map(|error| error.code);
    assert_eq!(code.as_deref(), Some(expected));
}

#[test]
fn a_plain_group_passes() {
    assert_eq!(check(&group()), Ok(()));
}

#[test]
fn what_azure_refuses_is_refused_by_name() {
    check_code("InvalidContainerGroupName", |spec| spec.name = "Agent_1".into());
    check_code("InvalidContainerGroupName", |spec| spec.name = "another".into());
    check_code("MissingContainers", |spec| spec.containers.clear());
    check_code("InvalidContainerName", |spec| spec.containers[0].name = "-a".into());
    check_code("InvalidContainerName", |spec| spec.containers[0].name = "a".repeat(64));
    check_code("MissingContainerImage", |spec| spec.containers[0].image = String::new());
    check_code("InvalidContainerGroup", |spec| {
        spec.os_type = OsType::Windows;
        let mut second = spec.containers[0].clone();
        second.name = "second".into();
        spec.containers.push(second);
    });
    for tag in ["servercore:ltsc2022", "registry.test:5000/agent:v1-ltsc2025"] {
        check_code("UnsupportedWindowsVersion", |spec| {
            spec.os_type = OsType::Windows;
            spec.containers[0].image = tag.into();
        });
    }
    check_code("DuplicateContainerName", |spec| spec.containers.push(spec.containers[0].clone()));
    for name in ["", "A-B", "A=B", "ÄÖ"] {
        check_code("InvalidContainerEnvironmentVariable", |spec| {
            spec.containers[0]
                .environment
                .push(EnvVar { name: name.into(), value: EnvValue::Plain("x".into()) });
        });
    }
    check_code("InvalidContainerEnvironmentVariable", |spec| {
        spec.containers[0]
            .environment
            .push(EnvVar { name: "A".into(), value: EnvValue::Secure("x\0y".into()) });
    });
}

#[test]
fn resources_have_bounds() {
    check_code("ResourceRequestsNotSpecified", |spec| spec.containers[0].cpu = 0.0);
    check_code("ResourceRequestsNotSpecified", |spec| spec.containers[0].memory_gb = f64::NAN);
    check_code("InvalidResourceRequests", |spec| spec.containers[0].cpu = 0.5);
    check_code("ServiceUnavailable", |spec| spec.containers[0].memory_gb = 64.0);
    check_code("ResourceLimitsLessThanRequests", |spec| spec.containers[0].cpu_limit = Some(0.5));
    check_code("ResourceLimitsLessThanRequests", |spec| spec.containers[0].cpu_limit = Some(f64::NAN));
    check_code("ContainerLimitGreaterThanContainerGroupTotalRequest", |spec| {
        spec.containers[0].memory_limit_gb = Some(2.0);
    });
}

#[test]
fn volumes_and_mounts_are_checked() {
    let secret = |name: &str, file: &str, content: &str| VolumeSpec {
        name: name.into(),
        source: VolumeSource::Secret([(file.to_owned(), content.into())].into()),
    };
    check_code("InvalidVolume", |spec| spec.volumes.push(secret("tok", "a", "YQ==")));
    check_code("InvalidVolume", |spec| spec.volumes.push(secret("token", "../a", "YQ==")));
    check_code("InvalidVolume", |spec| spec.volumes.push(secret("token", "a", "not base64")));
    check_code("InvalidVolumeMount", |spec| {
        spec.containers[0].volume_mounts.push(VolumeMount {
            name: "token".into(),
            mount_path: "/x".into(),
            read_only: true,
        });
    });
    check_code("InvalidVolumeMount", |spec| {
        spec.volumes.push(secret("token", "a", "YQ=="));
        spec.containers[0].volume_mounts.push(VolumeMount {
            name: "token".into(),
            mount_path: "/x/../etc".into(),
            read_only: true,
        });
    });
}

#[test]
fn some_changes_need_a_deletion_first() {
    let check_change = |change: fn(&mut GroupSpec), refused: bool| {
        let (old, mut new) = (group(), group());
        change(&mut new);
        let code = check_update(&old, &new).err().map(|error| error.code);
        assert_eq!(code.is_some(), refused, "{code:?}");
        assert!(code.is_none_or(|code| code == "InvalidContainerGroupUpdate"));
    };
    check_change(|spec| spec.os_type = OsType::Windows, true);
    check_change(|spec| spec.restart_policy = RestartPolicy::Never, true);
    check_change(|spec| spec.containers[0].cpu = 2.0, true);
    check_change(|spec| spec.containers[0].memory_gb = 2.0, true);
    check_change(|spec| spec.containers[0].cpu_limit = Some(1.0), true);
    check_change(|spec| spec.containers[0].image = "localhost:5000/agent:2".into(), false);
    check_change(|_| {}, false);
}

#[test]
fn a_location_is_compared_like_azure_does() {
    let (old, mut new) = (group(), group());
    new.location = "West Europe".into();
    assert_eq!(check_location(&old, &new), Ok(()));
    new.location = "northeurope".into();
    assert_eq!(check_location(&old, &new).unwrap_err().code, "InvalidResourceLocation");
}
