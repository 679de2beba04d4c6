//! The service on an engine in memory (`service`) and on a real one (`docker`).

#[cfg(test)]
mod docker;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod service;
#[cfg(test)]
mod support;
