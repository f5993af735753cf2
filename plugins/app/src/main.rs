//! The `rhea` command.
fn main() {}
