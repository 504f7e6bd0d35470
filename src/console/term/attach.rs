//! The thin client: puts the terminal into raw mode, passes bytes both ways, and restores the
//! terminal on every way out, also when the server is gone from one moment to the next. Must not
//! know screens.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::time::Duration;

use crossterm::terminal;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use super::LEAVE;
use super::keep::Keeper;
use crate::base::{Clock as _, SystemClock};
use crate::console::wire::{self, Bye, Hello};

/// What whoever sits there asked for.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub plain: bool,
    pub readonly: bool,
    pub ascii: bool,
    pub screen: Option<String>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attached {
    Ended(Bye),
    /// The line is gone without a word: the server was killed, or its machine is away.
    Lost,
    /// This process was told to stop.
    Signal,
}

const WITHOUT: (u16, u16) = (80, 24);

impl Wishes {
    /// The hello of the terminal that this process has.
    pub fn hello(self) -> Hello {
        let said = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let word =
            |name: &str| said(name).map(|v| v.to_string_lossy().into_owned()).unwrap_or_default();
        let dumb = word("TERM") == "dumb";
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].map(word);
        let locale = locale.iter().find(|value| !value.is_empty());
        let utf8 = locale.is_some_and(|l| {
            let l = l.to_ascii_lowercase();
            l.contains("utf-8") || l.contains("utf8")
        });
        let (cols, rows) = terminal::size().unwrap_or(WITHOUT);
        Hello {
            cols,
            rows,
            mono: said("NO_COLOR").is_some() || dumb,
            ascii: self.ascii || !utf8,
            plain: self.plain || dumb,
            readonly: self.readonly,
            screen: self.screen,
            zone: Some(word("TZ")).filter(|zone| !zone.is_empty()),
        }
    }
}

/// Restores the terminal when it goes, also in a panic.
struct Raw;

