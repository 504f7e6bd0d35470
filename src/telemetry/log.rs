//! Log lines: to one standard stream and into files that are rotated daily. Writing happens on
//! threads of its own, so that a full pipe or disk loses lines and never holds up a delivery.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use serde_json::Value;
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_appender::rolling::{RollingFileAppender, Rotation};
use tracing_subscriber::filter::{EnvFilter, FilterExt as _, ParseError, filter_fn};
use tracing_subscriber::fmt::format::{JsonFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::writer::MakeWriterExt as _;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter};
use tracing_subscriber::layer::{Filter, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry, Scope};
use tracing_subscriber::reload::{self, Handle};

use super::ring::Ring;
use crate::base::Clock;

/// Lines that wait for each writer; more are dropped and counted.
const LINES_WAITING: usize = 8_192;

/// Where log lines go, and which.
#[derive(Clone, Debug)]
pub struct LogSettings {
    pub stream: Stream,
    /// Of the stream; files always hold JSON.
    pub format: Format,
    /// A level (`info`), or a list such as `info,carillon::engine=debug`.
    pub level: String,
    /// `folder/carillon.jsonl` makes files `folder/carillon.YYYY-MM-DD.jsonl` (by UTC); the folder
    /// is created when missing.
    pub file: Option<PathBuf>,
    pub rotate: Rotate,
    /// Older files are deleted. At least 2: with 1 a restart would delete the lines of today.
    pub keep: usize,
}

/// When a new file is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotate {
    Daily,
    Hourly,
    Never,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
    /// Warnings and errors on standard error; everything is kept in memory.
    Trouble,
    /// Only what is kept in memory.
    None,
}

/// One flat JSON object a line, or text for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    Text,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`{level}` is not a log level or a list of them: {source}")]
    Level { level: String, source: ParseError },
    #[error("log files cannot be written in {}: {source}", folder.display())]
    Folder { folder: PathBuf, source: io::Error },
    #[error("logging has ended")]
    Ended,
    #[error("logging was started before")]
    AlreadyStarted,
}

/// Keeps the writers running; dropping it writes what waits, for a second at most.
#[derive(Default)]
#[must_use = "without it nothing is written"]
pub struct LogGuard {
    workers: Vec<WorkerGuard>,
    overflows: Vec<ErrorCounter>,
    unwritten: Arc<AtomicU64>,
    levels: Option<Levels>,
    ring: Ring,
}

type Chosen = Box<dyn Filter<Registry> + Send + Sync>;

/// Which lines are written, changeable while the program runs.
#[derive(Clone)]
pub struct Levels(Handle<Chosen, Registry>);

impl Levels {
    /// From now on these; `level` as in [`LogSettings`].
    pub fn set(&self, level: &str) -> Result<(), Error> {
        self.0.reload(chosen(level)?).map_err(|_| Error::Ended)
    }
}

impl LogGuard {
    /// The handle that changes which lines are written, once logging has started.
    pub fn levels(&self) -> Option<Levels> {
        self.levels.clone()
    }

    /// The last lines, as the stream has them.
    pub fn ring(&self) -> Ring {
        self.ring.clone()
    }

    /// Lines lost since the start, because too many waited or because writing failed.
    pub fn dropped_lines(&self) -> u64 {
        let overflows = self.overflows.iter().map(ErrorCounter::dropped_lines);
        let overflows = overflows.map(|n| u64::try_from(n).unwrap_or(u64::MAX));
        overflows.fold(self.unwritten.load(Ordering::Relaxed), u64::saturating_add)
    }

    fn writer(&mut self, out: impl Write + Send + 'static) -> NonBlocking {
        let out = Counted { out, unwritten: Arc::clone(&self.unwritten) };
        let builder = NonBlockingBuilder::default().buffered_lines_limit(LINES_WAITING);
        let (writer, worker) = builder.thread_name("log").finish(out);
        self.workers.push(worker);
        self.overflows.push(writer.error_counter());
        writer
    }
}

