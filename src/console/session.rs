//! One console: what was typed becomes messages, messages change the model, the model is drawn, and
//! bytes go out. Bounded in what it takes in, in size, and in how long it waits for the other end.

use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use data_encoding::BASE64;
use futures_util::future::{BoxFuture, Either, select};
use jiff::tz::TimeZone;
use ratatui::Terminal;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, WriteHalf};
use tokio::sync::mpsc;

use super::clean::add;
use super::model::{Done, Effect, Model, Msg, Save};
use super::screens::SCREENS;
use super::term::{self, Bytes, Input};
use super::update::update;
use super::wire::{self, Bye, Hello, Kept};
use super::{Plain, Shared, act::Command, feed, save};
use crate::base::{Clock, CorrelationId, WorkspaceId};
use crate::service::run_verb;
use crate::store::Operator;

/// How long the other end may take for its hello, and for taking a frame.
const STALL: Duration = Duration::from_secs(10);
const SECOND: Duration = Duration::from_secs(1);
/// After an Esc, for the rest of a sequence. A slow line takes longer.
const ESCAPE: Duration = Duration::from_millis(50);
/// How long the first look may take.
const FIRST: Duration = Duration::from_secs(3);

/// What came over the line.
enum In {
    Bytes(Vec<u8>),
    Resize(u16, u16),
    Kept(Kept),
}

/// Serves one line to its end; the word for how it ended.
pub(super) async fn run<L>(shared: Arc<Shared>, uid: u32, line: L) -> &'static str
where
    L: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let clock = Arc::clone(&shared.services.clock);
    let (mut reader, writer) = tokio::io::split(line);
    let mut out = Out { writer, at: "", shared: Arc::clone(&shared) };
    let said = {
        let hello = pin!(wire::read(&mut reader));
        match select(hello, clock.sleep(STALL)).await {
            Either::Left((Ok((wire::HELLO, said)), _)) => said,
            _ => return "lost",
        }
    };
    let Ok(hello) = serde_json::from_slice::<Hello>(&said) else { return "lost" };
    let (to, typed) = mpsc::channel(64);
    (shared.spawner)(Box::pin(listen(reader, to)));
    let ended = match Session::begin(Arc::clone(&shared), uid, hello, typed).await {
        Some(session) => session.serve(&mut out).await,
        None => "stopped",
    };
    let message = match ended {
        "left" => "detached; the server keeps running",
        "stopped" => "the server stops",
        "slow" => "this terminal took nothing for 10 s",
        "fault" => {
            "the console met a fault and was closed; the server is fine, and the log says more"
        }
        _ => "",
    };
    let bye = Bye { code: ended.to_owned(), message: message.to_owned() };
    if let Ok(bye) = serde_json::to_vec(&bye) {
        drop(select(pin!(out.frame(wire::BYE, &bye)), clock.sleep(SECOND)).await);
    }
    drop(select(pin!(out.writer.shutdown()), clock.sleep(SECOND)).await);
    ended
}

/// Passes on what comes; ends with the line, or with the session.
async fn listen(mut from: impl AsyncRead + Unpin, to: mpsc::Sender<In>) {
    loop {
        let read = tokio::select! {
            read = wire::read(&mut from) => read,
            () = to.closed() => return,
        };
        let Ok((kind, payload)) = read else { return };
        let came = match (kind, wire::size_of(&payload)) {
            (wire::BYTES, _) => In::Bytes(payload),
            (wire::RESIZE, Some((cols, rows))) => In::Resize(cols, rows),
            (wire::KEPT, _) => match serde_json::from_slice(&payload) {
                Ok(kept) => In::Kept(kept),
                Err(_) => return,
            },
            _ => return,
        };
        if to.send(came).await.is_err() {
            return;
        }
    }
}

/// The way to the terminal.
struct Out<L> {
    writer: WriteHalf<L>,
    /// The screen that the other end knows of.
    at: &'static str,
    shared: Arc<Shared>,
}

impl<L: AsyncRead + AsyncWrite + Unpin> Out<L> {
    async fn frame(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        self.writer.write_all(&wire::frame(kind, payload)).await?;
        self.writer.flush().await
    }

