//! One binary for all tests against a real API server. Run it by `make cluster`.
#![cfg(test)]

mod faults;
mod fleet;
mod harness;
mod load;
mod policy_table;
mod rbac;
mod support;
