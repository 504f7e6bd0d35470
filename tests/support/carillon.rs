//! Drives the real binary from outside: its lines, its end, its death. Must not wait without a
//! deadline, and must leave no process behind.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A running `carillon`. Dropping it kills it.
pub struct Carillon {
    child: Child,
    output: Receiver<Line>,
    stdout: Vec<String>,
    stderr: Vec<String>,
    waited_for: usize,
}

enum Line {
    Out(String),
    Err(String),
}

impl Carillon {
    /// Starts `command`, whose program is `env!("CARGO_BIN_EXE_carillon")` of the calling test.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?} does not start: {e}"));
        let (sender, output) = channel();
        forward(child.stdout.take().unwrap(), Line::Out, sender.clone());
        forward(child.stderr.take().unwrap(), Line::Err, sender);
        Self { child, output, stdout: Vec::new(), stderr: Vec::new(), waited_for: 0 }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What each of its threads is at, as the kernel sees it: name, state and processor time, the call
    /// that it is in, and what it waits for there.
    pub fn threads(&self) -> String {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid()));
        let of = |task: PathBuf| {
            let read = |name: &str| std::fs::read_to_string(task.join(name)).unwrap_or_default();
            let state: String =
                read("stat").split(' ').skip(2).take(13).collect::<Vec<_>>().join(" ");
            let name = read("comm");
            format!(
                "{} {state}, call {}, waits {}\n",
                name.trim(),
                read("syscall").trim(),
                read("wchan")
            )
        };
        tasks.into_iter().flatten().flatten().map(|task| of(task.path())).collect()
    }

    /// The lines of standard output up to now.
    pub fn stdout(&mut self) -> &[String] {
        while let Ok(line) = self.output.try_recv() {
            self.keep(line);
        }
        &self.stdout
    }

    /// The first line of standard output that begins with `prefix` and comes after the line that
    /// the last call gave. Panics with all output when it does not come in time, or cannot come.
    pub fn wait_for(&mut self, prefix: &str, within: Duration) -> String {
        self.wait_until(&format!("begins with {prefix:?}"), within, |line| line.starts_with(prefix))
    }

    /// Like [`Carillon::wait_for`], for the first line that `is` it.
    pub fn wait_until(
        &mut self,
        what: &str,
        within: Duration,
        is: impl Fn(&str) -> bool,
    ) -> String {
        let deadline = Instant::now() + within;
        loop {
            while let Some(line) = self.stdout.get(self.waited_for) {
                self.waited_for += 1;
                if is(line) {
                    return line.clone();
                }
            }
            if let Err(why) = self.receive(deadline) {
                self.give_up(&format!("no line {what} ({why})"));
            }
        }
    }

    /// Like [`Carillon::wait_until`], from its first line on: for what may come before or after a line
    /// that was waited for.
    pub fn wait_for_any(
        &mut self,
        what: &str,
        within: Duration,
        is: impl Fn(&str) -> bool,
    ) -> String {
        self.waited_for = 0;
        self.wait_until(what, within, is)
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// How it ended. Panics with all output when it does not end in time.
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let deadline = Instant::now() + within;
        loop {
            match self.receive(deadline) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => self.give_up("it does not end"),
                // Both pipes are closed: it is gone, or about to be.
                Err(RecvTimeoutError::Disconnected) => return self.child.wait().unwrap(),
            }
        }
    }

    /// SIGTERM: asks it to stop.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// What a process gets whose terminal is closed; a server reads its settings again.
    pub fn hang_up(&self) {
        self.signal("-HUP");
    }

    fn signal(&self, which: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args([which, &pid]).status();
        assert!(sent.unwrap().success(), "process {pid} is gone already");
    }

    /// `kill -9`; returns when it is dead.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn receive(&mut self, deadline: Instant) -> Result<(), RecvTimeoutError> {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = self.output.recv_timeout(left)?;
        self.keep(line);
        Ok(())
    }

    fn keep(&mut self, line: Line) {
        match line {
            Line::Out(line) => self.stdout.push(line),
            Line::Err(line) => self.stderr.push(line),
        }
    }

    fn give_up(&self, why: &str) -> ! {
        let (out, err) = (self.stdout.join("\n"), self.stderr.join("\n"));
        panic!("{why}\n--- standard output\n{out}\n--- standard error\n{err}");
    }
}

impl Drop for Carillon {
    fn drop(&mut self) {
        // Both fail only when it is dead and waited for already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends each line of a pipe; ends with the pipe or with the receiver.
fn forward(pipe: impl Read + Send + 'static, of: fn(String) -> Line, to: Sender<Line>) {
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            let text = String::from_utf8_lossy(&line);
            if to.send(of(text.trim_end_matches('\n').to_owned())).is_err() {
                return;
            }
            line.clear();
        }
    });
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    fn sh(script: &str) -> Carillon {
        Carillon::start(Command::new("sh").args(["-c", script]))
    }

    #[test]
    fn lines_are_waited_for_in_order() {
        let mut it = sh("echo first; echo ready 1; echo ready 2; exit 3");
        assert_eq!(it.wait_for("ready", SOON), "ready 1");
        assert_eq!(it.wait_for("ready", SOON), "ready 2");
        assert_eq!(it.wait_for_any("is the first", SOON, |line| line == "first"), "first");
        assert_eq!(it.wait(SOON).code(), Some(3));
        assert_eq!(it.stdout(), ["first", "ready 1", "ready 2"]);
    }

    #[test]
    fn a_line_that_cannot_come_fails_with_all_output() {
        let mut it = sh("echo one; echo two >&2");
        let failure = catch_unwind(AssertUnwindSafe(|| it.wait_for("three", SOON))).unwrap_err();
        let text = failure.downcast_ref::<String>().unwrap();
        assert!(text.contains("three") && text.contains("one") && text.contains("two"));
    }

    #[test]
    fn a_deadline_ends_the_waiting() {
        let mut it = sh("echo up; exec sleep 60");
        it.wait_for("up", SOON);
        let wait = AssertUnwindSafe(|| it.wait_for("more", Duration::from_millis(50)));
        assert!(catch_unwind(wait).is_err());
    }

    #[test]
    fn it_can_be_asked_to_stop_and_be_killed() {
        let mut polite = sh("trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done");
        polite.wait_for("up", SOON);
        polite.terminate();
        assert_eq!(polite.wait_for("bye", SOON), "bye");
        assert_eq!(polite.wait(SOON).code(), Some(0));

        let mut stubborn = sh("trap '' TERM; echo up; while :; do sleep 0.05; done");
        stubborn.wait_for("up", SOON);
        stubborn.kill();
        assert_eq!(stubborn.wait(SOON).signal(), Some(9));
    }
}