    /// Writes, and waits until it is taken: until then nothing more is drawn. `Some` is why it ended.
    async fn draw(&mut self, bytes: &[u8], clock: &dyn Clock) -> Option<&'static str> {
        if bytes.is_empty() {
            return None;
        }
        self.shared.services.metrics.console_bytes(bytes.len());
        self.tell(wire::BYTES, bytes, clock).await
    }

    /// Draws a frame of this screen, and says first which it is when it is another one.
    async fn show(
        &mut self,
        at: &'static str,
        bytes: &[u8],
        clock: &dyn Clock,
    ) -> Option<&'static str> {
        if at != std::mem::replace(&mut self.at, at)
            && let Some(ended) = self.tell(wire::AT, at.as_bytes(), clock).await
        {
            return Some(ended);
        }
        self.draw(bytes, clock).await
    }

    /// A frame of any kind.
    async fn tell(&mut self, kind: u8, bytes: &[u8], clock: &dyn Clock) -> Option<&'static str> {
        let stop = self.shared.stop.clone();
        let sent = self.frame(kind, bytes);
        tokio::select! {
            sent = sent => sent.err().map(|_| "lost"),
            () = clock.sleep(STALL) => Some("slow"),
            () = stop.cancelled() => Some("stopped"),
        }
    }
}

struct Session {
    shared: Arc<Shared>,
    uid: u32,
    hello: Hello,
    typed: mpsc::Receiver<In>,
    model: Model,
    noted: BTreeSet<WorkspaceId>,
    answers: (mpsc::Sender<Done>, mpsc::Receiver<Done>),
    /// Frames of files.
    files: (save::Frames, mpsc::Receiver<(u8, Vec<u8>)>),
}

/// What woke the session.
enum Woke {
    Typed(Option<In>),
    Msg(Msg),
    Look,
    File(u8, Vec<u8>),
    Escape,
    Second,
    Stop,
}

impl Session {
    /// Waits for a first look; `None` when the program stops.
    async fn begin(
        shared: Arc<Shared>,
        uid: u32,
        hello: Hello,
        typed: mpsc::Receiver<In>,
    ) -> Option<Self> {
        let mut snaps = shared.snaps.subscribe();
        shared.nudge.notify_one();
        let patience = shared.services.clock.sleep(FIRST);
        tokio::select! {
            _ = snaps.changed() => {}
            () = patience => {}
            () = shared.stop.cancelled() => return None,
        }
        let snap = Arc::clone(&snaps.borrow());
        let name = (shared.name_of)(uid);
        let mut model = Model::new(snap, Operator::new(uid), &name);
        model.readonly = hello.readonly;
        model.now = shared.services.now();
        let size = term::clamp(hello.cols, hello.rows);
        model.size = (size.width, size.height);
        if let Some(at) = SCREENS.iter().position(|s| Some(s.name) == hello.screen.as_deref()) {
            model.at = at;
        }
        if let Some(zone) = hello.zone.as_deref().and_then(|zone| TimeZone::get(zone).ok()) {
            model.set_zone(zone);
        }
        super::update::settle(&mut model);
        let (answers, files) = (mpsc::channel(16), mpsc::channel(4));
        Some(Self { shared, uid, hello, typed, model, noted: BTreeSet::new(), answers, files })
    }

