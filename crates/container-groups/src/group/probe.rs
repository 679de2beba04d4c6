//! Probes of a container: what is asked, how often, and how many answers count.

use serde::{Deserialize, Serialize};

/// A liveness or readiness probe. Times that are absent are Kubernetes' defaults, as the service documents them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probe {
    /// What is asked.
    pub check: ProbeCheck,
    /// Seconds between the start of the container and the first probe; 0 when absent.
    pub initial_delay_seconds: Option<u32>,
    /// Seconds between two probes; 10 when absent.
    pub period_seconds: Option<u32>,
    /// Failures in a row that count; 3 when absent.
    pub failure_threshold: Option<u32>,
    /// Successes in a row that count; 1 when absent.
    pub success_threshold: Option<u32>,
    /// Seconds that an answer may take; 1 when absent.
    pub timeout_seconds: Option<u32>,
}

impl Probe {
    /// A probe with every time at its default.
    pub fn new(check: ProbeCheck) -> Self {
        Self {
            check,
            initial_delay_seconds: None,
            period_seconds: None,
            failure_threshold: None,
            success_threshold: None,
            timeout_seconds: None,
        }
    }
}

/// What a probe asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProbeCheck {
    /// A command in the container, which has to end with 0.
    Exec(Vec<String>),
    /// A request, which has to be answered with a status from 200 to 399.
    HttpGet(HttpGet),
}

/// A probe's HTTP request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpGet {
    /// The path, `/` when absent.
    pub path: Option<String>,
    /// The port.
    pub port: u16,
    /// The scheme.
    pub scheme: HttpScheme,
    /// Headers, in order.
    pub headers: Vec<(String, String)>,
}

/// The scheme of a probe's request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum HttpScheme {
    /// Plain.
    #[default]
    Http,
    /// Over TLS; the certificate is not checked, as Kubernetes does not.
    Https,
}

impl HttpScheme {
    /// The word of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}