/// Starts logging for the whole process; can be done once.
pub fn start(settings: &LogSettings, clock: &Arc<dyn Clock>) -> Result<LogGuard, Error> {
    let (subscriber, guard) = subscriber(settings, clock)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| Error::AlreadyStarted)?;
    Ok(guard)
}

type Output = Box<dyn Layer<Registry> + Send + Sync>;

fn subscriber(
    settings: &LogSettings,
    clock: &Arc<dyn Clock>,
) -> Result<(impl Subscriber + Send + Sync + use<>, LogGuard), Error> {
    let (level, levels) = reload::Layer::new(chosen(&settings.level)?);
    let mut guard = LogGuard { levels: Some(Levels(levels)), ..LogGuard::default() };
    let mut outputs: Vec<Output> = Vec::new();
    let stream = match settings.stream {
        Stream::Stdout => guard.writer(Tee(io::stdout(), guard.ring())),
        Stream::Stderr => guard.writer(Tee(io::stderr(), guard.ring())),
        Stream::None => guard.writer(guard.ring()),
        Stream::Trouble => {
            let trouble = guard.writer(io::stderr()).with_max_level(Level::WARN);
            outputs.push(output(settings.format, trouble, clock));
            guard.writer(guard.ring())
        }
    };
    outputs.push(output(settings.format, stream, clock));
    if let Some(file) = &settings.file {
        let files = files(file, settings)?;
        outputs.push(output(Format::Json, guard.writer(files), clock));
    }
    Ok((tracing_subscriber::registry().with(outputs.with_filter(level)), guard))
}

fn chosen(level: &str) -> Result<Chosen, Error> {
    let lines = EnvFilter::builder().parse(level);
    let lines = lines.map_err(|source| Error::Level { level: level.to_owned(), source })?;
    // Spans carry the ids that tie lines together, so they are there at every level of lines.
    let spans = filter_fn(|what| what.is_span() && *what.level() <= Level::INFO);
    Ok(Box::new(lines.or(spans.with_max_level_hint(Level::INFO))))
}

fn files(file: &Path, settings: &LogSettings) -> Result<RollingFileAppender, Error> {
    let folder = match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let refused = |source| Error::Folder { folder: folder.to_owned(), source };
    std::fs::create_dir_all(folder).map_err(refused)?;
    let part = |part: Option<&std::ffi::OsStr>| {
        part.map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let (stem, extension) = (part(file.file_stem()), part(file.extension()));
    let builder = match settings.rotate {
        // Nothing is deleted where nothing is rotated: the library would take its one file.
        Rotate::Never => RollingFileAppender::builder().rotation(Rotation::NEVER),
        Rotate::Daily => RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .max_log_files(settings.keep.max(2)),
        Rotate::Hourly => RollingFileAppender::builder()
            .rotation(Rotation::HOURLY)
            .max_log_files(settings.keep.max(2)),
    };
    builder
        .filename_prefix(stem)
        .filename_suffix(extension)
        .build(folder)
        .map_err(|error| refused(io::Error::other(error)))
}

fn output(
    format: Format,
    writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static,
    clock: &Arc<dyn Clock>,
) -> Output {
    let time = Time(Arc::clone(clock));
    // The library would report its own trouble on stderr, and panic when that is closed.
    let layer = tracing_subscriber::fmt::layer().with_writer(writer).log_internal_errors(false);
    match format {
        Format::Json => layer.fmt_fields(JsonFields::new()).event_format(FlatJson(time)).boxed(),
        Format::Text => layer.with_ansi(false).with_timer(time).boxed(),
    }
}

struct Time(Arc<dyn Clock>);

impl FormatTime for Time {
    fn format_time(&self, to: &mut Writer<'_>) -> fmt::Result {
        write!(to, "{}", self.0.now())
    }
}

/// Everything at the top level of one object: fields of the event, then of the spans around it,
/// the inner ones first. The four names of [`Line`] cannot be taken by a field.
struct FlatJson(Time);

type Fields = BTreeMap<String, Value>;

#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    message: Value,
    target: &'a str,
    #[serde(flatten)]
    fields: Fields,
}

