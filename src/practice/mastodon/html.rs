//! A status as HTML, the way the network hands it back. Must not let markup of the text through.

use serde_json::{Value, json};

use super::text::{Piece, pieces};
use super::{Account, Server};

/// Characters of a link that are shown; the rest is hidden.
const SHOWN: usize = 30;

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

fn link(url: &str) -> String {
    let lower = url.to_ascii_lowercase();
    let prefixes = ["https://www.", "http://www.", "https://", "http://"];
    let prefix_len = prefixes.iter().find(|p| lower.starts_with(*p)).map_or(0, |p| p.len());
    let (prefix, rest) = url.split_at_checked(prefix_len).unwrap_or(("", url));
    let cut = rest.char_indices().nth(SHOWN).map(|(at, _)| at);
    let (shown, hidden) = rest.split_at_checked(cut.unwrap_or(rest.len())).unwrap_or((rest, ""));
    let class = if cut.is_some() { "ellipsis" } else { "" };
    format!(
        "<a href=\"{}\" target=\"_blank\" rel=\"nofollow noopener\" translate=\"no\">\
         <span class=\"invisible\">{}</span><span class=\"{class}\">{}</span>\
         <span class=\"invisible\">{}</span></a>",
        escape(url),
        escape(prefix),
        escape(shown),
        escape(hidden),
    )
}

/// Empty lines part paragraphs, single line breaks become `<br />`.
fn paragraphs(html: &str) -> String {
    let html = html.replace("\r\n", "\n");
    let mut out = String::new();
    for block in html.split("\n\n").map(|block| block.trim_matches('\n')) {
        if !block.is_empty() {
            out.extend(["<p>", &block.replace('\n', "<br />"), "</p>"]);
        }
    }
    out
}

impl Server {
    pub(super) fn content(&self, text: &str) -> String {
        let base = &self.settings.base_url;
        let mut html = String::new();
        for piece in pieces(text) {
            match piece {
                Piece::Plain(plain) => html.push_str(&escape(plain)),
                Piece::Url(url) => html.push_str(&link(url)),
                Piece::Tag(tag) => html.extend([
                    "<a href=\"",
                    base,
                    "/tags/",
                    tag,
                    "\" class=\"mention hashtag\" rel=\"tag\">#<span>",
                    tag,
                    "</span></a>",
                ]),
                Piece::Mention { name, domain } => html.push_str(&self.mention(name, domain)),
            }
        }
        paragraphs(&html)
    }

    /// The tags of a text, as entities.
    pub(super) fn tags(&self, text: &str) -> Vec<Value> {
        let base = &self.settings.base_url;
        let tag = |piece| match piece {
            Piece::Tag(tag) => Some(json!({ "name": tag, "url": format!("{base}/tags/{tag}") })),
            _ => None,
        };
        pieces(text).into_iter().filter_map(tag).collect()
    }

    /// The accounts of this instance that a text mentions, as entities.
    pub(super) fn mentions(&self, text: &str) -> Vec<Value> {
        let base = &self.settings.base_url;
        let entity = |account: &Account| {
            let name = &account.username;
            let (id, url) = (account.id.to_string(), format!("{base}/@{name}"));
            json!({ "id": id, "username": name, "acct": name, "url": url })
        };
        let found = |piece| match piece {
            Piece::Mention { name, domain } => self.local(name, domain).map(entity),
            _ => None,
        };
        pieces(text).into_iter().filter_map(found).collect()
    }

    fn local(&self, name: &str, domain: Option<&str>) -> Option<&Account> {
        let here = domain.is_none_or(|d| d.eq_ignore_ascii_case(&self.host));
        self.account_named(name).filter(|_| here)
    }

    /// Accounts of this instance are linked; others are not known here and stay text.
    fn mention(&self, name: &str, domain: Option<&str>) -> String {
        let Some(Account { username, .. }) = self.local(name, domain) else {
            let domain = domain.map(|d| format!("@{d}")).unwrap_or_default();
            return escape(&format!("@{name}{domain}"));
        };
        let base = &self.settings.base_url;
        format!(
            "<span class=\"h-card\" translate=\"no\"><a href=\"{base}/@{username}\" \
             class=\"u-url mention\">@<span>{username}</span></a></span>"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::Settings;
    use super::*;

    #[test]
    fn the_content_is_what_the_network_makes_of_a_text() {
        let mut server = Server::new("a.test", Settings::new("https://a.test"));
        server.add_account("ann", "t", "read");
        for (text, html) in [
            ("a\nb\n\n\nc", "<p>a<br />b</p><p>c</p>"),
            ("<b>&\"'", "<p>&lt;b&gt;&amp;&quot;&#39;</p>"),
            ("@ben@b.test", "<p>@ben@b.test</p>"),
            (
                "hi @ann",
                "<p>hi <span class=\"h-card\" translate=\"no\"><a href=\"https://a.test/@ann\" \
                 class=\"u-url mention\">@<span>ann</span></a></span></p>",
            ),
            (
                "https://www.b.example/0123456789012345678901234567890",
                "<p><a href=\"https://www.b.example/0123456789012345678901234567890\" \
                 target=\"_blank\" rel=\"nofollow noopener\" translate=\"no\">\
                 <span class=\"invisible\">https://www.</span>\
                 <span class=\"ellipsis\">b.example/01234567890123456789</span>\
                 <span class=\"invisible\">01234567890</span></a></p>",
            ),
        ] {
            assert_eq!(server.content(text), html);
        }
    }
}
