//! Words on a terminal: colours (only where the terminal shows them), wrapping, alignment.

use anstyle::{AnsiColor, Effects, Style};

/// Passed.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Failed.
pub const BAD: Style = AnsiColor::Red.on_default();
/// Headings.
pub const STRONG: Style = Style::new().effects(Effects::BOLD);
/// What may be skipped while reading.
pub const FAINT: Style = Style::new().effects(Effects::DIMMED);

/// Lines are at most so long.
pub const WIDTH: usize = 110;

/// The text in a style.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Number of columns that a text without colours takes.
pub fn columns(text: &str) -> usize {
    text.chars().count()
}

/// Breaks a text at spaces into lines of at most `width` columns; line ends in it stay.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let words = paragraph.trim_start();
        let mut line = paragraph[..paragraph.len() - words.len()].to_string();
        for word in words.split(' ') {
            if !line.trim().is_empty() && columns(&line) + 1 + columns(word) > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.trim().is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

/// One labelled paragraph: the label in its column, the text beside it.
pub fn item(label: &str, text: &str) -> String {
    const LABEL: usize = 12;
    let mut result = String::new();
    for (n, line) in wrap(text, WIDTH - LABEL - 2).iter().enumerate() {
        let label = if n == 0 { label } else { "" };
        result.push_str(&format!("  {}{line}\n", paint(FAINT, format!("{label:LABEL$}"))));
    }
    result
}

/// `n` things, in words.
pub fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

/// A text from student code or from the compiler, without what could fool a terminal, but with colours.
pub fn tame(text: &str) -> String {
    text.chars().filter(|c| *c == '\n' || *c == '\x1b' || !c.is_control()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_at_spaces_only() {
        assert_eq!(wrap("a bb ccc", 4), ["a bb", "ccc"]);
        assert_eq!(wrap("abcdefgh i", 4), ["abcdefgh", "i"]);
        assert_eq!(wrap("", 4), Vec::<String>::new());
        assert_eq!(wrap("  indented\nnext", 40), ["  indented", "next"]);
    }
}
