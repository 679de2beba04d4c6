//! A build by the engine's own builder: Windows images, and base images that a Dockerfile makes.

use std::collections::HashMap;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::query_parameters::BuildImageOptionsBuilder;
use futures_util::StreamExt;
use secrecy::ExposeSecret;
use tokio_util::io::ReaderStream;

use crate::build_error::BuildError;
use crate::image_ref::ImageRef;
use crate::options::Push;
use crate::report::Reporter;

/// What the engine is to build.
pub(crate) struct EngineBuild<'a> {
    /// Given to the Dockerfile as `BASE_IMAGE`.
    pub(crate) base: &'a str,
    /// What the image is to be called.
    pub(crate) reference: &'a ImageRef,
    /// The build context, with `Dockerfile` in it.
    pub(crate) archive: std::fs::File,
    /// For the credentials of the base image's registry.
    pub(crate) push: &'a Push,
}

/// Builds and returns the image's id.
pub(crate) async fn run_build(
    docker: &Docker,
    build: EngineBuild<'_>,
    reporter: &dyn Reporter,
) -> Result<String, BuildError> {
    let EngineBuild { base, reference, archive, push } = build;
    let arguments = HashMap::from([("BASE_IMAGE", base)]);
    let request = BuildImageOptionsBuilder::default()
        .dockerfile("Dockerfile")
        .t(&reference.to_string())
        .buildargs(&arguments)
        .rm(true)
        .forcerm(true)
        .build();
    let registry = base.parse::<ImageRef>().ok();
    let credentials = push.credentials_for(registry.as_ref().and_then(ImageRef::registry)).map(|known| {
        let login = DockerCredentials {
            username: Some(known.username.clone()),
            password: Some(known.password.expose_secret().to_owned()),
            ..DockerCredentials::default()
        };
        HashMap::from([(known.server.clone(), login)])
    });
    let file = tokio::fs::File::from_std(archive);
    let body = bollard::body_try_stream(ReaderStream::with_capacity(file, 1 << 16));
    let mut answers = docker.build_image(request, credentials, Some(body));
    let (mut image_id, mut last) = (None, "the engine refused the request".to_owned());
    while let Some(answer) = answers.next().await {
        let answer = answer.map_err(|source| BuildError::Docker { last: last.clone(), source })?;
        for line in answer.stream.iter().flat_map(|text| text.lines()).map(str::trim_end) {
            if line.starts_with("Step ") {
                line.clone_into(&mut last);
            }
            // The answer's own field for the id has another type when BuildKit support is compiled in.
            if let Some(id) = line.strip_prefix("Successfully built ") {
                image_id = Some(id.trim().to_owned());
            }
            if !line.is_empty() {
                reporter.log(line);
            }
        }
    }
    let short = image_id.ok_or(BuildError::NoImage)?;
    let image = docker.inspect_image(&short).await.map_err(|source| BuildError::Docker { last, source })?;
    image.id.ok_or(BuildError::NoImage)
}
