//! The page holds the whole run, and nothing of it can act as markup.

use verdict::{Event, EventKind, Trace};

use super::fixture::{Teller, figure_8, long};
use super::{CSS, EVENTS_MAX, HTML, SCRIPTS, render};

/// The trace as it stands in the page.
fn embedded(page: &str) -> serde_json::Value {
    let (_, rest) = page.split_once("id=\"trace\">").expect("the page holds a trace");
    let (data, _) = rest.split_once("</script>").expect("the trace ends");
    serde_json::from_str(data).expect("the trace is JSON")
}

#[test]
fn loads_nothing() {
    // The one address in it names the SVG vocabulary; browsers do not fetch it.
    let page = render(&figure_8()).replace("http://www.w3.org/2000/svg", "");
    for way_out in [
        "http:",
        "https:",
        "//cdn",
        "src=",
        "@import",
        "url(http",
        "<link",
        "fetch(",
        "XMLHttpRequest",
        "import(",
    ] {
        assert!(!page.contains(way_out), "the page contains {way_out}");
    }
    assert!(page.contains("default-src 'none'"), "the policy is there");
}

#[test]
fn holds_every_event() {
    let trace = figure_8();
    let events: Vec<Event> = serde_json::from_value(embedded(&render(&trace))["events"].clone()).unwrap();
    assert_eq!(format!("{events:?}"), format!("{:?}", trace.events));
}

#[test]
fn same_trace_same_page() {
    assert_eq!(render(&figure_8()), render(&figure_8()));
}

#[test]
fn texts_cannot_act_as_markup() {
    let evil = "</script><script>alert(1)</script><img src=x onerror='alert(2)'> & \"quotes\" \u{2028} <!--";
    let mut teller = Teller::new(evil, 1);
    teller.start(1).note(1, EventKind::Client, evil);
    let mut trace = teller.finish(figure_8().findings);
    trace.replay = evil.to_owned();
    trace.findings[0].seen = evil.to_owned();
    let page = render(&trace);
    let scripts = page.matches("<script").count();
    assert_eq!(scripts, render(&figure_8()).matches("<script").count(), "no script came with the texts");
    assert!(!page.contains("<img"));
    assert!(!page.contains("alert(1)</"));
    let data = embedded(&page);
    assert_eq!(data["title"], evil);
    assert_eq!(data["replay"], evil);
    assert_eq!(data["events"][1]["text"], evil);
    assert_eq!(data["findings"][0]["seen"], evil);
}

#[test]
fn scripts_write_text_never_markup() {
    for script in SCRIPTS {
        for sink in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
            "setHTML",
        ] {
            assert!(!script.contains(sink), "a script uses {sink}");
        }
    }
    assert_eq!(HTML.matches("<!--").count(), 1, "the title is the only place to fill");
    assert!(!CSS.contains("</style"));
}

#[test]
fn long_runs_are_cut_and_say_so() {
    let data = embedded(&render(&long(EVENTS_MAX + 77)));
    assert_eq!(data["events"].as_array().unwrap().len(), EVENTS_MAX);
    assert_eq!(data["left_out"], 77);
    assert_eq!(embedded(&render(&long(500)))["left_out"], 0);
}

#[test]
fn a_cut_run_keeps_its_first_broken_promise() {
    for at in [0, 5_000, EVENTS_MAX, 25_000, 29_999] {
        let mut trace = long(30_000);
        trace.events[at].kind = EventKind::Violation(0);
        let data = embedded(&render(&trace));
        let kept = data["events"].as_array().unwrap();
        assert_eq!(kept.len(), EVENTS_MAX);
        assert!(kept.iter().any(|event| event["kind"]["Violation"] == 0), "broken at {at}");
    }
}

#[test]
fn an_empty_trace_is_a_page_too() {
    assert!(render(&Trace::default()).ends_with("</html>\n"));
}

/// Also leaves two pages in `target/trace`, to be looked at in a browser.
#[test]
fn pages_of_any_length_are_whole() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/trace");
    std::fs::create_dir_all(&dir).unwrap();
    for (name, trace) in [("figure-8.html", figure_8()), ("long.html", long(EVENTS_MAX))] {
        let page = render(&trace);
        std::fs::write(dir.join(name), &page).unwrap();
        assert!(page.to_lowercase().starts_with("<!doctype html>") && page.ends_with("</html>\n"), "{name}");
    }
}
