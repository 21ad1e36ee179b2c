//! Integration tests, one binary.

mod policy_check;
mod policy_file;
