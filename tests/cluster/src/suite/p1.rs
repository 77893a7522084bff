//! Part 1, standalone storage: 60 points.

use harness::suite::{Test, exact};

use crate::unit::p1::{course, disk, keys, reading, refusals, scans, writing};

const PART: &str = "1";
const GET: &str = "1-standalone.md#get";
const PUT: &str = "1-standalone.md#put-and-delete";
const SCAN: &str = "1-standalone.md#scan";
const READER: &str = "1-standalone.md#reader";
const WRITE: &str = "1-standalone.md#write";
const REFUSALS: &str = "1-standalone.md#refusals";
const WHOLE: &str = "1-standalone.md#all-together";

/// The tests, in order.
#[rustfmt::skip]
pub static TESTS: &[Test] = &[
    exact(PART, "every_change_of_a_batch_is_made", 2, WRITE, "a write makes all of its changes", writing::every_change_of_a_batch_is_made),
    exact(PART, "changes_are_made_in_order", 1, WRITE, "of several changes to one key, the last counts", writing::changes_are_made_in_order),
    exact(PART, "batch_is_whole", 3, WRITE, "a write is seen, and survives, as a whole or not at all", writing::batch_is_whole),
    exact(PART, "answered_means_durable", 3, WRITE, "a write that was answered survives a power cut", writing::answered_means_durable),
    exact(PART, "failed_write_is_told", 1, WRITE, "a write that failed is answered as such", writing::failed_write_is_told),
    exact(PART, "failed_sync_is_told", 2, WRITE, "a write that could not be made safe is answered as failed", writing::failed_sync_is_told),
    exact(PART, "bad_keys_change_nothing", 1, WRITE, "a key that no engine takes refuses the whole write", writing::bad_keys_change_nothing),
    exact(PART, "ranges_are_removed", 1, WRITE, "a range is removed at its place among the changes", writing::ranges_are_removed),
    exact(PART, "reader_brings_what_is_asked_for", 1, READER, "a reader keeps to its column family and its bounds", reading::reader_brings_what_is_asked_for),
    exact(PART, "reader_is_one_moment", 3, READER, "all reads of one reader show the same moment", reading::reader_is_one_moment),
    exact(PART, "reader_sees_all_that_was_answered", 1, READER, "a reader sees every write answered before it", reading::reader_sees_all_that_was_answered),
    exact(PART, "nothing_is_left_open", 2, READER, "no snapshot and no iterator outlives its reader", reading::nothing_is_left_open),
    exact(PART, "scan_reads_what_is_asked_for", 1, READER, "a scan reads no more than it is asked for", reading::scan_reads_what_is_asked_for),
    exact(PART, "families_are_separate", 2, GET, "get, put and delete mean the column family that they name", keys::families_are_separate),
    exact(PART, "empty_value_is_a_value", 1, GET, "a key with an empty value is there", keys::empty_value_is_a_value),
    exact(PART, "errors_of_the_reader_are_passed_on", 2, GET, "an error of the reader is the answer", keys::errors_of_the_reader_are_passed_on),
    exact(PART, "keys_and_values_are_any_bytes", 1, PUT, "keys and values are any bytes, as long as they may be", keys::keys_and_values_are_any_bytes),
    exact(PART, "scan_starts_at_its_start_key", 2, SCAN, "a scan begins at its start key", scans::scan_starts_at_its_start_key),
    exact(PART, "scan_ends_before_its_end_key", 1, SCAN, "a scan ends before its end key", scans::scan_ends_before_its_end_key),
    exact(PART, "scan_stops_at_its_limit", 2, SCAN, "a scan brings, and reads, as many pairs as it may", scans::scan_stops_at_its_limit),
    exact(PART, "scan_backwards", 2, SCAN, "a reverse scan runs down from its start key, excluded, to its end key, included", scans::scan_backwards),
    exact(PART, "scan_without_values", 1, SCAN, "key_only leaves the values out", scans::scan_without_values),
    exact(PART, "scan_stays_in_its_family", 1, SCAN, "a scan stays in its column family", scans::scan_stays_in_its_family),
    exact(PART, "wrong_families_are_refused", 1, REFUSALS, "column families that clients may not name are refused", refusals::wrong_families_are_refused),
    exact(PART, "wrong_keys_are_refused", 1, REFUSALS, "empty and over-long keys are refused", refusals::wrong_keys_are_refused),
    exact(PART, "wrong_limits_are_refused", 1, REFUSALS, "limits of zero and beyond 10240 are refused", refusals::wrong_limits_are_refused),
    exact(PART, "time_to_live_is_refused", 1, REFUSALS, "a time to live is refused", refusals::time_to_live_is_refused),
    exact(PART, "raw_get", 1, WHOLE, "TinyKV's RawGet: a key that is there", course::raw_get),
    exact(PART, "raw_get_not_found", 1, WHOLE, "TinyKV's RawGetNotFound: a missing key is no error", course::raw_get_not_found),
    exact(PART, "raw_put", 1, WHOLE, "TinyKV's RawPut: a key is set, and nothing else", course::raw_put),
    exact(PART, "raw_get_after_raw_put", 1, WHOLE, "TinyKV's RawGetAfterRawPut: what was put is found", course::raw_get_after_raw_put),
    exact(PART, "raw_get_after_raw_delete", 1, WHOLE, "TinyKV's RawGetAfterRawDelete: what was removed is gone", course::raw_get_after_raw_delete),
    exact(PART, "raw_delete", 1, WHOLE, "TinyKV's RawDelete: a key is removed, and nothing else", course::raw_delete),
    exact(PART, "raw_scan", 1, WHOLE, "TinyKV's RawScan: the first pairs of a range", course::raw_scan),
    exact(PART, "raw_scan_after_raw_put", 1, WHOLE, "TinyKV's RawScanAfterRawPut: new keys come in their place", course::raw_scan_after_raw_put),
    exact(PART, "raw_scan_after_raw_delete", 1, WHOLE, "TinyKV's RawScanAfterRawDelete: removed keys do not come", course::raw_scan_after_raw_delete),
    exact(PART, "iter_with_raw_delete", 1, WHOLE, "TinyKV's IterWithRawDelete: a scan under way stays as it is", course::iter_with_raw_delete),
    exact(PART, "answers_as_a_map_does", 3, WHOLE, "thousands of requests are answered as an ordered map would", disk::answers_as_a_map_does),
    exact(PART, "survives_power_cuts", 3, WHOLE, "after any power cut, there is exactly what was answered", disk::survives_power_cuts),
    exact(PART, "survives_a_restart", 3, WHOLE, "on fjall: the directory is closed, and opened again, with all data", disk::survives_a_restart),
];
