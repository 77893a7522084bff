//! How a command gets into the log, or is refused at once.

use prost::Message as _;
use proto::raft_cmdpb::{RaftCmdRequest, RaftCmdResponse, Request};

use crate::unit::fixture::ask::Ask;
use crate::unit::fixture::store::{Setup, Store};
use crate::unit::fixture::words::{
    ME, TWO, command, describe, entries, error_of, get, log, put, put_cf, region, text,
};
use crate::unit::{Check, Promise, ensure};

/// Sends a command, runs the store, and returns the answer, which must be there without any other store having a say.
fn refused(store: &mut Store, promise: &Promise, request: RaftCmdRequest) -> Check<RaftCmdResponse> {
    let before = store.last_index();
    let ask = store.is_asked(request);
    store.runs()?;
    let last = store.last_index();
    ensure!(
        promise,
        last == before,
        "the log ended at {before}, and ends at {last}: the command was proposed"
    );
    let Some(response) = ask.response() else {
        return Err(promise.broken(format!("the client heard {}", ask.describe())));
    };
    ensure!(promise, error_of(&response).is_some(), "the client heard {}", describe(&response));
    Ok(response)
}

const NOT_LEADER: Promise = Promise::new(
    "2b-store.md#propose",
    "a peer that does not lead answers a command at once with NotLeader, and names the leader if it knows one",
    "the client would wait for its timeout, and then try the same store again",
);

/// A follower that knows its leader, and a peer that has just started.
pub fn follower_names_the_leader() -> Check {
    let mut store = Setup::new(3).follower()?;
    let response = refused(&mut store, &NOT_LEADER, command(&[put("a", "1")]))?;
    let told = error_of(&response).and_then(|error| error.not_leader);
    let leader = told.and_then(|told| told.leader).map(|peer| (peer.id, peer.store_id));
    ensure!(NOT_LEADER, told.is_some(), "peer {TWO} leads; the client heard {}", describe(&response));
    ensure!(NOT_LEADER, leader == Some((TWO, 2)), "peer {TWO} on store 2 leads; NotLeader names {leader:?}");

    let mut store = Setup::new(3).start()?;
    let response = refused(&mut store, &NOT_LEADER, command(&[get("a")]))?;
    let told = error_of(&response).and_then(|error| error.not_leader);
    ensure!(NOT_LEADER, told.is_some(), "nobody leads yet; the client heard {}", describe(&response));
    let leader = told.and_then(|told| told.leader).map_or(0, |peer| peer.id);
    ensure!(NOT_LEADER, leader == 0, "nobody leads yet; NotLeader names {leader}");
    Ok(())
}

const STALE_TERM: Promise = Promise::new(
    "2b-store.md#propose",
    "a command whose sender's term is more than one behind is refused as stale; one behind, or none at all, is fine",
    "a client that slept through two elections would be served as if nothing had happened",
);

/// Terms in the header of a command, at a leader of some term.
pub fn old_term_is_stale() -> Check {
    let mut store = Setup::new(3).serving()?;
    let term = store.term();
    for (header_term, fine) in [(1, false), (term - 2, false), (term - 1, true), (term, true), (0, true)] {
        if header_term == 0 && !fine {
            continue;
        }
        let mut request = command(&[put("a", "1")]);
        request.header.get_or_insert_default().term = header_term;
        if fine {
            let ask = store.is_asked(request);
            store.replicates()?;
            ensure!(
                STALE_TERM,
                ask.succeeded(),
                "the leader is in term {term}, the header said {header_term}; the client heard {}",
                ask.describe()
            );
        } else {
            let response = refused(&mut store, &STALE_TERM, request)?;
            let stale = error_of(&response).is_some_and(|error| error.stale_command.is_some());
            ensure!(
                STALE_TERM,
                stale,
                "the leader is in term {term}, the header said {header_term}; the client heard {}",
                describe(&response)
            );
        }
    }
    Ok(())
}

const STORE: Promise = Promise::new(
    "2b-store.md#propose",
    "a command that is meant for another store is refused with StoreNotMatch",
    "an address that was given to another machine would write into the wrong cluster",
);

