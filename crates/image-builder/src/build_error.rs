//! Why no image was built, what to do about it, and whether trying again may help.

use std::io;
use std::path::PathBuf;

use bollard::errors::Error;

use crate::assemble::AssembleError;
use crate::base::BaseError;
use crate::base_image::BaseImageError;
use crate::download::DownloadError;
use crate::engine::EngineError;
use crate::image_ref::ImageRefError;
use crate::layer::LayerError;
use crate::lock::LockError;
use crate::packages::PackagesError;
use crate::push::PushError;
use crate::unpack::UnpackError;
use crate::version::VersionError;

/// Why no image was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No package was found.
    #[error(transparent)]
    Packages(#[from] PackagesError),
    /// The package did not arrive.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// The package is not safe, or no package.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// A file name without a version.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// A tag that is none.
    #[error(transparent)]
    Reference(#[from] ImageRefError),
    /// No engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Nothing to build on.
    #[error(transparent)]
    BaseImage(#[from] BaseImageError),
    /// The base image could not be read.
    #[error(transparent)]
    Base(#[from] BaseError),
    /// A layer does not fit on the image.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The image could not be put together.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// The lock file.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The base image is for another processor.
    #[error("build on `{image}`: it is for {found}, and the agent's package is for amd64")]
    Architecture {
        /// The base image.
        image: String,
        /// Its processor.
        found: String,
    },
    /// The base image lacks what the agent needs, and it cannot be installed here.
    #[error("build on `{image}`: it lacks {}", missing.join(", "))]
    Unfit {
        /// The base image.
        image: String,
        /// Programs and files.
        missing: Vec<String>,
    },
    /// Not pushed.
    #[error(transparent)]
    Push(#[from] PushError),
    /// An input is missing or unreadable.
    #[error("read {what} `{}`", file.display())]
    Input {
        /// What it is for.
        what: &'static str,
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The package is not what the file beside it says.
    #[error("check `{}`: its SHA-256 is {actual}, the file beside it says {expected}", file.display())]
    FileHash {
        /// The package.
        file: PathBuf,
        /// What the `.sha256` file says.
        expected: String,
        /// Found.
        actual: String,
    },
    /// The `.sha256` file holds something else.
    #[error("read `{}`: expected 64 hexadecimal digits", file.display())]
    FileHashShape {
        /// The `.sha256` file.
        file: PathBuf,
    },
    /// A label that no Dockerfile can hold.
    #[error("label the image with `{}`: a label's name and value hold no control characters", name.escape_debug())]
    Label {
        /// The label's name.
        name: String,
    },
    /// The context could not be put together.
    #[error("put the build context together")]
    Context(#[source] io::Error),
    /// The engine's build failed.
    #[error("build the image: {last}")]
    Docker {
        /// The step that failed, as the engine names it.
        last: String,
        /// Why.
        #[source]
        source: Error,
    },
    /// The build ended without an image.
    #[error("build the image: the engine reported no image id")]
    NoImage,
    /// The engine did not take the tag.
    #[error("tag the image as `{reference}`")]
    Tag {
        /// The reference.
        reference: String,
        /// Why.
        #[source]
        source: Error,
    },
}

impl BuildError {
    /// What to do about it, where something can be said.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Packages(error) => error.hint(),
            Self::Download(error) => error.hint(),
            Self::Engine(error) => error.hint(),
            Self::BaseImage(error) => error.hint(),
            Self::Push(error) => error.hint(),
            Self::Unpack(_) => {
                Some("take the package from Microsoft, or from your own organization's packages API")
            }
            Self::Lock(error) => Some(error.hint()),
            Self::Unfit { .. } => {
                Some("install them in an image of your own, and name that with --base-image")
            }
            Self::Layer(LayerError::Account { .. }) => Some(
                "the agent's account is `agent` with number 10001: take a base image that leaves both free",
            ),
            Self::Docker { .. } => Some("the engine's log above tells which step failed and why"),
            _ => None,
        };
        hint.map(str::to_owned)
    }

    /// Whether the same call may succeed later (service or network).
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Packages(error) => error.is_retryable(),
            Self::Download(error) => error.is_retryable(),
            Self::BaseImage(error) => error.is_retryable(),
            Self::Push(error) => error.is_retryable(),
            _ => false,
        }
    }
}
