//! Put, delete and delete range, by column family.

use kv::engine::Cf;
use proto::raft_cmdpb::{CmdType, Request};

use crate::unit::fixture::store::{Setup, Store};
use crate::unit::fixture::words::{
    command, data, delete_cf, delete_range_cf, describe, error_of, pairs, put, put_cf,
};
use crate::unit::{Check, Fail, Promise, ensure};

/// Has a lone leader carry out a command, and checks that the responses are of the kinds of the requests.
fn carries_out(store: &mut Store, promise: &Promise, requests: &[Request]) -> Check {
    let ask = store.is_asked(command(requests));
    store.runs()?;
    let Some(response) = ask.response() else {
        return Err(promise.broken(format!("the client heard {}", ask.describe())));
    };
    ensure!(promise, error_of(&response).is_none(), "the client heard {}", describe(&response));
    let asked: Vec<CmdType> = requests.iter().map(Request::cmd_type).collect();
    let told: Vec<CmdType> = response.responses.iter().map(|one| one.cmd_type()).collect();
    ensure!(promise, asked == told, "the requests were {asked:?}; the responses are {told:?}");
    Ok(())
}

fn holds(
    store: &Store,
    promise: &Promise,
    cf: Cf,
    expected: &[(&str, &str)],
    after: &str,
) -> Result<(), Fail> {
    let found = data(&store.data(), cf);
    ensure!(promise, found == pairs(expected), "{after}; {cf:?} holds {found:?}");
    Ok(())
}

const PUT: Promise = Promise::new(
    "2b-store.md#write",
    "a put sets the key in the column family that it names, or in default if it names none",
    "part 4 keeps locks, values and commits of one key in three families",
);

/// The same key in three families.
pub fn put_goes_to_its_family() -> Check {
    let mut store = Setup::new(1).serving()?;
    let puts = [("default", "d"), ("lock", "l"), ("write", "w")];
    for (cf, value) in puts {
        carries_out(&mut store, &PUT, &[put_cf(cf, "k", value)])?;
    }
    let after = "k was put to d, l and w in default, lock and write";
    for (cf, value) in [(Cf::Default, "d"), (Cf::Lock, "l"), (Cf::Write, "w")] {
        holds(&store, &PUT, cf, &[("k", value)], after)?;
    }
    carries_out(&mut store, &PUT, &[put_cf("", "k", "new")])?;
    holds(&store, &PUT, Cf::Default, &[("k", "new")], "then k was put to new without a family")?;
    carries_out(&mut store, &PUT, &[put_cf("lock", "k", "")])?;
    holds(&store, &PUT, Cf::Lock, &[("k", "")], "then k was put to an empty value in lock")
}

const DELETE: Promise = Promise::new(
    "2b-store.md#write",
    "a delete takes the key out of the column family that it names, and leaves the others alone",
    "what was deleted is still there, or what was not is gone",
);

/// One family after the other.
pub fn delete_goes_to_its_family() -> Check {
    let mut store = Setup::new(1).serving()?;
    let all = [("default", Cf::Default), ("lock", Cf::Lock), ("write", Cf::Write)];
    for (name, _) in all {
        carries_out(&mut store, &DELETE, &[put_cf(name, "k", "v"), put_cf(name, "other", "v")])?;
    }
    for (n, (name, _)) in all.iter().enumerate() {
        carries_out(&mut store, &DELETE, &[delete_cf(name, "k")])?;
        for (m, (_, cf)) in all.iter().enumerate() {
            let expected: &[(&str, &str)] =
                if m <= n { &[("other", "v")] } else { &[("k", "v"), ("other", "v")] };
            holds(&store, &DELETE, *cf, expected, &format!("k was deleted in {name}"))?;
        }
    }
    carries_out(&mut store, &DELETE, &[delete_cf("lock", "never there")])
}

const ALL: Promise = Promise::new(
    "2b-store.md#write",
    "all requests of a command are carried out, in their order",
    "a client that sends a batch finds a part of it",
);

/// Puts and deletes of two keys.
pub fn all_requests_are_carried_out() -> Check {
    let mut store = Setup::new(1).serving()?;
    carries_out(&mut store, &ALL, &[put("a", "1"), put("b", "1"), put("c", "1")])?;
    holds(&store, &ALL, Cf::Default, &[("a", "1"), ("b", "1"), ("c", "1")], "one command put a, b and c")?;
    let mixed =
        [put("a", "2"), delete_cf("", "b"), put("c", "2"), put("c", "3"), delete_cf("", "a"), put("d", "1")];
    carries_out(&mut store, &ALL, &mixed)?;
    let after = "then put a, delete b, put c, put c to 3, delete a, put d";
    holds(&store, &ALL, Cf::Default, &[("c", "3"), ("d", "1")], after)
}

const RANGE: Promise = Promise::new(
    "2b-store.md#write",
    "a range deletion takes out the keys from its start up to, and not including, its end, those that were put just \
     before it too",
    "keys survive their deletion, or go with others'",
);

/// A range, of keys that are there, and that come in the same command.
pub fn delete_range_deletes_the_range() -> Check {
    let mut store = Setup::new(1).serving()?;
    carries_out(&mut store, &RANGE, &[put("a", "1"), put("b", "1"), put("c", "1"), put("d", "1")])?;
    carries_out(&mut store, &RANGE, &[put_cf("lock", "b", "1")])?;
    let ask = store.is_asked(command(&[put("bb", "1")]));
    carries_out(&mut store, &RANGE, &[put("bbb", "1"), delete_range_cf("", "b", "d"), put("cc", "1")])?;
    ensure!(RANGE, ask.succeeded(), "the put of bb heard {}", ask.describe());
    let after = "a, b, bb, bbb, c and d were put, then b..d deleted, then cc put";
    holds(&store, &RANGE, Cf::Default, &[("a", "1"), ("cc", "1"), ("d", "1")], after)?;
    holds(&store, &RANGE, Cf::Lock, &[("b", "1")], "b..d was deleted in default")
}
