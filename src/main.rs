//! The `pacer` program.

fn main() {}
