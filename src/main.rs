//! The `carillon` binary. Must hold nothing: `cli` parses and runs.

fn main() {}
