//! Draws a [`Trace`] as a space-time diagram: one HTML file that opens from disk and loads nothing.
//!
//! | file | what |
//! |---|---|
//! | `page.html` | the body, empty |
//! | `page.css` | looks, light and dark |
//! | `model.js` | who precedes whom, which message is which, what can have led to the failure |
//! | `draw.js` | the lanes, as SVG |
//! | `page.js` | list of events, state at the cursor, keys |
//!
//! The run travels as JSON inside the page, and the scripts put every text of it into the document as text, never as
//! markup: a trace holds what student code printed.

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use verdict::{EventKind, Trace};

const HTML: &str = include_str!("page.html");
const CSS: &str = include_str!("page.css");
const SCRIPTS: [&str; 3] = [include_str!("model.js"), include_str!("draw.js"), include_str!("page.js")];

/// Nothing is loaded, nothing is sent: a browser holds the page to that.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// More events than this are too many for a browser, and for a reader.
const EVENTS_MAX: usize = 10_000;

/// Events after the first broken promise that stay when a run is cut.
const EVENTS_AFTER: usize = 500;

/// The page that shows `trace`. The same trace gives the same page. Of a run of more than 10,000 events it shows 10,000,
/// with the first broken promise among them, and says so.
pub fn render(trace: &Trace) -> String {
    let title = escape(&trace.title);
    let body = HTML.replace("<!--title-->", &title);
    let data = json(trace);
    let scripts = SCRIPTS.concat();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <title>{title}</title>\n<style>\n{CSS}</style>\n</head>\n<body>\n{body}\
         <script type=\"application/json\" id=\"trace\">{data}</script>\n\
         <script>\n{scripts}</script>\n</body>\n</html>\n"
    )
}

/// The trace as JSON that can stand inside a `<script>` element: no `<`, `>` or `&` is left in it.
fn json(trace: &Trace) -> String {
    let kept = window(trace);
    let value = serde_json::json!({
        "title": trace.title,
        "replay": trace.replay,
        "nodes": trace.nodes,
        "events": &trace.events[kept.clone()],
        "findings": trace.findings,
        "left_out": trace.events.len() - kept.len(),
    });
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Which events are shown: all, or the last ones, or those that end soon after the first broken promise.
fn window(trace: &Trace) -> std::ops::Range<usize> {
    let all = trace.events.len();
    let broken = trace.events.iter().position(|event| matches!(event.kind, EventKind::Violation(_)));
    let end = broken.map_or(all, |at| (at + EVENTS_AFTER).max(EVENTS_MAX).min(all));
    end.saturating_sub(EVENTS_MAX)..end
}

/// Text as HTML: what has a meaning there loses it.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
