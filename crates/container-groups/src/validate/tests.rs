use super::*;
use crate::group::{
    AzureFile, ContainerPort, DnsConfig, EnvVar, GitRepo, Gpu, GroupId, IpAddress, IpAddressKind, LabelScope,
    LogAnalytics, Placement, Priority, Probe, ProbeCheck, Protocol, RestartPolicy, Subnet, VolumeMount,
    VolumeSource, VolumeSpec,
};

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
    for name in ["", "A-B", "A=B", "ÄÖ", "1A"] {
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

fn web(ports: &[u16]) -> IpAddress {
    let ports = ports.iter().map(|port| ContainerPort { port: *port, protocol: Protocol::Tcp }).collect();
    IpAddress { kind: IpAddressKind::Public, ports, dns_name_label: None, label_scope: LabelScope::Unsecure }
}

/// A group with a container that listens on port 80 and an address that shows it.
fn listening(spec: &mut GroupSpec) {
    spec.containers[0].ports.push(ContainerPort { port: 80, protocol: Protocol::Tcp });
    spec.ip_address = Some(web(&[80]));
}

const SUBNET: &str =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/net/subnets/one";

#[test]
fn ports_and_names_are_checked() {
    let mut valid = group();
    listening(&mut valid);
    valid.ip_address.as_mut().unwrap().dns_name_label = Some("my-agent1".into());
    assert_eq!(check(&valid), Ok(()));
    check_code("MissingIpAddressPorts", |spec| spec.ip_address = Some(web(&[])));
    check_code("InvalidIpAddressPorts", |spec| spec.ip_address = Some(web(&[80])));
    check_code("InvalidIpAddressPorts", |spec| {
        listening(spec);
        spec.ip_address = Some(web(&[80, 80]));
    });
    check_code("InvalidIpAddressPorts", |spec| {
        listening(spec);
        spec.containers[0].ports[0].protocol = Protocol::Udp;
    });
    check_code("DuplicateContainerPorts", |spec| {
        listening(spec);
        let mut second = spec.containers[0].clone();
        second.name = "second".into();
        spec.containers.push(second);
    });
    for label in ["abcd", "1abcd", "abcd-", "Abcde", "ab.cde"] {
        check_code("InvalidIPAddressDnsNameLabel", |spec| {
            listening(spec);
            spec.ip_address.as_mut().unwrap().dns_name_label = Some(label.into());
        });
    }
    check_code("InvalidIpAddressTypeForNetworkProfile", |spec| {
        listening(spec);
        spec.placement.subnets.push(Subnet { id: SUBNET.into(), name: None });
    });
}

#[test]
fn init_containers_count_and_have_names_of_their_own() {
    let init = |name: &str| ContainerSpec { cpu: 0.0, memory_gb: 0.0, ..ContainerSpec::new(name, "busybox") };
    let mut valid = group();
    valid.init_containers = vec![init("first"), init("second")];
    assert_eq!(check(&valid), Ok(()), "they ask for no resources");
    check_code("DuplicateContainerName", |spec| spec.init_containers.push(init("agent")));
    check_code("ContainerCountLimitExceeded", |spec| {
        spec.init_containers = (0..60).map(|number| init(&format!("init-{number}"))).collect();
    });
    check_code("InvalidContainerGroup", |spec| {
        spec.os_type = OsType::Windows;
        spec.init_containers.push(init("first"));
    });
    check_code("InvalidVolumeMount", |spec| {
        let mount = VolumeMount { name: "absent".into(), mount_path: "/x".into(), read_only: false };
        spec.init_containers.push(ContainerSpec { volume_mounts: vec![mount], ..init("first") });
    });
}

#[test]
fn shares_repositories_and_mount_paths_are_checked() {
    let share = |account: &str, share: &str, key: Option<&str>| VolumeSpec {
        name: "share".into(),
        source: VolumeSource::AzureFile(AzureFile {
            share_name: share.into(),
            account_name: account.into(),
            account_key: key.map(|key| key.to_owned().into()),
            read_only: false,
        }),
    };
    let mut valid = group();
    valid.volumes.push(share("account1", "my-share", Some("a2V5")));
    assert_eq!(check(&valid), Ok(()));
    for bad in [
        share("Account", "my-share", Some("a2V5")),
        share("account1", "x", Some("a2V5")),
        share("account1", "my--share", Some("a2V5")),
        share("account1", "my-share", Some("no key")),
        share("account1", "my-share", None),
    ] {
        check_code("InvalidVolume", |spec| spec.volumes.push(bad));
    }
    let repository = GitRepo { repository: "https://x.test/r".into(), directory: None, revision: None };
    let mut spec = group();
    spec.volumes.push(VolumeSpec { name: "sources".into(), source: VolumeSource::GitRepo(repository) });
    let refused = check(&spec).unwrap_err();
    assert!(refused.code == "InvalidVolume" && refused.message.contains("'gitRepo'"), "{refused}");
    check_code("InvalidVolumeMount", |spec| {
        spec.volumes.push(share("account1", "my-share", Some("a2V5")));
        for path in ["/x", "/x/"] {
            let mount = VolumeMount { name: "share".into(), mount_path: path.into(), read_only: false };
            spec.containers[0].volume_mounts.push(mount);
        }
    });
}

#[test]
fn probes_have_bounds() {
    let exec = || Probe::new(ProbeCheck::Exec(vec!["cat".into()]));
    let mut valid = group();
    valid.containers[0].liveness_probe = Some(exec());
    valid.containers[0].readiness_probe = Some(Probe { success_threshold: Some(3), ..exec() });
    assert_eq!(check(&valid), Ok(()));
    for bad in [
        Probe::new(ProbeCheck::Exec(Vec::new())),
        Probe { period_seconds: Some(0), ..exec() },
        Probe { success_threshold: Some(2), ..exec() },
    ] {
        check_code("InvalidContainerProbe", |spec| spec.containers[0].liveness_probe = Some(bad));
    }
}

#[test]
fn placement_is_checked() {
    let subnet = |id: &str| Subnet { id: id.into(), name: None };
    let mut valid = group();
    valid.placement = Placement {
        zones: vec!["1".into()],
        priority: Some(Priority::Spot),
        dns: Some(DnsConfig { name_servers: vec!["10.0.0.4".into()], search_domains: None, options: None }),
        ..Placement::default()
    };
    assert_eq!(check(&valid), Ok(()));
    check_code("LinkedInvalidPropertyId", |spec| spec.placement.subnets.push(subnet("/subscriptions/s")));
    check_code("InvalidSubnetIds", |spec| spec.placement.subnets = vec![subnet(SUBNET), subnet(SUBNET)]);
    check_code("InvalidSpotContainerGroup", |spec| {
        listening(spec);
        spec.placement.priority = Some(Priority::Spot);
    });
    check_code("InvalidDnsConfig", |spec| {
        let name_servers = vec!["dns.test".to_owned()];
        spec.placement.dns = Some(DnsConfig { name_servers, search_domains: None, options: None });
    });
    check_code("InvalidLogAnalyticsWorkspace", |spec| {
        spec.placement.log_analytics = Some(LogAnalytics {
            workspace_id: "w".into(),
            workspace_key: String::new().into(),
            log_type: None,
            metadata: Vec::new(),
            workspace_resource_id: None,
        });
    });
    let gpu = |sku: &str, count| Some(Gpu { count, sku: sku.into() });
    check_code("InvalidGpuResource", |spec| spec.containers[0].gpu = gpu("A100", 1));
    check_code("InvalidGpuResource", |spec| spec.containers[0].gpu = gpu("V100", 3));
    check_code("ContainerGroupQuotaReached", |spec| spec.containers[0].gpu = gpu("V100", 1));
}

#[test]
fn a_public_name_is_one_groups_within_its_scope() {
    let named = |name: &str, scope| {
        let mut spec = group();
        spec.id = GroupId::parse(&spec.id.as_str().replace("agent-1", name)).unwrap();
        listening(&mut spec);
        let address = spec.ip_address.as_mut().unwrap();
        (address.dns_name_label, address.label_scope) = (Some("label".into()), scope);
        public_name(&spec)
    };
    assert_eq!(public_name(&group()), None);
    assert_eq!(named("one", LabelScope::Unsecure), named("two", LabelScope::Unsecure));
    assert_eq!(named("one", LabelScope::TenantReuse), named("two", LabelScope::TenantReuse));
    assert_ne!(named("one", LabelScope::Noreuse), named("two", LabelScope::Noreuse));
    assert_ne!(named("one", LabelScope::Unsecure), named("one", LabelScope::TenantReuse));
}