    async fn serve<L>(mut self, out: &mut Out<L>) -> &'static str
    where
        L: AsyncRead + AsyncWrite + Unpin,
    {
        self.note();
        if self.hello.plain {
            return self.plain(out).await;
        }
        let clock = Arc::clone(&self.shared.services.clock);
        let bytes = Bytes::new(term::clamp(self.hello.cols, self.hello.rows));
        let Ok(mut terminal) = Terminal::new(bytes) else { return "fault" };
        let mut input = Input::default();
        let mut snaps = self.shared.snaps.subscribe();
        let mut second = clock.sleep(SECOND);
        let mut escape: Option<BoxFuture<'static, ()>> = None;
        let mut before = term::ENTER.as_bytes().to_vec();
        loop {
            let Some(frame) = self.drawn(&mut terminal) else { return "fault" };
            let bytes = [std::mem::take(&mut before), frame].concat();
            let at = self.model.screen().name;
            if let Some(ended) = out.show(at, &bytes, clock.as_ref()).await {
                return ended;
            }
            let woke = tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => Woke::Stop,
                came = self.typed.recv() => Woke::Typed(came),
                Some(done) = self.answers.1.recv() => Woke::Msg(Msg::Done(done)),
                () = async { if let Some(timer) = &mut escape { timer.await } }, if escape.is_some() => Woke::Escape,
                Ok(()) = snaps.changed() => Woke::Look,
                Some((kind, bytes)) = self.files.1.recv() => Woke::File(kind, bytes),
                () = &mut second => Woke::Second,
            };
            let mut msgs = Vec::new();
            match woke {
                Woke::Stop => return "stopped",
                Woke::Typed(None) => return "lost",
                Woke::Typed(Some(came)) => {
                    // All that has come by now is one frame.
                    let mut next = Some(came);
                    while let Some(came) = next {
                        msgs.extend(heard(came, &mut input, &mut terminal));
                        next = self.typed.try_recv().ok();
                    }
                    escape = input.waits().then(|| clock.sleep(ESCAPE));
                }
                Woke::Escape => {
                    escape = None;
                    msgs.extend(input.flush().into_iter().map(Msg::Key));
                }
                Woke::Msg(msg) => msgs.push(self.news(msg)),
                Woke::Look => {
                    msgs.push(Msg::Snapshot(Arc::clone(&snaps.borrow_and_update())));
                    self.note();
                }
                Woke::File(kind, bytes) => {
                    if let Some(ended) = out.tell(kind, &bytes, clock.as_ref()).await {
                        return ended;
                    }
                }
                Woke::Second => {
                    second = clock.sleep(SECOND);
                    msgs.push(Msg::Tick(self.shared.services.now()));
                }
            }
            for msg in msgs {
                let Some(effects) = self.step(msg) else { return "fault" };
                if self.do_outside(effects, |effect| before.extend(told(effect))) {
                    return "left";
                }
            }
        }
    }

    /// Something was done: everybody looks at once.
    fn news(&self, msg: Msg) -> Msg {
        self.shared.nudge.notify_one();
        msg
    }

    /// Whether it is time to leave. What is for the terminal itself is handed to `tell`.
    fn do_outside(&self, effects: Vec<Effect>, mut tell: impl FnMut(&Effect)) -> bool {
        for effect in effects {
            match effect {
                Effect::Leave => return true,
                Effect::Copy(_) | Effect::Mouse(_) => tell(&effect),
                Effect::Run(commands) => self.run(commands),
                Effect::Save(save) => self.save(save),
            }
        }
        false
    }

    /// The bytes of the next frame; `None` when drawing met a fault.
    fn drawn(&self, terminal: &mut Terminal<Bytes>) -> Option<Vec<u8>> {
        let (view, look) = (self.shared.view, (self.hello.mono, self.hello.ascii));
        let drawn = catch_unwind(AssertUnwindSafe(|| {
            terminal.draw(|frame| view(&self.model, frame, look)).map(|_| ())
        }));
        drawn.ok()?.ok()?;
        let frame = terminal.backend_mut().take();
        if frame.is_empty() {
            return Some(frame);
        }
        Some([term::BEGIN, frame.as_slice(), term::END].concat())
    }

    fn step(&mut self, msg: Msg) -> Option<Vec<Effect>> {
        catch_unwind(AssertUnwindSafe(|| update(&mut self.model, msg))).ok()
    }

    /// Leaves an event in each workspace that this console begins to show.
    fn note(&mut self) {
        let new = feed::unnoted(&self.shared.snaps.borrow(), &self.noted);
        if new.is_empty() {
            return;
        }
        self.noted.extend(new.iter().copied());
        let (services, operator) = (self.shared.services.clone(), Operator::new(self.uid));
        (self.shared.spawner)(Box::pin(async move {
            if let Err(problem) = services.note_look(operator, new, "console").await {
                tracing::warn!(%problem, "that a console looks could not be noted");
            }
        }));
    }

    /// Runs commands aside; what became of them comes back as a message.
    fn run(&self, commands: Vec<Command>) {
        let (shared, uid, answer) = (Arc::clone(&self.shared), self.uid, self.answers.0.clone());
        (self.shared.spawner)(Box::pin(async move {
            let mut answers = Vec::with_capacity(commands.len());
            for command in &commands {
                let services = &shared.services;
                let correlation = CorrelationId::new(services.rng.as_ref());
                tracing::info!(
                    uid,
                    verb = format!("{} {}", command.noun, command.verb),
                    workspace = command.workspace.as_deref().map(|w| w.escape_debug().to_string()),
                    correlation_id = %correlation,
                    "an operator's verb, on a console"
                );
                let (named, workspace) =
                    ((command.noun, command.verb), command.workspace.as_deref());
                let operator = Operator::new(uid);
                answers.push(
                    run_verb(services, operator, named, workspace, &command.args, correlation)
                        .await,
                );
            }
            let number = shared.answered.fetch_add(1, Ordering::AcqRel) + 1;
            // Whoever left does not wait for it.
            drop(answer.send(Done { commands, answers, number }).await);
        }));
    }

    /// Makes a file aside; its frames come back to be passed on.
    fn save(&self, save: Save) {
        let (services, to) = (self.shared.services.clone(), self.files.0.clone());
        let operator = Operator::new(self.uid);
        (self.shared.spawner)(Box::pin(async move {
            save::send(&services, operator, save, &to).await;
        }));
    }

    /// The same as lines.
    async fn plain<L>(mut self, out: &mut Out<L>) -> &'static str
    where
        L: AsyncRead + AsyncWrite + Unpin,
    {
        let clock = Arc::clone(&self.shared.services.clock);
        let mut snaps = self.shared.snaps.subscribe();
        let mut plain = Plain::default();
        let mut said = plain.begin(&self.model);
        let (mut line, mut over) = (Vec::new(), false);
        loop {
            if let Some(ended) = out.draw(said.as_bytes(), clock.as_ref()).await {
                return ended;
            }
            said.clear();
            if over && self.model.busy == 0 && !self.model.saving {
                return "left";
            }
            let msg = tokio::select! {
                biased;
                () = self.shared.stop.cancelled() => return "stopped",
                came = self.typed.recv() => match came {
                    Some(In::Bytes(bytes)) => {
                        line.extend_from_slice(&bytes);
                        None
                    }
                    Some(In::Resize(..)) => continue,
                    Some(In::Kept(kept)) => Some(Msg::Kept(kept)),
                    None => return "lost",
                },
                Some((kind, bytes)) = self.files.1.recv() => {
                    match out.tell(kind, &bytes, clock.as_ref()).await {
                        Some(ended) => return ended,
                        None => continue,
                    }
                }
                Some(done) = self.answers.1.recv() => {
                    self.shared.nudge.notify_one();
                    Some(Msg::Done(done))
                }
                Ok(()) = snaps.changed() => Some(Msg::Snapshot(Arc::clone(&snaps.borrow_and_update()))),
            };
            self.model.now = self.shared.services.now();
            if let Some(msg) = msg {
                self.note();
                drop(self.step(msg));
                said.push_str(&plain.changed(&mut self.model));
                continue;
            }
            if line.len() > LINE {
                return "lost";
            }
            while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
                let rest = line.split_off(end + 1);
                let whole = String::from_utf8_lossy(&line).trim().to_owned();
                line = rest;
                if whole == wire::NO_MORE.trim_end() {
                    over = true;
                    break;
                }
                let model = &mut self.model;
                let heard = catch_unwind(AssertUnwindSafe(|| plain.hear(model, &whole)));
                let Ok((text, effects)) = heard else { return "fault" };
                said.push_str(&text);
                if self.do_outside(effects, |effect| spell(effect, &mut said)) {
                    out.draw(said.as_bytes(), clock.as_ref()).await;
                    return "left";
                }
            }
        }
    }
}

