//! The emulator over real HTTP, with containers in memory.

mod complete;
mod container_groups;
mod deployments;
mod envelope;
mod nested;
mod registries;
mod resource_groups;
mod restart;
mod secrets;
mod stack;
mod wire;
