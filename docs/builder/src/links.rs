//! Links in Markdown, and the items of source files that they may name. Text in, values out.

/// A link in a Markdown text, outside code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Line of the text, from 1.
    pub line: usize,
    /// Byte position of the target in the text.
    pub start: usize,
    /// What stands between the parentheses.
    pub target: String,
    /// A picture: `![...](...)`.
    pub is_image: bool,
}

impl Link {
    /// Target without its fragment, and the fragment.
    pub fn split(&self) -> (&str, Option<&str>) {
        match self.target.split_once('#') {
            Some((path, fragment)) => (path, Some(fragment)),
            None => (&self.target, None),
        }
    }

    /// Points out of this repository; nobody checks those without network.
    pub fn is_external(&self) -> bool {
        self.target.contains("://") || self.target.starts_with("mailto:")
    }
}

/// All inline links of `markdown`, in order. Code blocks and code spans are skipped, link texts are not parsed.
pub fn links(markdown: &str) -> Vec<Link> {
    let mut found = Vec::new();
    let mut fence: Option<&str> = None;
    let mut offset = 0;
    for (number, line) in markdown.split_inclusive('\n').enumerate() {
        let bare = line.trim_start();
        let marker = ["```", "~~~"].into_iter().find(|marker| bare.starts_with(marker));
        match (fence, marker) {
            (None, Some(marker)) => fence = Some(marker),
            (Some(open), Some(marker)) if open == marker => fence = None,
            (None, None) => links_of_line(line, number + 1, offset, &mut found),
            _ => {}
        }
        offset += line.len();
    }
    found
}

fn links_of_line(line: &str, number: usize, offset: usize, found: &mut Vec<Link>) {
    let hidden = hide_code_spans(line);
    let mut from = 0;
    while let Some(at) = hidden[from..].find("](") {
        let start = from + at + 2;
        let Some(length) = hidden[start..].find(')') else { break };
        let open = hidden[..start].rfind('[').unwrap_or(0);
        let is_image = open > 0 && hidden.as_bytes()[open - 1] == b'!';
        let target = line[start..start + length].trim().to_owned();
        found.push(Link { line: number, start: offset + start, target, is_image });
        from = start + length;
    }
}

/// The line with every byte inside a code span made a space, so that positions stay.
fn hide_code_spans(line: &str) -> String {
    let mut inside = false;
    let keep = |c: char| {
        if c == '`' {
            inside = !inside;
        }
        if inside { " ".repeat(c.len_utf8()) } else { c.to_string() }
    };
    line.chars().map(keep).collect()
}

/// Line (from 1) on which `source` defines `name`: a Rust item, a protobuf message, or a make target. `Type::name` asks
/// for the function `name` in an `impl` block of `Type`.
pub fn definition(source: &str, name: &str) -> Option<usize> {
    let (wanted_owner, name) = match name.rsplit_once("::") {
        Some((owner, name)) => (Some(owner), name),
        None => (None, name),
    };
    let mut owner = "";
    for (number, line) in source.lines().enumerate() {
        if line.starts_with("impl") || line.starts_with("pub trait") {
            owner = line;
        }
        let fits = wanted_owner.is_none_or(|wanted| has_word(owner, wanted));
        if fits && defines(line, name) {
            return Some(number + 1);
        }
    }
    None
}

fn defines(line: &str, name: &str) -> bool {
    const KINDS: [&str; 10] =
        ["fn", "struct", "enum", "trait", "const", "static", "type", "mod", "message", "macro_rules!"];
    let code = line.trim_start();
    if code.starts_with("//") {
        return false;
    }
    if line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':')) {
        return true;
    }
    let mut words =
        code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '!')).filter(|word| !word.is_empty());
    let before_name = ["pub", "crate", "super", "in", "const", "unsafe", "async"];
    while let Some(word) = words.next() {
        if KINDS.contains(&word) {
            // `const fn name`: the word after `const` is another kind, and gets its own turn.
            let Some(next) = words.clone().next() else { return false };
            if next == name {
                return true;
            }
            if !KINDS.contains(&next) {
                return false;
            }
        } else if !before_name.contains(&word) {
            return false;
        }
    }
    false
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|part| part == word)
}
