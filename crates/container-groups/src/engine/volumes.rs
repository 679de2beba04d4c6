//! Volumes that several containers of a group mount.

use std::collections::HashMap;

use bollard::errors::Error;
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptions};

use super::DockerRuntime;
use super::failure::failed;
use super::labels::{GROUP_LABEL, INSTANCE_LABEL, by_label, label_of};
use crate::runtime::RuntimeError;

impl DockerRuntime {
    pub(super) async fn make_volume(
        &self,
        name: &str,
        instance: &str,
        group: &str,
    ) -> Result<(), RuntimeError> {
        let labels =
            [(INSTANCE_LABEL.to_owned(), instance.to_owned()), (GROUP_LABEL.to_owned(), group.to_owned())];
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(HashMap::from(labels)),
            ..VolumeCreateRequest::default()
        };
        let created = self.docker.create_volume(request).await;
        created.map(|_| ()).map_err(|error| failed(&format!("create volume `{name}`"), error))
    }

    pub(super) async fn volume_names(&self, instance: &str) -> Result<Vec<String>, RuntimeError> {
        let options = ListVolumesOptionsBuilder::new().filters(&by_label(&[label_of(instance)])).build();
        let listed =
            self.docker.list_volumes(Some(options)).await.map_err(|error| failed("list volumes", error))?;
        Ok(listed.volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect())
    }

    pub(super) async fn drop_volume(&self, name: &str) -> Result<(), RuntimeError> {
        match self.docker.remove_volume(name, None::<RemoveVolumeOptions>).await {
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
            removed => removed.map_err(|error| failed(&format!("remove volume `{name}`"), error)),
        }
    }
}
