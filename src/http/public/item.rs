//! A published delivery as readers get it: its words in paragraphs, with links. Must not let a
//! character through that XML forbids.

use askama::Template;
use linkify::{LinkFinder, LinkKind};

use crate::base::Timestamp;
use crate::domain::media::Asset;
use crate::service::{FeedEntry, FeedPart};

/// Characters of a title made from the first line.
const TITLE_CHARS: usize = 80;

pub(super) struct Item {
    pub id: String,
    pub url: String,
    pub title: String,
    pub published: Timestamp,
    pub updated: Timestamp,
    pub parts: Vec<Part>,
    pub tags: Vec<String>,
}

pub(super) struct Part {
    /// Counts from 1.
    pub number: usize,
    pub paragraphs: Vec<Vec<Span>>,
    pub pictures: Vec<Picture>,
}

/// An image or a video, at an address of this installation.
pub(super) struct Picture {
    pub url: String,
    pub alt: String,
    pub mime: &'static str,
    pub video: bool,
    pub bytes: u64,
    pub width: u32,
    pub height: u32,
}

impl Picture {
    fn new(entry: &str, asset: &Asset) -> Self {
        let shape = &asset.shape;
        Self {
            url: format!("{entry}/media/{}", asset.id),
            alt: clean(&asset.alt),
            mime: shape.kind.mime(),
            video: shape.kind.is_video(),
            bytes: shape.bytes,
            width: shape.width,
            height: shape.height,
        }
    }
}

pub(super) enum Span {
    Text(String),
    /// An http or https address.
    Link(String),
}

#[derive(Template)]
#[template(path = "web/words.html", config = "assets/askama.toml")]
struct Words<'a> {
    parts: &'a [Part],
}

impl Item {
    /// `feed` is the address of the feed's page.
    pub(super) fn new(feed: &str, entry: &FeedEntry) -> Self {
        let url = format!("{feed}/{}", entry.delivery);
        let first = entry.parts.first();
        let shown = first.and_then(|part| part.media.first()).map_or("", |asset| &asset.alt);
        let words = first.map_or("", |part| &part.text);
        let part = |(i, part): (usize, &FeedPart)| Part {
            number: i + 1,
            paragraphs: paragraphs(&clean(&part.text)),
            pictures: part.media.iter().map(|asset| Picture::new(&url, asset)).collect(),
        };
        Self {
            id: entry.delivery.to_string(),
            title: title(&clean(if words.trim().is_empty() { shown } else { words })),
            published: entry.published_at,
            updated: entry.updated_at,
            parts: entry.parts.iter().enumerate().map(part).collect(),
            url,
            tags: entry.tags.iter().map(|tag| clean(tag)).collect(),
        }
    }

    /// The words as HTML, for readers that take it.
    pub(super) fn html(&self) -> String {
        // Rendering into a string fails only when a value's own formatting does; none here can.
        Words { parts: &self.parts }.render().unwrap_or_default()
    }

    pub(super) fn pictures(&self) -> impl Iterator<Item = &Picture> {
        self.parts.iter().flat_map(|part| &part.pictures)
    }

    pub(super) fn day(&self) -> String {
        self.published.to_jiff().strftime("%F %H:%M UTC").to_string()
    }
}

/// Without what XML 1.0 (part 2.2) forbids.
pub(super) fn clean(text: &str) -> String {
    let allowed = |c: &char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    text.chars().filter(|c| allowed(c) && !matches!(c, '\u{fffe}' | '\u{ffff}')).collect()
}

fn title(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    if line.chars().count() <= TITLE_CHARS {
        return line.to_owned();
    }
    let cut: String = line.chars().take(TITLE_CHARS - 1).collect();
    format!("{}\u{2026}", cut.trim_end())
}

/// Cuts at empty lines; single line ends stay in the text.
fn paragraphs(text: &str) -> Vec<Vec<Span>> {
    let mut paragraphs: Vec<String> = Vec::new();
    let mut open = false;
    for line in text.lines() {
        let empty = line.trim().is_empty();
        match paragraphs.last_mut().filter(|_| open && !empty) {
            Some(paragraph) => {
                paragraph.push('\n');
                paragraph.push_str(line);
            }
            None if empty => {}
            None => paragraphs.push(line.to_owned()),
        }
        open = !empty;
    }
    paragraphs.iter().map(|paragraph| spans(paragraph)).collect()
}

fn spans(text: &str) -> Vec<Span> {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Url]).url_must_have_scheme(true);
    let is_web = |text: &str| {
        let start: String = text.chars().take(8).collect::<String>().to_ascii_lowercase();
        start.starts_with("http://") || start.starts_with("https://")
    };
    let span = |span: linkify::Span<'_>| match span.kind() {
        Some(LinkKind::Url) if is_web(span.as_str()) => Span::Link(span.as_str().to_owned()),
        _ => Span::Text(span.as_str().to_owned()),
    };
    finder.spans(text).map(span).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(text: &str) -> String {
        let paragraphs = paragraphs(&clean(text));
        let parts = [Part { number: 1, paragraphs, pictures: Vec::new() }];
        Words { parts: &parts }.render().unwrap().trim().to_owned()
    }

    #[test]
    fn words_become_paragraphs_and_web_addresses_links() {
        assert_eq!(html("a\nb\n\n \nc"), "<p dir=\"auto\">a\nb</p>\n<p dir=\"auto\">c</p>");
        let link = html("see https://x.example/?a=1&b=<2>.");
        let wanted = "see <a href=\"https://x.example/?a=1&#38;b=\" rel=\"nofollow noopener\">";
        assert!(link.contains(wanted), "{link}");
        for text in
            ["javascript:alert(1)", "ftp://x.example", "data:text/html,x", "mail a@b.example"]
        {
            assert!(!html(text).contains("href"), "{text}");
        }
        let hostile = html("<script>alert(1)</script> \"'&");
        assert!(!hostile.contains("<script") && hostile.contains("&#60;script"), "{hostile}");
    }

    #[test]
    fn forbidden_characters_are_left_out() {
        assert_eq!(clean("a\0\u{1b}[31m\u{85}b\u{ffff}\tc\n"), "a[31mb\tc\n");
        assert_eq!(title("\n  first\nsecond"), "first");
        assert_eq!(title(&"x".repeat(90)), format!("{}\u{2026}", "x".repeat(79)));
        assert_eq!(title(""), "");
    }
}
