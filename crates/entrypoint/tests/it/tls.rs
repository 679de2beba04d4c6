//! A server with a certificate of an authority that is no public one.

use axum::routing::get;
use axum::{Json, Router};
use axum_server::tls_rustls::RustlsConfig;
use fs_err as fs;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;

use crate::image::{CONFIGURE, Image, RUN};

/// An authority, and a server at 127.0.0.1 with a certificate of it that lets every token in.
struct Sealed {
    authority: String,
    port: u16,
}

impl Sealed {
    async fn start() -> Self {
        // Another test of this process may have installed it.
        drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
        let authority_key = KeyPair::generate().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = authority.self_signed(&authority_key).unwrap().pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        let config = RustlsConfig::from_pem(leaf.pem().into_bytes(), key.serialize_pem().into_bytes());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let pools = json!({"count": 1, "value": [{"id": 3, "name": "Default"}]});
        let router = Router::new()
            .route("/org/_apis/connectionData", get(|| async { Json(json!({"instanceId": "x"})) }))
            .route("/org/_apis/distributedtask/pools", get(|| async { Json(pools) }));
        let server = axum_server::from_tcp_rustls(listener, config.await.unwrap()).unwrap();
        tokio::spawn(server.serve(router.into_make_service()));
        Self { authority: pem, port }
    }

    /// An image that is to register here by HTTPS.
    async fn image(&self, host: &str) -> Image {
        let mut image = Image::new().await;
        image.set("AZDO_URL", &format!("https://{host}:{}/org", self.port));
        image
    }
}

#[tokio::test]
async fn a_server_whose_authority_is_not_trusted_ends_it_at_once() {
    let sealed = Sealed::start().await;
    let image = sealed.image("127.0.0.1").await;
    let finished = image.run().await.expect_code(64);
    finished.says("is not trusted: invalid certificate: UnknownIssuer");
    finished.says("AZDO_CA_FILE or AZDO_CA_CERTIFICATE names the authorities");

    // Another authority is not this one, and the right one does not make a wrong name right.
    let mut image = sealed.image("127.0.0.1").await;
    image.set("AZDO_CA_CERTIFICATE", &Sealed::start().await.authority);
    image.run().await.expect_code(64).says("is not trusted");
    let mut image = sealed.image("localhost").await;
    image.set("AZDO_CA_CERTIFICATE", &sealed.authority);
    image.run().await.expect_code(64).says("not valid for name");
}

#[tokio::test]
async fn a_named_authority_is_trusted_here_and_by_the_agent() {
    let sealed = Sealed::start().await;
    for by_file in [true, false] {
        let mut image = sealed.image("127.0.0.1").await;
        // What the agent finds there, read as its own user.
        let configure = format!(
            "{CONFIGURE}\ncat \"$VSTS_AGENT_INPUT_SSLCACERT\" > \"$probe/own.pem\"\ncat \"$SSL_CERT_FILE\" > \"$probe/all.pem\""
        );
        image.agent(&configure, RUN);
        let file = image.root().join("ca.pem");
        fs::write(&file, &sealed.authority).unwrap();
        if by_file {
            image.set("AZDO_CA_FILE", file.to_str().unwrap());
        } else {
            image.set("AZDO_CA_CERTIFICATE", &sealed.authority);
        }
        image.run().await.expect_code(0);
        assert_eq!(image.probed("own.pem"), sealed.authority);
        let all = image.probed("all.pem");
        let public = fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
        assert!(all.starts_with(sealed.authority.trim()) && all.ends_with(&public), "beside the public ones");
        let job = image.probed_environment("run.env");
        assert_eq!(job["SSL_CERT_FILE"], image.root().join("etc/mayfly/trusted-ca.pem").to_str().unwrap());
        assert!(job.keys().all(|name| !name.starts_with("AZDO_") && !name.starts_with("VSTS_AGENT_INPUT_")));
    }
}

#[tokio::test]
async fn a_bundle_that_the_image_declares_is_joined_and_not_replaced() {
    let sealed = Sealed::start().await;
    let mut image = sealed.image("127.0.0.1").await;
    let bundle = image.root().join("corporate.pem");
    fs::write(&bundle, "corporate").unwrap();
    image.declare(json!({"environment": {"SSL_CERT_FILE": bundle}}));
    image.agent(&format!("{CONFIGURE}\ncat \"$SSL_CERT_FILE\" > \"$probe/all.pem\""), RUN);
    image.set("AZDO_CA_CERTIFICATE", &sealed.authority);
    image.run().await.expect_code(0);
    assert_eq!(image.probed("all.pem"), format!("{}\ncorporate", sealed.authority.trim_end()));
}

#[tokio::test]
async fn what_is_no_certificate_is_reported_with_all_other_problems() {
    let mut image = Image::new().await;
    image.set("AZDO_CA_CERTIFICATE", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    image.set("AZDO_CONFIG_TIMEOUT", "-1");
    let finished = image.run().await.expect_code(64);
    finished.says("2 problems");
    finished.says("AZDO_CA_CERTIFICATE: holds a certificate that cannot be read");
    assert!(image.server.received_requests().await.unwrap().is_empty());
}
