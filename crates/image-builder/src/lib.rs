//! Builds the agent image: agent package, layers, tags, push.
//!
//! A Linux image is put together here, so that the same inputs give the same image; a Windows image is the engine's.
//!
//! [`build_image`] does all of it and says on the way what it does to a [`Reporter`]; [`plan_build`] says what it
//! would do. [`ensure_base_image`] finds, pulls or makes the Debian image that is built on.
//!
//! No secret goes into the build: the organization's token reads the list of packages and nothing else, and registry
//! credentials go to the engine with the push. It knows neither the command line nor the environment, and it works
//! with a Docker engine on this machine only.

mod accounts;
mod assemble;
mod base;
mod base_image;
mod build;
mod build_error;
mod cache;
mod context;
mod dockerfile;
mod download;
mod engine;
mod folder;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod http;
mod image_ref;
mod label;
mod layer;
mod linux;
mod lock;
mod options;
mod packages;
mod prepare;
mod push;
mod report;
mod rootfs;
mod sbom;
mod source;
mod unpack;
mod version;

pub use assemble::AssembleError;
pub use base::BaseError;
pub use base_image::{BaseImageError, KEPT_LABEL};
pub use build::{
    BuildPlan, BuiltImage, DOCKERFILE_LINUX, DOCKERFILE_WINDOWS, build_image, ensure_base_image, plan_build,
};
pub use build_error::BuildError;
pub use download::DownloadError;
pub use engine::EngineError;
pub use folder::{FolderError, FolderLayer};
pub use http::ClientError;
pub use image_ref::{ImageRef, ImageRefError};
pub use layer::{LayerError, LayerReport};
pub use lock::LockError;
pub use options::{BuildOptions, ExtraTag, Lock, PackageSource, Push, RegistryCredentials, TargetOs};
pub use packages::{AgentPackage, PackagesError, newest_package};
pub use push::PushError;
pub use report::{Console, Reporter, Silent};
pub use unpack::UnpackError;
pub use version::{AgentVersion, VersionError};
