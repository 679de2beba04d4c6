//! The end-to-end stories: one module each, every guarantee with a control that shows the test can fail.

mod bad_input;
mod crash;
mod credentials;
mod forced_update;
mod foreign_clients;
mod https;
mod identity;
mod image;
mod isolation;
mod leakscan;
mod once_restart;
mod pipeline_file;
mod registry_clients;
mod root_jobs;
mod scale;
mod single;
mod state;
mod stolen_key;
mod stop;
mod token_scrubbing;
