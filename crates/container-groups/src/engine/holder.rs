//! The container that holds the network of a group, and its image: one program that waits for ever.
//!
//! No image can be counted on to be there, and the group's own may hold anything, so the program is written out here,
//! machine code and all.

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptionsBuilder, CreateImageOptionsBuilder};
use futures_util::StreamExt;

use super::DockerRuntime;
use super::failure::failed;
use super::labels::{INSTANCE_LABEL, label_map};
use crate::group::OsType;
use crate::runtime::{ContainerId, CreateHolder, RuntimeError};

/// Memory of the holder: room for its one page and the engine's own set-up.
const MEMORY: i64 = 16 << 20;

impl DockerRuntime {
    pub(super) async fn make_holder(&self, request: &CreateHolder) -> Result<ContainerId, RuntimeError> {
        let action = format!("create container `{}`", request.name);
        let image = self.holder_image(&request.labels.instance).await?;
        let body = ContainerCreateBody {
            image: Some(image),
            entrypoint: Some(vec!["/hold".to_owned()]),
            labels: Some(label_map(&request.labels)),
            host_config: Some(HostConfig {
                network_mode: Some(request.network.clone()),
                memory: Some(MEMORY),
                cap_drop: Some(vec!["ALL".to_owned()]),
                readonly_rootfs: Some(true),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let options = CreateContainerOptionsBuilder::new().name(&request.name).build();
        let created = self.docker.create_container(Some(options), body).await;
        Ok(created.map_err(|error| failed(&action, error))?.id)
    }

    /// The image, made when the instance has none yet.
    async fn holder_image(&self, instance: &str) -> Result<String, RuntimeError> {
        let (repository, action) = ("mayfly-holder", "make the image that holds a group's network");
        let reference = format!("{repository}:{instance}");
        if self.docker.inspect_image(&reference).await.is_ok() {
            return Ok(reference);
        }
        let refused = |reason: String| RuntimeError::Refused { action: action.to_owned(), reason };
        let program = (self.os == OsType::Linux).then(|| program(&self.architecture)).flatten();
        let program = program.ok_or_else(|| {
            refused(format!(
                "several containers per group need Linux on x86_64 or aarch64, not `{}`",
                self.architecture
            ))
        })?;
        let archive = archive(&program).map_err(|error| refused(error.to_string()))?;
        let label = format!("LABEL {INSTANCE_LABEL}={instance}");
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(repository)
            .tag(instance)
            .changes(vec![label])
            .build();
        let mut progress =
            self.docker.create_image(Some(options), Some(bollard::body_full(archive.into())), None);
        while let Some(step) = progress.next().await {
            step.map_err(|error| failed(action, error))?;
        }
        Ok(reference)
    }
}

fn archive(program: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o555);
    header.set_size(program.len() as u64);
    archive.append_data(&mut header, "hold", program)?;
    archive.into_inner()
}

/// A static ELF program that waits for ever, for a machine that the kernel calls so.
pub(crate) fn program(architecture: &str) -> Option<Vec<u8>> {
    let (machine, code): (u16, Vec<u8>) = match architecture {
        // pause() in a loop: mov eax, 34; syscall; jmp.
        "x86_64" | "amd64" => (0x3e, vec![0xb8, 0x22, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7]),
        // ppoll(0, 0, 0, 0) in a loop: four moves, mov x8, 73; svc 0; b.
        "aarch64" | "arm64" => {
            let words: [u32; 7] =
                [0xd280_0000, 0xd280_0001, 0xd280_0002, 0xd280_0003, 0xd280_0928, 0xd400_0001, 0x17ff_fffa];
            (0xb7, words.iter().flat_map(|word| word.to_le_bytes()).collect())
        }
        _ => return None,
    };
    const HEADERS: u64 = 64 + 56;
    const BASE: u64 = 0x40_0000;
    let size = HEADERS + code.len() as u64;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_le_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_le_bytes());
    let long = |file: &mut Vec<u8>, value: u64| file.extend(value.to_le_bytes());
    // The file's header: executable, machine, version, entry, offsets of the program headers and of no sections.
    half(&mut file, 2);
    half(&mut file, machine);
    word(&mut file, 1);
    long(&mut file, BASE + HEADERS);
    long(&mut file, 64);
    long(&mut file, 0);
    word(&mut file, 0);
    for value in [64, 56, 1, 64, 0, 0] {
        half(&mut file, value);
    }
    // One segment: the whole file, read and execute.
    word(&mut file, 1);
    word(&mut file, 5);
    for value in [0, BASE, BASE, size, size, 0x1_0000] {
        long(&mut file, value);
    }
    file.extend(code);
    Some(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_whole_for_each_machine() {
        for (architecture, length) in [("x86_64", 129), ("aarch64", 148)] {
            assert_eq!(program(architecture).unwrap().len(), length);
        }
        assert_eq!(program("riscv64"), None);
    }

    /// It is still there after it has been seen to run, and ends by a signal alone.
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    #[test]
    fn the_program_waits() {
        use std::os::unix::fs::PermissionsExt;
        use std::os::unix::process::ExitStatusExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hold");
        fs_err::write(&file, program("x86_64").unwrap()).unwrap();
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o700)).unwrap();
        let mut child = std::process::Command::new(&file).spawn().unwrap();
        let path = format!("/proc/{}/stat", child.id());
        testkit::wait_until_blocking(std::time::Duration::from_secs(10), "it to sleep", || {
            let stat = fs_err::read_to_string(&path).unwrap_or_default();
            if stat.contains("(hold) S") { Ok(()) } else { Err(stat) }
        });
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(9));
    }
}
