//! Imports point one way: between packages, and between the modules of `raft`, of `kv`, and of its raftstore.

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
    // Knows neither the Raft core nor the store: what their suites have in common.
    ("tests/harness", &["verdict"]),
    ("tests/raft", &["proto", "raft", "verdict", "harness"]),
    ("tests/cluster", &["proto", "raft", "kv", "scheduler", "verdict", "harness", "raft-tests"]),
    ("tests/tidy", &[]),
    // Reads source text and runs programs: shares the records with the workers, and nothing else.
    ("labs", &["verdict"]),
    ("docs/builder", &[]),
];

/// Names by which packages of the workspace depend on each other.
const INTERNAL: [&str; 12] = [
    "proto",
    "rpc",
    "raft",
    "kv",
    "server",
    "scheduler",
    "verdict",
    "harness",
    "raft-tests",
    "labs",
    "book",
    "tidy",
];

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

/// Modules of `kv`, in the same way.
const KV: &[&[&str]] = &[
    &["clock", "engine", "sync"],
    &["batch", "worker", "snap"],
    &["config"],
    &["raftstore"],
    &["storage"],
    &["service"],
];

/// Modules of `kv::raftstore`, in the same way.
const RAFTSTORE: &[&[&str]] = &[
    &["error"],
    &["msg", "task", "meta"],
    &["context", "cmd_resp", "proposals", "reads", "ticker", "peer_storage"],
    &["peer", "apply", "bootstrap", "runner"],
    &["operation"],
    &["fsm"],
    &["router"],
    &["local_reader"],
    &["system"],
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
    complain(upward("raft/src/", RAFT, |_, text| names_behind("crate::", text)).into_iter());
}

#[test]
fn kv_modules_point_one_way() {
    complain(upward("kv/src/", KV, |_, text| names_behind("crate::", text)).into_iter());
}

#[test]
fn raftstore_modules_point_one_way() {
    // A file of the folder itself says `super`, one below says `crate::raftstore`.
    complain(
        upward("kv/src/raftstore/", RAFTSTORE, |path, text| match path.contains('/') {
            true => names_behind("crate::raftstore::", text),
            false => names_behind("super::", text),
        })
        .into_iter(),
    );
}

/// The imports of modules below `folder` that do not point to a lower layer. `imports` tells which modules a file names, given
/// its path below the folder.
fn upward(
    folder: &str,
    layers: &[&[&str]],
    imports: impl for<'a> Fn(&str, &'a str) -> Vec<&'a str>,
) -> Vec<String> {
    let tree = Tree::read();
    let layer = |module: &str| layers.iter().position(|layer| layer.contains(&module));
    let complaints = tree.rust().flat_map(|file| {
        let Some(path) = file.path.strip_prefix(folder) else { return Vec::new() };
        let module = path.split(['/', '.']).next().unwrap_or_default();
        if matches!(module, "lib" | "mod") {
            return Vec::new();
        }
        let Some(own) = layer(module) else {
            return vec![format!("{}: `{module}` is not in the list of layers", file.path)];
        };
        let used = imports(path, &file.text).into_iter().filter(|used| *used != module);
        let wrong = used.filter(|used| layer(used).is_none_or(|used| used >= own));
        wrong.map(|used| format!("{}: imports `{used}`, which is not below it", file.path)).collect()
    });
    complaints.collect()
}

/// Modules that `text` names by `prefix` and `::` outside comments and tests.
fn names_behind<'a>(prefix: &str, text: &'a str) -> Vec<&'a str> {
    let code = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    let names = code.filter(|line| !line.trim_start().starts_with("//")).flat_map(|line| {
        line.match_indices(prefix).filter_map(|(at, found)| {
            let rest = &line[at + found.len()..];
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            rest[end..].starts_with("::").then(|| &rest[..end])
        })
    });
    names.collect()
}
