//! One binary for all tests against a real API server. Run it by `make cluster`.
#![cfg(test)]

mod faults;
mod fleet;
mod harness;
mod identity;
mod lifecycle;
mod load;
mod page;
mod policy_table;
mod rbac;
mod resource;
mod restarts;
mod support;
mod upgrade;
mod watch_expiry;
mod watch_faults;