/// Store 9 was meant.
pub fn other_store_is_refused() -> Check {
    let mut store = Setup::new(3).serving()?;
    let mut request = command(&[put("a", "1")]);
    request.header.get_or_insert_default().peer.get_or_insert_default().store_id = 9;
    let response = refused(&mut store, &STORE, request)?;
    let told = error_of(&response).and_then(|error| error.store_not_match);
    let told = told.map(|told| (told.request_store_id, told.actual_store_id));
    ensure!(
        STORE,
        told == Some((9, 1)),
        "store 9 was meant, this is store 1; the client heard {}",
        describe(&response)
    );
    Ok(())
}

const EPOCH: Promise = Promise::new(
    "2b-store.md#propose",
    "a command with another version of the region than the present one is refused with EpochNotMatch, which tells the \
     present region",
    "once regions split, a client with an old map would write where its keys are not any more",
);

/// An older and a newer version.
pub fn other_epoch_is_refused() -> Check {
    let mut store = Setup::new(3).serving()?;
    for version in [0, 2] {
        let mut request = command(&[put("a", "1")]);
        let header = request.header.get_or_insert_default();
        header.region_epoch.get_or_insert_default().version = version;
        let response = refused(&mut store, &EPOCH, request)?;
        let Some(told) = error_of(&response).and_then(|error| error.epoch_not_match.clone()) else {
            return Err(EPOCH.broken(format!(
                "the header said version {version}, it is 1; the client heard {}",
                describe(&response)
            )));
        };
        let regions = told.current_regions;
        ensure!(EPOCH, regions == [region(3)], "EpochNotMatch tells of the regions {regions:?}");
    }
    Ok(())
}

const KEY: Promise = Promise::new(
    "2b-store.md#propose",
    "a command with a key that its region, or no engine, can hold is refused before it is proposed: all of it",
    "an entry that no peer can apply would be in the log for ever",
);

/// Keys outside the region, an empty one, and one that is too long; alone and behind a good request.
pub fn impossible_keys_are_refused() -> Check {
    let mut setup = Setup::new(3);
    setup.region.start_key = text("b");
    setup.region.end_key = text("m");
    let mut store = setup.serving()?;
    for key in ["a", "m", "z"] {
        for requests in [vec![put(key, "1")], vec![put("c", "1"), put(key, "1")], vec![get(key)]] {
            let response = refused(&mut store, &KEY, command(&requests))?;
            let told = error_of(&response).is_some_and(|error| error.key_not_in_region.is_some());
            ensure!(KEY, told, "the region is b..m, the key {key}; the client heard {}", describe(&response));
        }
    }
    let mut store = Setup::new(3).serving()?;
    for key in [String::new(), "k".repeat(65_536)] {
        refused(&mut store, &KEY, command(&[put("c", "1"), put(&key, "1")]))?;
    }
    Ok(())
}

const SHAPE: Promise = Promise::new(
    "2b-store.md#propose",
    "a command with a column family that there is not, without any request, or with reads and writes together is refused",
    "an entry that no peer can apply would be in the log for ever",
);

/// What cannot be a command.
pub fn impossible_commands_are_refused() -> Check {
    let mut store = Setup::new(3).serving()?;
    let cases: [&[Request]; 4] =
        [&[put_cf("raft", "a", "1")], &[put_cf("colour", "a", "1")], &[], &[put("a", "1"), get("a")]];
    for requests in cases {
        refused(&mut store, &SHAPE, command(requests))?;
    }
    Ok(())
}

const TOO_LARGE: Promise = Promise::new(
    "2b-store.md#propose",
    "a command whose encoding is longer than raft_entry_bytes_max is refused with RaftEntryTooLarge, and one that is just \
     as long is not",
    "Raft never cuts an entry: one that fits into no message blocks the log for ever",
);