/// What came, as messages.
fn heard(came: In, input: &mut Input, terminal: &mut Terminal<Bytes>) -> Vec<Msg> {
    match came {
        In::Bytes(bytes) => input.feed(&bytes).into_iter().map(Msg::Key).collect(),
        In::Resize(cols, rows) => {
            let size = term::clamp(cols, rows);
            terminal.backend_mut().resize(size);
            vec![Msg::Resize(size.width, size.height)]
        }
        In::Kept(kept) => vec![Msg::Kept(kept)],
    }
}

/// A line that is typed without ever ending.
const LINE: usize = 64 * 1024;

/// The same among lines, where nothing is taken but what is said.
fn spell(effect: &Effect, said: &mut String) {
    if let Effect::Copy(text) = effect {
        add(said, format_args!("{text}\n"));
    }
}

/// What makes it come true at the terminal: text goes into the clipboard of those that allow it
/// (OSC 52).
fn told(effect: &Effect) -> Vec<u8> {
    match effect {
        Effect::Copy(text) => {
            format!("\x1b]52;c;{}\x07", BASE64.encode(text.as_bytes())).into_bytes()
        }
        Effect::Mouse(on) => term::MOUSE[usize::from(*on)].as_bytes().to_vec(),
        Effect::Run(_) | Effect::Save(_) | Effect::Leave => Vec::new(),
    }
}