impl<S, F> FormatEvent<S, F> for FlatJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, F>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::new();
        for span in context.event_scope().into_iter().flat_map(Scope::from_root) {
            if let Some(written) = span.extensions().get::<FormattedFields<F>>() {
                add(&mut fields, written);
            }
        }
        fields.remove("message");
        let mut own = String::new();
        context.format_fields(Writer::new(&mut own), event)?;
        add(&mut fields, &own);
        for taken in ["timestamp", "level", "target"] {
            fields.remove(taken);
        }
        let line = Line {
            timestamp: self.0.0.now().to_string(),
            level: event.metadata().level().as_str(),
            message: fields.remove("message").unwrap_or_else(|| Value::String(String::new())),
            target: event.metadata().target(),
            fields,
        };
        let line = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(to, "{line}")
    }
}

/// Adds the fields that [`JsonFields`] wrote; a span without fields has no text.
fn add(fields: &mut Fields, written: &str) {
    fields.extend(serde_json::from_str::<Fields>(written).unwrap_or_default());
}

/// Writes each line, and keeps it.
struct Tee<W>(W, Ring);

impl<W: Write> Write for Tee<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line).map(|()| line.len())
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        self.1.write_all(line)?;
        self.0.write_all(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// A writer that counts lines which could not be written, and goes on.
struct Counted<W> {
    out: W,
    unwritten: Arc<AtomicU64>,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line).map(|()| line.len())
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        if self.out.write_all(line).is_err() {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        // What was buffered is lost; there is nobody left to tell but the counter.
        if self.out.flush().is_err() {
            self.unwritten.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{ManualClock, Timestamp};

    fn clock() -> Arc<dyn Clock> {
        Arc::new(ManualClock::at(Timestamp::parse("2026-11-22T09:30:00.250Z").unwrap()))
    }

    fn settings() -> LogSettings {
        let (stream, format, level) = (Stream::None, Format::Json, "info".to_owned());
        LogSettings { stream, format, level, file: None, rotate: Rotate::Daily, keep: 3 }
    }

    /// What `talk` leaves in the files of a folder.
    fn lines(level: &str, talk: impl FnOnce()) -> Vec<Fields> {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("made/here");
        let level = level.to_owned();
        let settings =
            LogSettings { level, file: Some(inner.join("carillon.jsonl")), ..settings() };
        let (subscriber, guard) = subscriber(&settings, &clock()).unwrap();
        tracing::subscriber::with_default(subscriber, talk);
        assert_eq!(guard.dropped_lines(), 0);
        drop(guard);
        let mut text = String::new();
        for file in inner.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
            let name = file.file_name().unwrap().to_str().unwrap();
            assert!(name.starts_with("carillon.2"), "{name}");
            assert_eq!(file.extension().unwrap(), "jsonl");
            text += &std::fs::read_to_string(file).unwrap();
        }
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_line_is_one_flat_object_with_the_fields_of_its_spans() {
        let found = lines("info", || {
            let outer = tracing::info_span!("request", correlation_id = "00ff", attempt = 1);
            let _outer = outer.enter();
            let inner = tracing::info_span!("call", network = tracing::field::Empty);
            let _inner = inner.enter();
            inner.record("network", "mastodon");
            tracing::warn!(target: "carillon::engine", attempt = 2, level = "x", "two\nlines");
            tracing::debug!("not seen");
        });
        let expected = serde_json::json!([{
            "timestamp": "2026-11-22T09:30:00.250Z", "level": "WARN", "message": "two\nlines",
            "target": "carillon::engine", "correlation_id": "00ff", "attempt": 2,
            "network": "mastodon",
        }]);
        assert_eq!(serde_json::to_value(&found).unwrap(), expected);
    }

    #[test]
    fn lines_are_chosen_by_level_and_target_and_keep_their_ids() {
        let found = lines("warn,carillon::engine=debug", || {
            let span = tracing::info_span!(target: "carillon::http", "request", id = 7);
            let _span = span.entered();
            tracing::info!(target: "carillon::http", "no");
            tracing::debug!(target: "carillon::engine", "yes");
            tracing::error!(n = 1);
        });
        let messages: Vec<&Value> = found.iter().map(|line| &line["message"]).collect();
        assert_eq!(messages, ["yes", ""]);
        assert!(found.iter().all(|line| line["id"] == 7));
    }

    #[test]
    fn the_level_changes_while_it_runs_and_nonsense_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = Some(folder.path().join("carillon.jsonl"));
        let settings = LogSettings { file, rotate: Rotate::Never, ..settings() };
        let (subscriber, guard) = subscriber(&settings, &clock()).unwrap();
        let levels = guard.levels().unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!("not yet");
            levels.set("debug").unwrap();
            tracing::debug!("now");
            assert!(matches!(levels.set("a=b=c"), Err(Error::Level { .. })));
            tracing::debug!("still");
            levels.set("error").unwrap();
            tracing::warn!("no more");
        });
        drop(guard);
        let text = std::fs::read_to_string(folder.path().join("carillon.jsonl")).unwrap();
        let said: Vec<&str> = text.split("\"message\":\"").skip(1).collect();
        assert!(said.len() == 2 && said[0].starts_with("now") && said[1].starts_with("still"));
    }

    #[test]
    fn files_are_named_by_time_and_old_ones_go() {
        for (rotate, dashes) in [(Rotate::Daily, 2), (Rotate::Hourly, 3)] {
            let folder = tempfile::tempdir().unwrap();
            for old in ["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-01-07"] {
                std::fs::write(folder.path().join(format!("c.{old}.log")), "x").unwrap();
            }
            let settings = LogSettings { rotate, ..settings() };
            drop(files(&folder.path().join("c.log"), &settings).unwrap());
            let names = folder.path().read_dir().unwrap();
            let mut names: Vec<_> =
                names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            let newest = names.last().unwrap();
            assert!(newest.starts_with("c.2"), "{names:?}");
            assert_eq!(newest.matches('-').count(), dashes, "{names:?}");
            assert!(names.len() <= 4, "{names:?}");
        }
    }

    #[test]
    fn text_is_for_people_and_cannot_drive_a_terminal() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let mut guard = LogGuard::default();
        let writer = guard.writer(file.reopen().unwrap());
        let text = tracing_subscriber::registry().with(output(Format::Text, writer, &clock()));
        tracing::subscriber::with_default(text, || {
            let _span = tracing::info_span!("request", correlation_id = "00ff").entered();
            tracing::info!(target: "carillon", "up \u{1b}[2J");
        });
        drop(guard);
        let mut text = String::new();
        io::Read::read_to_string(&mut file, &mut text).unwrap();
        let expected = "2026-11-22T09:30:00.250Z  INFO request{correlation_id=\"00ff\"}: \
                        carillon: up \\x1b[2J\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_cannot_be_written_is_counted() {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut guard = LogGuard::default();
        let mut writer = guard.writer(full);
        writer.write_all(b"{}\n").unwrap();
        drop(guard.workers.pop());
        assert_eq!(guard.dropped_lines(), 1);
    }

    #[test]
    fn wrong_settings_and_a_second_start_are_errors() {
        let level = LogSettings { level: "a=b=c".to_owned(), ..settings() };
        assert!(matches!(start(&level, &clock()), Err(Error::Level { .. })));
        let folder = LogSettings { file: Some("/dev/null/x/y".into()), ..settings() };
        let error = start(&folder, &clock()).err().unwrap();
        assert!(error.to_string().starts_with("log files cannot be written in /dev/null/x: "));
        let first = start(&settings(), &clock());
        assert!(matches!(start(&settings(), &clock()), Err(Error::AlreadyStarted)));
        drop(first);
    }
}
