//! The course's table of contents: `labs/parts/*.toml`, one file for each part.
//!
//! ```toml
//! id = "2aa"                        # names the part in targets, tests and stamped bodies
//! title = "leader election"
//! handout = "2a.md"                 # chapter, under docs/src
//! points = 90                       # sum of its tests' points
//! order = 10                        # parts are built in this order
//! suite = "raft"                    # judged by the package raft-tests; the default
//!
//! # Files without holes: handed out as they are, and put back by a grader before it judges a submission.
//! restore = ["raft/src/types.rs"]
//!
//! # A function whose body the student writes. Its doc comment is the exercise.
//! [[hole]]
//! path = "raft::election::Raft::campaign"
//! handout = "2a.md#campaign"        # section that explains it; the part's handout if left out
//! # stub = "Ok(())"                 # inert body instead of `todo!`, for functions that an earlier part passes through
//!
//! # A helper that would give a solution away: disappears with its doc comment.
//! [[drop]]
//! path = "raft::election::Raft::count_votes"
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

/// All parts, in the order in which they are built.
#[derive(Clone, Debug)]
pub struct Course {
    /// The parts.
    pub parts: Vec<Part>,
}

/// One part of the course.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Short name, as in `2aa`.
    pub id: String,
    /// What the part is about, in a few words.
    pub title: String,
    /// Chapter that teaches it, as a file under `docs/src`.
    pub handout: String,
    /// Points that its tests add up to.
    pub points: u32,
    /// Parts are built in this order.
    pub order: u32,
    /// Which graded suites judge it: package `<suite>-tests` with the program `<suite>-worker`.
    #[serde(default = "raft_suite")]
    pub suite: String,
    /// Functions whose bodies the student writes.
    #[serde(default, rename = "hole")]
    pub holes: Vec<Hole>,
    /// Helpers that disappear.
    #[serde(default, rename = "drop")]
    pub drops: Vec<Dropped>,
    /// Files that a grader puts back before it judges a submission.
    #[serde(default)]
    pub restore: Vec<String>,
}

/// A function whose body the student writes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hole {
    /// Item path, as in `raft::election::Raft::campaign`.
    pub path: String,
    /// Section that explains it; empty means the part's handout.
    #[serde(default)]
    pub handout: String,
    /// Inert body instead of `todo!`, for a function that earlier parts pass through.
    pub stub: Option<String>,
}

/// A helper that disappears.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropped {
    /// Item path, as in `raft::election::Raft::count_votes`.
    pub path: String,
}

fn raft_suite() -> String {
    "raft".into()
}

impl Part {
    /// Name of the make target that grades this part.
    pub fn target(&self) -> String {
        format!("project{}", self.id)
    }

    /// The text that a stamped hole of this part holds, which is also what its panic says.
    pub fn label(&self, path: &str) -> String {
        format!("{}: {path}", self.id)
    }
}

