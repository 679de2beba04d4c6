//! HTTPS with an authority of one's own. What the agent trusts is the system's store: `--sslcacert` is for the tools of a
//! job (azure-pipelines-agent: docs/design/clientcert.md).

use std::{net::TcpListener, path::Path, time::Duration};

use axum::{
    Router,
    http::{HeaderMap, HeaderValue, StatusCode},
};
use axum_server::tls_rustls::RustlsConfig;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use crate::agent::{InstalledAgent, finish, text};

/// Serves HTTPS and refuses everybody; gives the port and the authority's certificate.
async fn refusing_server() -> (u16, String) {
    // Another test of this process may have installed it.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let authority_key = KeyPair::generate().expect("key");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).expect("certificate").pem();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().expect("key");
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let leaf = leaf.signed_by(&key, &issuer).expect("certificate");
    let config = RustlsConfig::from_pem(leaf.pem().into_bytes(), key.serialize_pem().into_bytes())
        .await
        .expect("TLS settings");
    let listener = TcpListener::bind("127.0.0.1:0").expect("port");
    listener.set_nonblocking(true).expect("non-blocking");
    let port = listener.local_addr().expect("address").port();
    let refuse = || async {
        let mut headers = HeaderMap::new();
        headers.insert("WWW-Authenticate", HeaderValue::from_static("Basic realm=\"acme\""));
        (StatusCode::UNAUTHORIZED, headers)
    };
    let server = axum_server::from_tcp_rustls(listener, config).expect("server");
    tokio::spawn(server.serve(Router::new().fallback(refuse).into_make_service()));
    (port, authority_pem)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_trusted_by_the_systems_store_or_not_at_all() {
    let (port, authority) = refusing_server().await;
    let agent = InstalledAgent::new(&format!("https://localhost:{port}/acme"));
    let file = agent.path("authority.pem");
    fs_err::write(&file, authority).expect("written");
    let config = |arguments: &[&str], store: Option<&Path>| {
        let mut command = agent.config();
        command.args(arguments).env_remove("SSL_CERT_FILE").envs(store.map(|file| ("SSL_CERT_FILE", file)));
        let output = finish(command.spawn().expect("config.sh"), Duration::from_secs(60));
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        text(&output)
    };
    let reached = "VS30063: You are not authorized to access https://localhost";
    let stranger = config(&[], None);
    assert!(!stranger.contains(reached), "{stranger}");
    let for_tools_alone = config(&["--sslcacert", &file.display().to_string()], None);
    assert!(!for_tools_alone.contains(reached), "{for_tools_alone}");
    let trusted = config(&["--sslcacert", &file.display().to_string()], Some(&file));
    assert!(trusted.contains(reached), "{trusted}");
    let careless = config(&["--sslskipcertvalidation"], None);
    assert!(careless.contains(reached), "{careless}");
    let absent = config(&["--sslcacert", "/nowhere/ca.pem"], Some(&file));
    assert!(absent.contains("File not found: '/nowhere/ca.pem'"), "{absent}");
}
