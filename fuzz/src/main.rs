//! The binary of every target: feeds what libFuzzer makes to the check of its own name. Must not
//! check anything itself.
#![no_main]

use carillon_fuzz::{Check, named};
use libfuzzer_sys::fuzz_target;

static CHECK: std::sync::LazyLock<Check> = std::sync::LazyLock::new(|| {
    named(env!("CARGO_BIN_NAME")).unwrap_or_else(|| std::process::abort())
});

fuzz_target!(|data: &[u8]| CHECK(data));