impl Course {
    /// Reads `labs/parts/*.toml` below `root`.
    pub fn load(root: &Path) -> Result<Course> {
        let folder = root.join("labs/parts");
        let mut files: Vec<_> = std::fs::read_dir(&folder)
            .with_context(|| format!("cannot read {}", folder.display()))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        files.retain(|file| file.extension().is_some_and(|e| e == "toml"));
        files.sort();
        let mut parts = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(&file)?;
            let part: Part = toml::from_str(&text).with_context(|| format!("in {}", file.display()))?;
            parts.push(part);
        }
        Course::new(parts)
    }

    /// A course of these parts, if they fit together.
    pub fn new(mut parts: Vec<Part>) -> Result<Course> {
        parts.sort_by_key(|part| part.order);
        ensure!(!parts.is_empty(), "labs/parts holds no part");
        for pair in parts.windows(2) {
            ensure!(
                pair[0].order != pair[1].order && pair[0].id != pair[1].id,
                "parts `{}` and `{}` have the same id or order: give each its own",
                pair[0].id,
                pair[1].id
            );
        }
        let mut listed = BTreeMap::new();
        for part in &parts {
            let paths = part.holes.iter().map(|h| &h.path).chain(part.drops.iter().map(|d| &d.path));
            for path in paths {
                if let Some(before) = listed.insert(path.as_str(), &part.id) {
                    bail!(
                        "`{path}` is listed twice, in part {before} and in part {}: keep the part in which students \
                         write it",
                        part.id
                    );
                }
            }
        }
        Ok(Course { parts })
    }

    /// The part with this id.
    pub fn part(&self, id: &str) -> Result<&Part> {
        self.parts
            .iter()
            .find(|part| part.id == id)
            .with_context(|| format!("there is no part `{id}`: the parts are {}", ids(&self.parts)))
    }

    /// The suites that judge the course, in the order of their first parts.
    pub fn suites(&self) -> Vec<&str> {
        let mut suites: Vec<&str> = Vec::new();
        for part in &self.parts {
            if !suites.contains(&part.suite.as_str()) {
                suites.push(&part.suite);
            }
        }
        suites
    }

    /// Crates in which students write, by name.
    pub fn student_crates(&self) -> BTreeSet<&str> {
        let holes = self.parts.iter().flat_map(|part| &part.holes);
        holes.map(|hole| hole.path.split("::").next().unwrap_or_default()).collect()
    }

    /// The part and the hole with this path.
    pub fn hole(&self, path: &str) -> Option<(&Part, &Hole)> {
        self.parts.iter().find_map(|part| Some((part, part.holes.iter().find(|hole| hole.path == path)?)))
    }

    /// Section of the handout that explains a hole, empty if the path is not a hole.
    pub fn handout_of(&self, path: &str) -> String {
        match self.hole(path) {
            Some((part, hole)) if hole.handout.is_empty() => part.handout.clone(),
            Some((_, hole)) => hole.handout.clone(),
            None => String::new(),
        }
    }

    /// What a target such as `2aa`, `project2a` or `course` stands for: its full name and its parts.
    ///
    /// A name that is no part stands for the parts whose ids begin with it.
    pub fn target(&self, name: &str) -> Result<(String, Vec<&Part>)> {
        let id = name.strip_prefix("project").unwrap_or(name);
        if id == "course" {
            return Ok((id.into(), self.parts.iter().collect()));
        }
        let parts: Vec<&Part> = match self.parts.iter().find(|part| part.id == id) {
            Some(part) => vec![part],
            None if id.is_empty() => vec![],
            None => self.parts.iter().filter(|part| part.id.starts_with(id)).collect(),
        };
        ensure!(!parts.is_empty(), "there is no target `{name}`: the parts are {}", ids(&self.parts));
        Ok((format!("project{id}"), parts))
    }
}

fn ids(parts: &[Part]) -> String {
    parts.iter().map(|part| part.id.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(id: &str, order: u32, holes: &[&str]) -> Part {
        let holes =
            holes.iter().map(|path| Hole { path: (*path).into(), handout: String::new(), stub: None });
        Part {
            id: id.into(),
            title: "title".into(),
            handout: "h.md".into(),
            points: 1,
            order,
            suite: raft_suite(),
            holes: holes.collect(),
            drops: vec![],
            restore: vec![],
        }
    }

    #[test]
    fn targets_stand_for_one_part_or_for_several() {
        let course = Course::new(vec![part("2ab", 2, &[]), part("2aa", 1, &[]), part("3a", 3, &[])]).unwrap();
        let names = |target: &str| {
            let (name, parts) = course.target(target).unwrap();
            (name, parts.iter().map(|p| p.id.clone()).collect::<Vec<_>>())
        };
        assert_eq!(names("2aa"), ("project2aa".into(), vec!["2aa".into()]));
        assert_eq!(names("project2a"), ("project2a".into(), vec!["2aa".into(), "2ab".into()]));
        assert_eq!(names("course").1.len(), 3);
        assert!(course.target("2b").is_err());
        assert!(course.target("project").is_err());
    }

    #[test]
    fn a_path_listed_twice_is_refused() {
        let twice = Course::new(vec![part("2aa", 1, &["a::b"]), part("2ab", 2, &["a::b"])]);
        let error = twice.unwrap_err().to_string();
        assert!(error.contains("`a::b` is listed twice, in part 2aa and in part 2ab"), "{error}");
    }
}
