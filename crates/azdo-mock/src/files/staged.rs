//! Files of a whole organization: copied out of the folder, and put in the place of what is there.

use std::io::{self, Read, Write};
use std::path::PathBuf;

use service_kit::SharedEntropy;

use super::Files;
use crate::app::snapshot::PlanFiles;
use crate::wire::ids::PlanId;

/// What the names of folders begin with that are not in their place yet.
pub(super) const STAGED: &str = ".restored-";

/// Files that wait to be put in their place. Those that are not kept go.
#[derive(Debug)]
pub(crate) struct Staged {
    folder: PathBuf,
    kept: bool,
}

impl Staged {
    /// What the store calls it.
    pub(crate) fn name(&self) -> String {
        self.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Adds a file of a plan. Its name is a plain one.
    pub(crate) fn write<E: From<io::Error>>(
        &self,
        plan: PlanId,
        name: &str,
        fill: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        let folder = self.folder.join(plan.to_string());
        fs_err::create_dir_all(&folder)?;
        let mut file = fs_err::File::create(folder.join(name))?;
        fill(&mut file)?;
        Ok(file.sync_all()?)
    }

    /// From now on it waits, also for the next start. Gives its name.
    pub(crate) fn keep(mut self) -> String {
        self.kept = true;
        self.name()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = fs_err::remove_dir_all(&self.folder)
        {
            tracing::warn!(%error, "logs of a snapshot that was not taken up could not be removed");
        }
    }
}

impl Files {
    /// Gives each file of a plan that counts, and how much of it does: name, length, text.
    pub(crate) fn each_of(
        &self,
        plan: &PlanFiles,
        mut give: impl FnMut(&str, u64, &mut dyn Read) -> io::Result<()>,
    ) -> io::Result<()> {
        let folder = self.plan(plan.id);
        for (name, length) in &plan.logs {
            match fs_err::File::open(folder.join(name)) {
                Ok(mut file) => give(name, *length, &mut file)?,
                // A log that was announced and has no text yet has no file.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        match fs_err::read(self.feed(plan.id)) {
            Ok(lines) => {
                // Behind the last line end there may be half a line.
                let whole = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
                give("feed.jsonl", whole as u64, &mut &lines[..whole])?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if plan.open {
                    give("feed.jsonl", 0, &mut io::empty())?;
                }
            }
            Err(error) => return Err(error),
        }
        self.attachments(plan.id, give)
    }

    fn attachments(
        &self,
        plan: PlanId,
        mut give: impl FnMut(&str, u64, &mut dyn Read) -> io::Result<()>,
    ) -> io::Result<()> {
        let entries = match fs_err::read_dir(self.plan(plan)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("attachment-") && path.extension().is_none() {
                let mut file = fs_err::File::open(&path)?;
                give(name, file.metadata()?.len(), &mut file)?;
            }
        }
        Ok(())
    }

    /// A place for files that are not to be seen yet.
    pub(crate) fn stage(&self, entropy: &SharedEntropy) -> io::Result<Staged> {
        let folder = self.folder.join(format!("{STAGED}{}", entropy.uuid().simple()));
        fs_err::create_dir_all(&folder)?;
        Ok(Staged { folder, kept: false })
    }

    /// Puts files that wait in their place, one by one: a file that is open elsewhere is no hindrance. Does no harm a second
    /// time.
    pub(crate) fn adopt(&self, name: &str) -> io::Result<()> {
        let staged = self.folder.join(name);
        if !staged.exists() {
            return Ok(());
        }
        for plan in fs_err::read_dir(&staged)? {
            let plan = plan?;
            let target = self.folder.join(plan.file_name());
            fs_err::create_dir_all(&target)?;
            for file in fs_err::read_dir(plan.path())? {
                let file = file?;
                fs_err::rename(file.path(), target.join(file.file_name()))?;
            }
        }
        fs_err::remove_dir_all(staged)
    }

    /// Removes what waits and is not wanted any more: the process ended before.
    pub(crate) fn sweep_staged(&self) -> io::Result<()> {
        for entry in fs_err::read_dir(&self.folder)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(STAGED) {
                fs_err::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}
