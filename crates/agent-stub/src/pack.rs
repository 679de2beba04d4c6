//! Makes the agent package. The same binaries give the same bytes: entries are sorted, times are fixed, the
//! owner is root.

use std::{
    io::{Cursor, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use flate2::{Compression, GzBuilder};
use sha2::{Digest as _, Sha256};
use zip::write::SimpleFileOptions;

/// The version of a package that names none.
pub(crate) const DEFAULT_VERSION: &str = "4.270.0";
/// Modification time of all entries: 2026-01-01T00:00:00Z.
const TIME: u64 = 1_767_225_600;

/// The system a package is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetOs {
    /// `vsts-agent-linux-x64-<version>.tar.gz`.
    Linux,
    /// `vsts-agent-win-x64-<version>.zip`.
    Windows,
}

/// What to pack, and where to.
#[derive(Clone, Debug)]
pub struct PackRequest {
    /// Version of the package, e.g. `4.270.0`; the agent reports it.
    pub version: String,
    /// System the binaries were built for.
    pub os: TargetOs,
    /// Folder with `agent-listener` and `agent-worker` (`.exe` for Windows).
    pub bin_dir: PathBuf,
    /// Folder for the archive.
    pub out: PathBuf,
}

/// A finished package.
#[derive(Clone, Debug)]
pub struct Packed {
    /// The archive.
    pub archive: PathBuf,
    /// Its SHA-256 in lower-case hexadecimal digits.
    pub sha256: String,
}

struct Entry {
    path: &'static str,
    mode: u32,
    content: Vec<u8>,
}

/// Packs an agent package.
///
/// # Errors
/// When a binary is missing, the version is not three numbers, or a file cannot be written.
pub fn pack(request: &PackRequest) -> anyhow::Result<Packed> {
    let numbers: Vec<&str> = request.version.split('.').collect();
    ensure!(
        numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u32>().is_ok()),
        "the version `{}` must be three numbers, e.g. {DEFAULT_VERSION}",
        request.version
    );
    let (name, bytes) = match request.os {
        TargetOs::Linux => {
            (format!("vsts-agent-linux-x64-{}.tar.gz", request.version), tar_gz(&linux(request)?)?)
        }
        TargetOs::Windows => {
            (format!("vsts-agent-win-x64-{}.zip", request.version), zipped(&windows(request)?)?)
        }
    };
    fs_err::create_dir_all(&request.out)?;
    let archive = request.out.join(name);
    // A reader must never see half an archive.
    let partial = archive.with_extension(format!("partial-{}", std::process::id()));
    fs_err::write(&partial, &bytes)?;
    fs_err::rename(&partial, &archive)?;
    Ok(Packed { archive, sha256: hex::encode(Sha256::digest(&bytes)) })
}

fn linux(request: &PackRequest) -> anyhow::Result<Vec<Entry>> {
    let program = |name: &str| binary(&request.bin_dir, name);
    Ok(vec![
        Entry { path: "bin/", mode: 0o755, content: Vec::new() },
        Entry { path: "bin/Agent.Listener", mode: 0o755, content: program("agent-listener")? },
        Entry { path: "bin/Agent.Worker", mode: 0o755, content: program("agent-worker")? },
        Entry {
            path: "bin/agent.version",
            mode: 0o644,
            content: format!("{}\n", request.version).into_bytes(),
        },
        text("bin/installdependencies.sh", 0o755, include_str!("../layout/installdependencies.sh")),
        text("config.sh", 0o755, include_str!("../layout/config.sh")),
        text("env.sh", 0o755, include_str!("../layout/env.sh")),
        Entry { path: "externals/", mode: 0o755, content: Vec::new() },
        text("run.sh", 0o755, include_str!("../layout/run.sh")),
    ])
}

fn windows(request: &PackRequest) -> anyhow::Result<Vec<Entry>> {
    let program = |name: &str| binary(&request.bin_dir, name);
    let script =
        |path, content: &str| text(path, 0o644, &content.replace("\r\n", "\n").replace('\n', "\r\n"));
    Ok(vec![
        Entry { path: "bin/", mode: 0o755, content: Vec::new() },
        Entry { path: "bin/Agent.Listener.exe", mode: 0o755, content: program("agent-listener.exe")? },
        Entry { path: "bin/Agent.Worker.exe", mode: 0o755, content: program("agent-worker.exe")? },
        Entry {
            path: "bin/agent.version",
            mode: 0o644,
            content: format!("{}\n", request.version).into_bytes(),
        },
        script("config.cmd", include_str!("../layout/config.cmd")),
        Entry { path: "externals/", mode: 0o755, content: Vec::new() },
        script("run.cmd", include_str!("../layout/run.cmd")),
    ])
}

