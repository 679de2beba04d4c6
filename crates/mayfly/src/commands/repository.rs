//! The files around a pipeline file: which folder is their repository, and the templates in it.

use std::io;
use std::path::{Component, Path, PathBuf};

/// The nearest folder above a file that has a `.git` in it, else the file's own folder.
#[derive(Debug)]
pub(crate) struct Repository {
    root: PathBuf,
    file: String,
}

impl Repository {
    /// That of a file.
    ///
    /// # Errors
    /// The file is not there.
    pub(crate) fn around(file: &Path) -> io::Result<Self> {
        let file = fs_err::canonicalize(file)?;
        let folder = file.parent().unwrap_or(&file);
        let root = folder.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(folder);
        let parts = file.strip_prefix(root).into_iter().flat_map(Path::components);
        let parts: Vec<_> = parts.map(|part| part.as_os_str().to_string_lossy().into_owned()).collect();
        Ok(Self { file: format!("/{}", parts.join("/")), root: root.to_owned() })
    }

    /// Where the file is, from the root: `/ci/build.yml`.
    pub(crate) fn file(&self) -> &str {
        &self.file
    }

    /// The text of a template by its path from the root.
    ///
    /// # Errors
    /// It is not there, is no text, or its path leaves the repository.
    pub(crate) fn read(&self, path: &str) -> io::Result<String> {
        let path = Path::new(path.trim_start_matches('/'));
        if !path.components().all(|part| matches!(part, Component::Normal(_))) {
            let why = format!("read the template `{}`: it is outside of the repository", path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        fs_err::read_to_string(self.root.join(path))
    }

    /// A template's path for people.
    pub(crate) fn shown(&self, path: &str) -> String {
        let path = self.root.join(path.trim_start_matches('/')).display().to_string();
        // What Windows puts before a path that is made whole.
        path.strip_prefix(r"\\?\").map_or(path.clone(), str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_those_of_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("repository");
        fs_err::create_dir_all(root.join("ci")).unwrap();
        fs_err::write(folder.path().join("outside.yml"), "outside").unwrap();
        fs_err::write(root.join("steps.yml"), "steps").unwrap();
        fs_err::write(root.join("ci/main.yml"), "main").unwrap();
        let alone = Repository::around(&root.join("ci/main.yml")).unwrap();
        assert_eq!((alone.file(), alone.read("/main.yml").unwrap().as_str()), ("/main.yml", "main"));

        fs_err::create_dir(root.join(".git")).unwrap();
        let whole = Repository::around(&root.join("ci/../ci/main.yml")).unwrap();
        assert_eq!((whole.file(), whole.read("/steps.yml").unwrap().as_str()), ("/ci/main.yml", "steps"));
        assert!(whole.shown("/steps.yml").ends_with("steps.yml"), "{}", whole.shown("/steps.yml"));
        for path in ["/../outside.yml", "/ci/../../outside.yml", "/no.yml", "/ci"] {
            assert!(whole.read(path).is_err(), "{path}");
        }
        assert!(Repository::around(&root.join("no.yml")).is_err());
    }
}
