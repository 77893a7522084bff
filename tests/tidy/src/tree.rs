//! The text files of the repository, read once.

use std::fs;
use std::path::{Path, PathBuf};

/// Directories that hold nothing written by hand.
const SKIPPED: [&str; 3] = ["target", ".git", "node_modules"];
/// Files that are text, and ours.
const EXTENSIONS: [&str; 9] = ["rs", "md", "toml", "proto", "txt", "svg", "css", "yml", "json"];

/// One text file.
pub struct File {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// All of them, ordered by path.
pub struct Tree {
    /// The repository.
    pub root: PathBuf,
    /// Its text files.
    pub files: Vec<File>,
}

impl Tree {
    /// Reads the repository that this package belongs to.
    pub fn read() -> Tree {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .canonicalize()
            .expect("this package lies in the repository");
        let mut files = Vec::new();
        collect(&root, &root, &mut files);
        files.sort_by(|a, b| a.path.cmp(&b.path));
        assert!(files.len() > 20, "found only {} files in {}", files.len(), root.display());
        Tree { root, files }
    }

    /// The Rust sources.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }

    /// The Markdown texts.
    pub fn markdown(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".md"))
    }

    /// Every line, with its file and its number from 1.
    pub fn lines(&self) -> impl Iterator<Item = (&File, usize, &str)> {
        self.files.iter().flat_map(|file| {
            let lines = file.text.split('\n').enumerate();
            lines.map(move |(number, line)| (file, number + 1, line))
        })
    }

    /// The text of the file at `path`, if it is one of them.
    pub fn text(&self, path: &str) -> Option<&str> {
        let found = self.files.iter().find(|file| file.path == path);
        found.map(|file| file.text.as_str())
    }
}

fn collect(root: &Path, dir: &Path, files: &mut Vec<File>) {
    for entry in fs::read_dir(dir).expect("the directory is readable") {
        let path = entry.expect("the entry is readable").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !SKIPPED.contains(&name.as_str()) {
                collect(root, &path, files);
            }
            continue;
        }
        let is_text = name == "Makefile"
            || path.extension().is_some_and(|extension| EXTENSIONS.iter().any(|known| extension == *known));
        if let (true, Ok(text)) = (is_text, fs::read_to_string(&path)) {
            let path = path.strip_prefix(root).expect("the walk started at the root");
            let path: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
            files.push(File { path: path.join("/"), text });
        }
    }
}

/// Fails with the whole list, if there is anything in it.
pub fn complain(complaints: impl Iterator<Item = String>) {
    let complaints: Vec<String> = complaints.collect();
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}