fn text(path: &'static str, mode: u32, content: &str) -> Entry {
    Entry { path, mode, content: content.as_bytes().to_vec() }
}

fn binary(folder: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    fs_err::read(folder.join(name)).with_context(|| format!("`{name}` must be built first"))
}

fn tar_gz(entries: &[Entry]) -> anyhow::Result<Vec<u8>> {
    // The package is made on every build; speed counts for more than its size.
    let compressor = GzBuilder::new().mtime(0).write(Vec::new(), Compression::fast());
    let mut archive = tar::Builder::new(compressor);
    for entry in entries {
        let mut header = tar::Header::new_ustar();
        header.set_size(entry.content.len() as u64);
        header.set_mode(entry.mode);
        header.set_mtime(TIME);
        header.set_uid(0);
        header.set_gid(0);
        header.set_username("root")?;
        header.set_groupname("root")?;
        let folder = entry.path.ends_with('/');
        header.set_entry_type(if folder { tar::EntryType::Directory } else { tar::EntryType::Regular });
        archive.append_data(&mut header, entry.path, entry.content.as_slice())?;
    }
    Ok(archive.into_inner()?.finish()?)
}

fn zipped(entries: &[Entry]) -> anyhow::Result<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let time = zip::DateTime::from_date_and_time(2026, 1, 1, 0, 0, 0)?;
    for entry in entries {
        let options = SimpleFileOptions::default()
            .compression_method(zip::CompressionMethod::Deflated)
            .last_modified_time(time)
            .unix_permissions(entry.mode);
        if entry.path.ends_with('/') {
            archive.add_directory(entry.path, options)?;
        } else {
            archive.start_file(entry.path, options)?;
            archive.write_all(&entry.content)?;
        }
    }
    Ok(archive.finish()?.into_inner())
}

#[cfg(test)]
mod tests {
    use super::{PackRequest, TargetOs, pack};

    fn request(folder: &std::path::Path, os: TargetOs, version: &str) -> PackRequest {
        let bin_dir = folder.join("built");
        fs_err::create_dir_all(&bin_dir).expect("folder");
        for name in ["agent-listener", "agent-worker", "agent-listener.exe", "agent-worker.exe"] {
            fs_err::write(bin_dir.join(name), name).expect("written");
        }
        PackRequest { version: version.to_owned(), os, bin_dir, out: folder.join("out") }
    }

    #[test]
    fn the_linux_package_is_the_same_each_time_and_belongs_to_root() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let wanted = request(folder.path(), TargetOs::Linux, "4.271.0");
        let first = pack(&wanted).expect("packed");
        assert_eq!(first.archive.file_name().expect("name"), "vsts-agent-linux-x64-4.271.0.tar.gz");
        let file = fs_err::File::open(&first.archive).expect("archive");
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(file));
        let mut names = Vec::new();
        for entry in archive.entries().expect("entries") {
            let entry = entry.expect("entry");
            assert_eq!((entry.header().uid().expect("uid"), entry.header().gid().expect("gid")), (0, 0));
            names.push(format!(
                "{} {:o}",
                entry.path().expect("path").display(),
                entry.header().mode().expect("mode")
            ));
        }
        assert_eq!(
            names,
            [
                "bin/ 755",
                "bin/Agent.Listener 755",
                "bin/Agent.Worker 755",
                "bin/agent.version 644",
                "bin/installdependencies.sh 755",
                "config.sh 755",
                "env.sh 755",
                "externals/ 755",
                "run.sh 755"
            ]
        );
        // Windows may refuse to replace a file that is open.
        drop(archive);
        assert_eq!(pack(&wanted).expect("packed again").sha256, first.sha256);
    }

    #[test]
    fn the_windows_package_has_the_command_files() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let packed = pack(&request(folder.path(), TargetOs::Windows, "4.270.0")).expect("packed");
        let file = std::fs::File::open(&packed.archive).expect("archive");
        let archive = zip::ZipArchive::new(file).expect("zip");
        let names: Vec<String> =
            archive.file_names().map(|name| name.expect("a name").into_owned()).collect();
        for wanted in ["config.cmd", "run.cmd", "bin/Agent.Listener.exe", "bin/Agent.Worker.exe"] {
            assert!(names.iter().any(|name| name == wanted), "{wanted} in {names:?}");
        }
    }

    #[test]
    fn what_cannot_be_packed_is_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let mut wanted = request(folder.path(), TargetOs::Linux, "4.x");
        assert!(pack(&wanted).expect_err("version").to_string().contains("4.x"));
        wanted.version = "4.270.0".to_owned();
        wanted.bin_dir = folder.path().join("nowhere");
        assert!(pack(&wanted).expect_err("binaries").to_string().contains("agent-listener"));
    }
}
