//! `--reach URL`: does an HTTP server answer there? Runs in an empty container: needs no file, no name service for an
//! address, no certificates.

use std::time::Duration;

use reqwest::redirect::Policy;
use url::Url;

use crate::exit::Exit;
use crate::report::log;

const LIMIT: Duration = Duration::from_secs(5);

pub(crate) fn run(url: &str) -> Exit {
    match Url::parse(url) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => match ask(&url) {
            Ok(status) => {
                log(format_args!("{url} answers with status {status}"));
                Exit::Done
            }
            Err(reason) => {
                log(format_args!("error: nothing answers at {url} within {} s: {reason}", LIMIT.as_secs()));
                Exit::ServerAway
            }
        },
        _ => {
            log("error: --reach wants a URL that begins with http:// or https://");
            Exit::Configuration
        }
    }
}

fn ask(url: &Url) -> Result<u16, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let outcome = runtime.block_on(async {
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            // Nothing is sent and nothing read: whose server it is does not matter here.
            .tls_danger_accept_invalid_certs(true)
            .timeout(LIMIT)
            .build()
            .map_err(|error| format!("{error:?}"))?;
        let response =
            client.get(url.clone()).send().await.map_err(|error| format!("{:?}", error.without_url()))?;
        Ok(response.status().as_u16())
    });
    runtime.shutdown_background();
    outcome
}
