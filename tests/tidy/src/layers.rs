//! Imports point one way: between packages, and between the modules of `raft`.

use crate::tree::{Tree, complain};

/// Each package of the workspace, and the packages of the workspace that it may use.
const PACKAGES: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("proto/rpc", &["proto"]),
    ("raft", &["proto"]),
    ("kv", &["proto", "raft"]),
    ("kv/server", &["proto", "rpc", "raft", "kv"]),
    ("scheduler", &["proto"]),
    ("scheduler/server", &["proto", "rpc", "scheduler"]),
    ("tests/verdict", &[]),
    ("tests/raft", &["proto", "raft", "verdict"]),
    ("tests/cluster", &["proto", "raft", "kv", "scheduler", "verdict", "raft-tests"]),
    ("tests/tidy", &[]),
    // Reads source text and runs programs: shares the records with the workers, and nothing else.
    ("labs", &["verdict"]),
    ("docs/builder", &[]),
];

/// Names by which packages of the workspace depend on each other.
const INTERNAL: [&str; 11] =
    ["proto", "rpc", "raft", "kv", "server", "scheduler", "verdict", "raft-tests", "labs", "book", "tidy"];

/// Modules of `raft`, from the bottom to the top. A module may import those above it in this list, and no other. Modules
/// on one line do not know each other.
const RAFT: &[&[&str]] = &[
    &["types"],
    &["error"],
    &["config", "storage", "quorum", "outbox", "read_only", "status"],
    &["progress", "membership", "ready", "unstable"],
    &["role", "log"],
    &["raft"],
    &["election", "replication", "follower", "snapshot", "leader_transfer", "conf_change", "read_index"],
    &["raw_node", "trace"],
];

#[test]
fn packages_point_one_way() {
    let tree = Tree::read();
    let root: toml::Table = toml::from_str(tree.text("Cargo.toml").unwrap()).unwrap();
    let members = root["workspace"]["members"].as_array().unwrap().clone();
    complain(members.iter().filter_map(|member| member.as_str()).flat_map(|member| {
        let Some((_, allowed)) = PACKAGES.iter().find(|(package, _)| *package == member) else {
            return vec![format!("{member}: not in the list of packages and what they may use")];
        };
        let manifest: toml::Table =
            toml::from_str(tree.text(&format!("{member}/Cargo.toml")).unwrap()).unwrap();
        let used =
            manifest.get("dependencies").and_then(|table| table.as_table()).cloned().unwrap_or_default();
        let forbidden =
            used.keys().filter(|name| INTERNAL.contains(&name.as_str()) && !allowed.contains(&name.as_str()));
        forbidden.map(|name| format!("{member} must not depend on {name}")).collect()
    }));
}

#[test]
fn raft_modules_point_one_way() {
    let tree = Tree::read();
    let layer = |module: &str| RAFT.iter().position(|layer| layer.contains(&module));
    complain(tree.rust().flat_map(|file| {
        let module = file.path.strip_prefix("raft/src/").and_then(|path| path.split(['/', '.']).next());
        let Some(module) = module.filter(|module| *module != "lib") else { return Vec::new() };
        let Some(own) = layer(module) else {
            return vec![format!("{}: `{module}` is not in the list of layers", file.path)];
        };
        let upward =
            imports(&file.text).filter(|used| *used != module && layer(used).is_none_or(|used| used >= own));
        upward.map(|used| format!("{}: imports `{used}`, which is not below it", file.path)).collect()
    }));
}

/// Modules that `text` names by `crate::module::` outside comments and tests.
fn imports(text: &str) -> impl Iterator<Item = &str> {
    let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    code.filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| {
        line.match_indices("crate::").filter_map(|(at, found)| {
            let rest = &line[at + found.len()..];
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            rest[end..].starts_with("::").then(|| &rest[..end])
        })
    })
}
