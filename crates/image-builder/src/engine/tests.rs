use super::*;

#[tokio::test]
async fn an_engine_elsewhere_is_refused_and_its_password_not_shown() {
    for host in ["tcp://10.0.0.1:2375", "ssh://someone:planted@build.example.org", "https://10.0.0.1:2376"] {
        let error = connect(Some(host)).await.unwrap_err();
        assert!(matches!(error, EngineError::Remote { .. }), "{error}");
        assert!(!error.to_string().contains("planted"), "{error}");
        assert!(error.hint().unwrap().contains("DOCKER_HOST"));
    }
}

#[cfg(unix)]
#[tokio::test]
async fn an_absent_engine_and_a_dead_one_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let host = format!("unix://{}", socket.display());
    let error = connect(Some(&host)).await.unwrap_err();
    assert!(matches!(error, EngineError::Absent { .. }), "{error}");
    assert!(error.hint().unwrap().contains("apt-get install --yes docker.io"));

    // A socket that nobody listens on: what a stopped daemon leaves behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let error = connect(Some(&host)).await.unwrap_err();
    assert!(matches!(error, EngineError::Silent { forbidden: false, .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("start"));
}