/// Commands around the limit.
pub fn too_large_is_refused() -> Check {
    let value = "v".repeat(500);
    let limit = command(&[put("a", &value)]).encoded_len() as u64;
    for (limit, fits) in [(limit + 1, true), (limit, true), (limit - 1, false), (100, false)] {
        let mut setup = Setup::new(3);
        setup.config.raft_entry_bytes_max = limit;
        let mut store = setup.serving()?;
        let request = command(&[put("a", &value)]);
        let bytes = request.encoded_len();
        if fits {
            let ask = store.is_asked(request);
            store.replicates()?;
            ensure!(
                TOO_LARGE,
                ask.succeeded(),
                "{bytes} bytes, limit {limit}; the client heard {}",
                ask.describe()
            );
        } else {
            let response = refused(&mut store, &TOO_LARGE, request)?;
            let told = error_of(&response).is_some_and(|error| error.raft_entry_too_large.is_some());
            ensure!(
                TOO_LARGE,
                told,
                "{bytes} bytes, limit {limit}; the client heard {}",
                describe(&response)
            );
        }
    }
    Ok(())
}

const AS_IT_CAME: Promise = Promise::new(
    "2b-store.md#propose",
    "the entry holds the command as it came, header included",
    "when it is applied, nothing is left to check its epoch against",
);

/// Decodes the entry.
pub fn entry_holds_the_command() -> Check {
    let mut store = Setup::new(3).serving()?;
    let mut request = command(&[put("a", "1"), put("b", "2")]);
    request.header.get_or_insert_default().uuid = text("a name for this command");
    store.is_asked(request.clone());
    store.runs()?;
    let log = log(&store.disks.raft.image());
    let last = log.last().map(|entry| RaftCmdRequest::decode(&entry.data[..]));
    ensure!(
        AS_IT_CAME,
        last.as_ref().is_some_and(|last| last.as_ref() == Ok(&request)),
        "the entry holds {last:?}"
    );
    Ok(())
}

const ITS_OWN: Promise = Promise::new(
    "2b-store.md#propose",
    "each command waits for its own entry, however many there are in one round, and is answered when that is applied",
    "clients would get each other's answers, or wait for the next command of somebody else",
);

/// One command alone, and then four in one round.
pub fn each_command_waits_for_its_entry() -> Check {
    let mut store = Setup::new(3).serving()?;
    let ask = store.is_asked(command(&[put("a", "0")]));
    store.replicates()?;
    ensure!(ITS_OWN, ask.succeeded(), "a put, replicated everywhere; the client heard {}", ask.describe());
    let asks: Vec<Ask> = (1..=4)
        .map(|n| {
            let value = n.to_string();
            let requests = if n % 2 == 0 { vec![get("a")] } else { vec![put("a", &value); n] };
            store.is_asked(command(&requests))
        })
        .collect();
    store.replicates()?;
    for (n, ask) in (1..=4).zip(asks) {
        let count = ask.response().map_or(0, |response| response.responses.len());
        let expected = if n % 2 == 0 { 1 } else { n };
        ensure!(
            ITS_OWN,
            ask.succeeded(),
            "command {n} of 4 in one round; the client heard {}",
            ask.describe()
        );
        ensure!(ITS_OWN, count == expected, "command {n} has {expected} requests; {count} responses");
    }
    Ok(())
}

const NOT_BEFORE: Promise = Promise::new(
    "2b-store.md#propose",
    "a command is not answered before a majority holds its entry",
    "a leader that fails now takes an acknowledged write with it",
);

/// Nobody answers the leader.
pub fn nothing_is_answered_before_a_majority_has_it() -> Check {
    let mut store = Setup::new(3).serving()?;
    let write = store.is_asked(command(&[put("a", "1")]));
    let read = store.is_asked(command(&[get("a")]));
    store.runs()?;
    for (name, ask) in [("put", &write), ("get", &read)] {
        let silent = ask.answer().is_none();
        ensure!(
            NOT_BEFORE,
            silent,
            "no follower has answered the leader; the client's {name} heard {}",
            ask.describe()
        );
    }
    store.replicates()?;
    let both = write.succeeded() && read.succeeded();
    ensure!(
        NOT_BEFORE,
        both,
        "then all followers have; the put heard {}, the get {}",
        write.describe(),
        read.describe()
    );
    // A follower takes entries of others without anybody waiting for them.
    let mut follower = Setup::new(3).follower()?;
    follower.is_sent(6, (5, 5), &entries(6, &[6, 6]), 7);
    follower.runs()?;
    let sent = follower.sends();
    let answered = sent.iter().any(|message| message.from == ME && message.index == 7 && !message.reject);
    ensure!(NOT_BEFORE, answered, "two entries came from the leader; it acknowledged neither");
    Ok(())
}