impl Raw {
    fn enter() -> io::Result<Self> {
        terminal::enable_raw_mode()?;
        Ok(Self)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

/// Brings the terminal of this process back to what shells expect.
pub fn restore() {
    let mut out = io::stdout().lock();
    drop(out.write_all(LEAVE.as_bytes()).and_then(|()| out.flush()));
    drop(terminal::disable_raw_mode());
}

/// Asks for another line when the one before broke; nothing while there is none.
pub type Again<L> = Box<dyn Fn() -> BoxFuture<'static, Option<L>> + Send + Sync>;

/// How long a server may take to start anew.
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN: Duration = Duration::from_millis(300);

/// Shows the console at the other end of `line` until one of them ends it. When the server goes, the
/// terminal is put right, and with `again` a new server is waited for; it begins at the same screen.
pub async fn attach<L>(mut line: L, wishes: Wishes, again: Option<Again<L>>) -> io::Result<Attached>
where
    L: AsyncRead + AsyncWrite + Send + 'static,
{
    let hello = wishes.hello();
    let terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    if !hello.plain && !terminal {
        let why = "the console needs a terminal: ssh -t, docker exec -it, or --plain";
        return Err(io::Error::other(why));
    }
    let mut client = Client::new(hello)?;
    loop {
        let ended = client.show(line).await?;
        let away = match &ended {
            Attached::Lost => "the connection to the server is lost",
            Attached::Ended(bye) if bye.code == "stopped" => "the server stops",
            _ => return Ok(ended),
        };
        let Some(again) = again.as_ref().filter(|_| !client.hello.plain) else { return Ok(ended) };
        let said = format!("{away}; waiting a minute for it to come back (ctrl-c ends)\n");
        drop(io::stderr().lock().write_all(said.as_bytes()));
        match client.wait(again).await {
            Some(new) => line = new,
            None => return Ok(ended),
        }
    }
}

/// What stays from one line to the next.
struct Client {
    hello: Hello,
    typed: mpsc::Receiver<Vec<u8>>,
    resized: Signal,
    stops: [Signal; 3],
    keeper: Keeper,
}

impl Client {
    fn new(hello: Hello) -> io::Result<Self> {
        Ok(Self {
            hello,
            typed: keyboard(),
            resized: signal(SignalKind::window_change())?,
            stops: [
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
                signal(SignalKind::interrupt())?,
            ],
            keeper: Keeper::default(),
        })
    }

    /// One line to its end.
    async fn show<L>(&mut self, line: L) -> io::Result<Attached>
    where
        L: AsyncRead + AsyncWrite + Send + 'static,
    {
        let (reader, mut writer) = tokio::io::split(line);
        let said = serde_json::to_vec(&self.hello).map_err(io::Error::other)?;
        writer.write_all(&wire::frame(wire::HELLO, &said)).await?;
        writer.flush().await?;
        let raw = if self.hello.plain { None } else { Some(Raw::enter()?) };
        let mut frames = frames(reader);
        let [terminated, hung_up, interrupted] = &mut self.stops;
        let mut more = true;
        let ended = loop {
            let sent = tokio::select! {
                frame = frames.recv() => match frame {
                    Some((wire::BYTES, bytes)) => {
                        if put(&mut io::stdout().lock(), &bytes).is_err() {
                            break Attached::Signal;
                        }
                        Ok(())
                    }
                    Some((wire::BYE, said)) => break farewell(&said),
                    Some((wire::AT, name)) => {
                        self.hello.screen = String::from_utf8(name).ok();
                        Ok(())
                    }
                    Some((kind, bytes)) => match keep(&mut self.keeper, kind, &bytes) {
                        Some(kept) => say(&mut writer, wire::KEPT, &kept).await,
                        None => Ok(()),
                    },
                    None => break Attached::Lost,
                },
                bytes = self.typed.recv(), if more => match bytes {
                    Some(bytes) => say(&mut writer, wire::BYTES, &bytes).await,
                    // A script has said all; what is answered to that is still to come.
                    None if self.hello.plain => {
                        more = false;
                        say(&mut writer, wire::BYTES, wire::NO_MORE.as_bytes()).await
                    }
                    None => break Attached::Signal,
                },
                _ = self.resized.recv() => {
                    let (cols, rows) = terminal::size().unwrap_or(WITHOUT);
                    (self.hello.cols, self.hello.rows) = (cols, rows);
                    say(&mut writer, wire::RESIZE, &wire::size(cols, rows)).await
                }
                _ = terminated.recv() => break Attached::Signal,
                _ = hung_up.recv() => break Attached::Signal,
                _ = interrupted.recv() => break Attached::Signal,
            };
            // What it said before it went is still to be read.
            if sent.is_err() {
                break last_words(&mut frames, &mut io::stdout()).await;
            }
        };
        drop(raw);
        Ok(ended)
    }

    /// Another line, or nothing when it takes too long or somebody has had enough.
    async fn wait<L>(&mut self, again: &Again<L>) -> Option<L> {
        let clock = SystemClock::new();
        let until = clock.monotonic() + PATIENCE;
        let [terminated, hung_up, interrupted] = &mut self.stops;
        loop {
            tokio::select! {
                () = clock.sleep(BETWEEN) => {}
                _ = terminated.recv() => return None,
                _ = hung_up.recv() => return None,
                _ = interrupted.recv() => return None,
            }
            if let Some(line) = again().await {
                // What was typed at the shell's screen was for nobody.
                while self.typed.try_recv().is_ok() {}
                (self.hello.cols, self.hello.rows) = terminal::size().unwrap_or(WITHOUT);
                return Some(line);
            }
            if clock.monotonic() >= until {
                return None;
            }
        }
    }
}

/// Takes a frame of a file, and says at its end what became of it.
fn keep(keeper: &mut Keeper, kind: u8, bytes: &[u8]) -> Option<Vec<u8>> {
    match kind {
        wire::FILE => {
            let folder = std::env::current_dir().unwrap_or_default();
            keeper.begin(&folder, &String::from_utf8_lossy(bytes));
        }
        wire::PIECE => keeper.piece(bytes),
        wire::END => {
            let kept = keeper.end(&String::from_utf8_lossy(bytes))?;
            return serde_json::to_vec(&kept).ok();
        }
        // Of a newer server.
        _ => {}
    }
    None
}

async fn say(to: &mut (impl AsyncWrite + Unpin), kind: u8, bytes: &[u8]) -> io::Result<()> {
    to.write_all(&wire::frame(kind, bytes)).await?;
    to.flush().await
}

fn farewell(said: &[u8]) -> Attached {
    serde_json::from_slice(said).map_or(Attached::Lost, Attached::Ended)
}

fn put(out: &mut impl io::Write, bytes: &[u8]) -> io::Result<()> {
    out.write_all(bytes).and_then(|()| out.flush())
}

/// What the server said before it went: answers to a script, too, which ended with the line that
/// left.
async fn last_words(
    frames: &mut mpsc::Receiver<(u8, Vec<u8>)>,
    out: &mut impl io::Write,
) -> Attached {
    while let Some((kind, said)) = frames.recv().await {
        match kind {
            wire::BYE => return farewell(&said),
            wire::BYTES if put(out, &said).is_err() => return Attached::Signal,
            _ => {}
        }
    }
    Attached::Lost
}

/// What is typed. The thread ends with the process, or with the first key after the console.
fn keyboard() -> mpsc::Receiver<Vec<u8>> {
    let (to, typed) = mpsc::channel(16);
    drop(tokio::task::spawn_blocking(move || {
        let mut buffer = [0; 4096];
        while let Ok(n) = io::stdin().read(&mut buffer) {
            if n == 0 || to.blocking_send(buffer[..n].to_vec()).is_err() {
                return;
            }
        }
    }));
    typed
}

/// Frames of the server. A read must not be dropped half way, so it has its own task.
#[expect(clippy::disallowed_methods, reason = "the client's own runtime; there is no tracker")]
fn frames(mut reader: impl AsyncRead + Unpin + Send + 'static) -> mpsc::Receiver<(u8, Vec<u8>)> {
    let (to, frames) = mpsc::channel(4);
    tokio::spawn(async move {
        while let Ok(frame) = wire::read(&mut reader).await {
            if to.send(frame).await.is_err() {
                return;
            }
        }
    });
    frames
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_answered_before_the_end_is_not_lost() {
        let bye = Bye { code: "left".to_owned(), message: "bye".to_owned() };
        let (to, mut frames) = mpsc::channel(4);
        let end = (wire::BYE, serde_json::to_vec(&bye).unwrap());
        let said = [(wire::BYTES, b"held 2\n".to_vec()), (wire::AT, b"held".to_vec()), end];
        for frame in said {
            to.send(frame).await.unwrap();
        }
        let mut out = Vec::new();
        let ended = last_words(&mut frames, &mut out).await;
        assert_eq!((ended, out.as_slice()), (Attached::Ended(bye), b"held 2\n".as_slice()));
        drop(to);
        assert_eq!(last_words(&mut frames, &mut out).await, Attached::Lost);
    }
}
