//! A real terminal: tmux, driven by keys and read as text.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

static NEXT: AtomicU32 = AtomicU32::new(0);
/// Questions to shells.
static ASKED: AtomicU32 = AtomicU32::new(0);

const PROMPT: &str = "ready>";

/// One tmux server with one shell; gone when this goes.
pub struct Tmux {
    name: String,
}

impl Tmux {
    pub fn new((cols, rows): (u16, u16)) -> Self {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let tmux = Self { name: format!("carillon-{}-{n}", std::process::id()) };
        let (cols, rows) = (cols.to_string(), rows.to_string());
        // A shell without anybody's habits.
        let shell = "env -i HOME=/nonexistent TERM=screen-256color LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin PS1='ready> ' sh";
        tmux.run(&["-f", "/dev/null", "new-session", "-d", "-x", &cols, "-y", &rows, shell]);
        tmux.wait_for(PROMPT);
        tmux
    }

    fn run(&self, args: &[&str]) -> String {
        let output =
            Command::new("tmux").args(["-u", "-L", &self.name]).args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {args:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Keys as they are; a name such as `Enter` or `Escape` is one key.
    pub fn key(&self, key: &str) {
        self.run(&["send-keys", key]);
    }

    pub fn type_in(&self, text: &str) {
        self.run(&["send-keys", "-l", text]);
    }

    /// A command of the shell.
    pub fn shell(&self, line: &str) {
        self.type_in(line);
        self.key("Enter");
    }

    pub fn text(&self) -> String {
        self.run(&["capture-pane", "-p"])
    }

    /// With its colours and weights, as escape sequences.
    pub fn coloured(&self) -> String {
        self.run(&["capture-pane", "-p", "-e"])
    }

    /// The shell asks for a command. Before that, who had the terminal may still read from it.
    pub fn is_asked(&self) {
        self.wait("the shell's prompt", |text| text.trim_end().ends_with(PROMPT));
    }

    pub fn resize(&self, (cols, rows): (u16, u16)) {
        self.run(&["resize-window", "-x", &cols.to_string(), "-y", &rows.to_string()]);
    }

    /// What tmux knows of its pane.
    pub fn about(&self, format: &str) -> String {
        self.run(&["display-message", "-p", format]).trim().to_owned()
    }

    pub fn wait_for(&self, words: &str) {
        self.wait(words, |text| text.contains(words));
    }

    pub fn wait(&self, what: &str, seen: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(40);
        loop {
            let text = self.text();
            if seen(&text) {
                return;
            }
            assert!(Instant::now() < deadline, "no {what:?} on\n{text}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The terminal is as a shell expects it: its own screen, a cursor, and what is typed is seen.
    pub fn is_restored(&self) {
        self.is_asked();
        self.wait("the shell's screen", |_| {
            self.about("#{alternate_on} #{cursor_flag} #{mouse_any_flag}") == "0 1 0"
        });
        // Another number each time: the last answer may still be on the screen.
        let n = ASKED.fetch_add(1, Ordering::Relaxed);
        self.shell(&format!("stty -a | tr ' ' '\\n' | grep -E '^-?(echo|icanon);?$' | tr '\\n' ' '; echo done-$((4200+{n}))"));
        self.wait_for(&format!("done-{}", 4_200 + n));
        let text = self.text();
        assert!(
            text.contains("echo") && !text.contains("-echo ") && !text.contains("-icanon"),
            "{text}"
        );
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        drop(Command::new("tmux").args(["-L", &self.name, "kill-server"]).output());
    }
}
