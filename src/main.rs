//! The `carillon` binary. Must hold nothing: `cli` parses and runs.

use std::process::ExitCode;

fn main() -> ExitCode {
    carillon::cli::run()
}
