//! Commands and answers: S12, S13, S14, S15.

use proto::errorpb::{Error, NotLeader, StaleCommand};

use super::scene::{INIT, Scene, entries, holding, put, snap};

fn scene() -> Scene {
    Scene::with_entries(vec![put(1, "k", "a"), put(2, "k", "b")])
}

fn not_leader() -> Error {
    Error { not_leader: Some(NotLeader::default()), ..Error::default() }
}

#[test]
fn a_write_is_answered_once_it_is_applied_here() {
    let mut scene = scene();
    scene.command(1, &put(1, "k", "a"));
    scene.apply(1, 6, 7);
    scene.answer(1, 1);
    scene.checker.end_of_run();
    scene.fine();
}

#[test]
fn a_write_is_not_answered_before_it_is_applied_here() {
    let mut scene = scene();
    scene.command(1, &put(1, "k", "a"));
    scene.answer(1, 1);
    scene.broken("S13", 1);

    let mut scene = self::scene();
    scene.command(1, &put(2, "k", "b"));
    scene.apply(2, 6, 7);
    scene.apply(1, 6, 6);
    scene.answer(1, 2);
    scene.broken("S13", 1);
}

#[test]
fn an_answer_is_for_this_very_command() {
    let mut scene = scene();
    // Command 9 was overwritten by another leader; its callback was found by index alone.
    scene.command(1, &put(9, "k", "z"));
    scene.apply(1, 6, 7);
    scene.answer(1, 9);
    scene.broken("S13", 1);
}

#[test]
fn a_refused_write_has_no_effect() {
    let mut scene = scene();
    scene.command(1, &put(9, "k", "z"));
    scene.refuse(1, 9, not_leader());
    scene.apply(1, 6, 7);
    scene.fine();

    let mut scene = self::scene();
    scene.command(1, &put(1, "k", "a"));
    scene.refuse(1, 1, Error { stale_command: Some(StaleCommand {}), ..Error::default() });
    scene.fine();
    scene.apply(1, 6, 7);
    scene.broken("S13", 1);

    let mut scene = self::scene();
    scene.command(1, &put(1, "k", "a"));
    scene.apply(1, 6, 7);
    scene.refuse(1, 1, not_leader());
    scene.broken("S13", 1);
}

#[test]
fn an_error_that_promises_nothing_leaves_all_open() {
    let mut scene = scene();
    scene.command(1, &put(1, "k", "a"));
    scene.refuse(1, 1, Error { message: "who knows".to_owned(), ..Error::default() });
    scene.apply(1, 6, 7);
    scene.fine();

    let mut scene = self::scene();
    scene.command(1, &put(1, "k", "a"));
    scene.refuse(1, 1, Error::default());
    scene.broken("S12", 1);
}

#[test]
fn a_callback_is_not_forgotten_dropped_or_called_twice() {
    let mut scene = scene();
    scene.command(1, &put(1, "k", "a"));
    scene.checker.end_of_run();
    scene.broken("S12", 1);

    let mut scene = self::scene();
    scene.command(1, &put(1, "k", "a"));
    scene.drop_callback(1, 1);
    scene.broken("S12", 1);

    let mut scene = self::scene();
    scene.command(1, &put(1, "k", "a"));
    scene.apply(1, 6, 7);
    scene.answer(1, 1);
    scene.answer(1, 1);
    scene.broken("S12", 1);
}

#[test]
fn a_store_that_stops_owes_no_answers() {
    let mut scene = scene();
    scene.command(1, &put(1, "k", "a"));
    scene.checker.on_stop(1);
    scene.drop_callback(1, 1);
    scene.open(1);
    scene.apply(1, 6, 7);
    scene.checker.end_of_run();
    scene.fine();
}

#[test]
fn a_read_shows_at_least_what_was_committed_when_it_was_asked() {
    let mut scene = scene();
    scene.apply(1, 6, 7);
    scene.apply(2, 6, 6);
    scene.command(1, &snap(21));
    scene.answer_snap(1, 21, None);
    scene.fine();
    // A deposed leader reads locally.
    scene.command(2, &snap(22));
    scene.answer_snap(2, 22, None);
    scene.broken("S14", 2);
}

#[test]
fn a_read_may_show_what_came_after_it_was_asked() {
    let mut scene = scene();
    scene.apply(1, 6, 6);
    scene.command(1, &snap(21));
    scene.command(1, &snap(22));
    let earlier = holding(&[("k", "a")]);
    scene.apply(1, 7, 7);
    scene.answer_snap(1, 21, None);
    scene.answer_snap(1, 22, Some(&earlier));
    scene.fine();
    // But not any more, once somebody was shown the later state.
    scene.command(1, &snap(23));
    scene.answer_snap(1, 23, Some(&earlier));
    scene.broken("S14", 1);
}

#[test]
fn a_lease_reader_may_be_behind_others_until_a_client_knows() {
    let mut scene = scene();
    scene.checker.world.lease_reads = true;
    scene.apply(1, 6, 6);
    scene.apply(2, 6, 7);
    scene.command(1, &snap(21));
    scene.answer_snap(1, 21, None);
    scene.fine();
    scene.command(2, &snap(22));
    scene.answer_snap(2, 22, None);
    scene.command(1, &snap(23));
    scene.answer_snap(1, 23, None);
    scene.broken("S14", 1);
}

#[test]
fn a_read_shows_a_state_that_was() {
    let mut scene =
        Scene::with_entries(vec![put(1, "k", "a"), put(2, "l", "b"), put(3, "k", "c"), put(4, "l", "d")]);
    scene.apply(1, 6, 6);
    scene.command(1, &snap(21));
    scene.apply(1, 7, 9);
    scene.answer_snap(1, 21, Some(&holding(&[("k", "a"), ("l", "d")])));
    scene.broken("S15", 1);
}

#[test]
fn a_read_has_the_region_of_its_moment() {
    let mut scene = scene();
    scene.apply(1, 6, 7);
    scene.command(1, &snap(21));
    scene.region.end_key = "z".into();
    scene.answer_snap(1, 21, None);
    scene.broken("S15", 1);
}

#[test]
fn a_proposal_that_another_leader_overwrote_is_stale() {
    let mut scene = Scene::new();
    scene.command(1, &put(9, "k", "z"));
    scene.append(1, &entries(6, 6, vec![put(9, "k", "z")]), (6, 11));
    let log = entries(7, 6, vec![put(1, "k", "a")]);
    for store in [2, 3, 1] {
        scene.append(store, &log, (7, 12));
        scene.sync(store);
    }
    scene.apply(1, 6, 6);
    scene.refuse(1, 9, Error { stale_command: Some(StaleCommand {}), ..Error::default() });
    scene.fine();
    assert_eq!(scene.checker.committed(1), INIT + 1);
}

#[test]
fn a_read_through_the_log_sees_what_stands_before_it_there() {
    let requests = || vec![put(1, "k", "a"), snap(21), put(2, "k", "b")];
    let mut scene = Scene::with_entries(requests());
    scene.command(1, &snap(21));
    scene.apply(1, 6, 8);
    scene.answer_snap(1, 21, Some(&holding(&[("k", "a")])));
    scene.fine();
    // Entries of the same round were still waiting to be written.
    let mut scene = Scene::with_entries(requests());
    scene.command(1, &snap(21));
    scene.apply(1, 6, 8);
    scene.answer_snap(1, 21, Some(&holding(&[])));
    scene.broken("S14", 1);
}
