//! Looking for images, and pulling them.

use bollard::auth::DockerCredentials;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt;
use secrecy::ExposeSecret;

use super::DockerRuntime;
use super::failure::image_failed;
use crate::group::RegistryCredential;
use crate::image;
use crate::runtime::RuntimeError;

impl DockerRuntime {
    pub(super) async fn look_for_image(
        &self,
        image: &str,
        login: Option<&RegistryCredential>,
    ) -> Result<(), RuntimeError> {
        if image::registry(image).is_none() && self.docker.inspect_image(image).await.is_ok() {
            return Ok(());
        }
        let found = self.docker.inspect_registry_image(&with_tag(image), login.map(credentials)).await;
        found.map(|_| ()).map_err(|error| image_failed(image, error))
    }

    pub(super) async fn pull_image(
        &self,
        image: &str,
        login: Option<&RegistryCredential>,
    ) -> Result<String, RuntimeError> {
        // A reference without a registry is Docker Hub's; what the engine has of it stands in for the hub.
        if image::registry(image).is_none()
            && let Ok(local) = self.docker.inspect_image(image).await
            && let Some(id) = local.id
        {
            return Ok(id);
        }
        let reference = with_tag(image);
        let options = CreateImageOptionsBuilder::new().from_image(&reference).build();
        let mut progress = self.docker.create_image(Some(options), None, login.map(credentials));
        while let Some(step) = progress.next().await {
            step.map_err(|error| image_failed(image, error))?;
        }
        let pulled =
            self.docker.inspect_image(&reference).await.map_err(|error| image_failed(image, error))?;
        pulled.id.ok_or_else(|| RuntimeError::Image {
            image: image.to_owned(),
            reason: "the engine does not name the image it pulled".to_owned(),
        })
    }
}

fn credentials(login: &RegistryCredential) -> DockerCredentials {
    DockerCredentials {
        username: Some(login.username.clone()),
        password: Some(login.password.expose_secret().to_owned()),
        serveraddress: Some(login.server.clone()),
        ..DockerCredentials::default()
    }
}

/// The reference with the tag that is meant when none is given: without one, the engine would pull all.
fn with_tag(image: &str) -> String {
    let name = image.rsplit('/').next().unwrap_or(image);
    if name.contains(':') || name.contains('@') { image.to_owned() } else { format!("{image}:latest") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_without_a_tag_means_latest() {
        let table = [
            ("localhost:5000/agent", "localhost:5000/agent:latest"),
            ("localhost:5000/agent:1", "localhost:5000/agent:1"),
            ("localhost:5000/agent@sha256:ab", "localhost:5000/agent@sha256:ab"),
            ("debian", "debian:latest"),
        ];
        for (image, expected) in table {
            assert_eq!(with_tag(image), expected);
        }
    }
}
