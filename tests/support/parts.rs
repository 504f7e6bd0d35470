//! Real programs that some tests check Carillon against. Must not install anything.

use std::env;
use std::io::{Write, stderr};
use std::process::{Command, Stdio};

/// With this set to 1, a test whose real counterpart is missing fails. CI sets it.
pub const REQUIRE: &str = "CARILLON_REQUIRE_REAL_PARTS";

/// Says why a test does nothing here; fails it where everything is required. The caller returns.
pub fn skip(reason: &str) {
    skip_unless(env::var_os(REQUIRE).is_some_and(|value| value == "1"), reason);
}

fn skip_unless(required: bool, reason: &str) {
    assert!(!required, "{REQUIRE}=1, but: {reason}");
    // Not eprintln!, which the test runner keeps to itself when the test passes.
    let _ = writeln!(stderr(), "skipped: {reason}");
}

/// A program or a Python module that a test needs.
#[derive(Clone, Copy, Debug)]
pub enum Tool {
    /// Looked for on `PATH`.
    Program(&'static str),
    /// Imported by the `python3` on `PATH`.
    PythonModule(&'static str),
}

impl Tool {
    pub fn available(self) -> bool {
        match self {
            Self::Program(name) => {
                let path = env::var_os("PATH").unwrap_or_default();
                env::split_paths(&path).any(|folder| folder.join(name).is_file())
            }
            Self::PythonModule(name) => Command::new("python3")
                .args(["-c", &format!("import {name}")])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
        }
    }

    /// `false`, after [`skip`], when it is not there.
    pub fn available_or_skip(self) -> bool {
        let available = self.available();
        if !available {
            skip(&format!("{self:?} is not on this machine"));
        }
        available
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipping_fails_where_everything_is_required() {
        assert!(std::panic::catch_unwind(|| skip_unless(true, "nothing")).is_err());
    }

    #[test]
    fn tools_are_found_and_missed() {
        assert!(Tool::Program("sh").available());
        assert!(!Tool::Program("no-such-program").available());
        assert!(!Tool::PythonModule("no_such_module").available());
        if Tool::Program("python3").available_or_skip() {
            assert!(Tool::PythonModule("json").available());
        }
    }
}
