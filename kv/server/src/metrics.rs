//! Numbers about the process, for Prometheus and for the status page.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Where it stands.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Upper ends of the buckets of a histogram, in microseconds; a last one is open.
const BUCKETS: [u64; 16] = [
    50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 12_500, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 5_000_000,
];

/// How long something took, by buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BUCKETS.len() + 1],
    micros: Counter,
}

impl Histogram {
    /// Something took so long.
    pub fn observe(&self, took: Duration) {
        let micros = took.as_micros() as u64;
        self.buckets[BUCKETS.partition_point(|end| *end < micros)].add(1);
        self.micros.add(micros);
    }

    /// How often something was observed.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(Counter::get).sum()
    }

    /// Time under which the share `q` of all observations stayed: the end of its bucket. `None` before the first one.
    pub fn quantile(&self, q: f64) -> Option<Duration> {
        let rank = (self.count() as f64 * q).ceil() as u64;
        let mut seen = 0;
        let ends = BUCKETS.iter().copied().chain([u64::MAX]);
        let reached = self.buckets.iter().zip(ends).find(|(bucket, _)| {
            seen += bucket.get();
            seen >= rank
        });
        reached.filter(|_| rank > 0).map(|(_, end)| Duration::from_micros(end))
    }
}

/// Requests of one kind.
#[derive(Debug)]
pub struct Requests {
    /// Name of the RPC.
    pub name: &'static str,
    /// How long answers took, errors included.
    pub took: Histogram,
    /// Answers that tell the client to look elsewhere or to try again.
    pub region_errors: Counter,
    /// Answers that refuse.
    pub errors: Counter,
}

/// The kinds of requests that are counted.
const KINDS: [&str; 9] = [
    "RawGet",
    "RawPut",
    "RawDelete",
    "RawScan",
    "RawBatchGet",
    "RawBatchPut",
    "RawBatchDelete",
    "RawDeleteRange",
    "RawCompareAndSwap",
];

/// All numbers of a process.
#[derive(Debug)]
pub struct Metrics {
    /// Requests, by kind.
    pub requests: [Requests; KINDS.len()],
    /// Raft messages handed to a connection.
    pub raft_sent: Counter,
    /// Raft messages that arrived.
    pub raft_received: Counter,
    /// Raft messages that were dropped because their store could not be reached, or was too slow.
    pub raft_dropped: Counter,
    /// Connections that broke, or could not be opened.
    pub raft_breaks: Counter,
    /// Snapshots sent.
    pub snapshots_sent: Counter,
    /// Snapshots that could not be sent.
    pub snapshots_failed: Counter,
    /// Snapshots that arrived whole.
    pub snapshots_received: Counter,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let requests = KINDS.map(|name| Requests {
            name,
            took: Histogram::default(),
            region_errors: Counter::default(),
            errors: Counter::default(),
        });
        Metrics {
            requests,
            raft_sent: Counter::default(),
            raft_received: Counter::default(),
            raft_dropped: Counter::default(),
            raft_breaks: Counter::default(),
            snapshots_sent: Counter::default(),
            snapshots_failed: Counter::default(),
            snapshots_received: Counter::default(),
        }
    }
}

impl Metrics {
    /// Requests of the kind `name`.
    pub fn of(&self, name: &str) -> &Requests {
        let found = self.requests.iter().find(|requests| requests.name == name);
        found.expect("every service method counts under a name in the list")
    }

    /// Counters that have no label, each with its name and what it counts.
    fn counters(&self) -> [(&'static str, &'static str, &Counter); 7] {
        [
            ("raft_messages_sent_total", "Raft messages handed to a connection", &self.raft_sent),
            ("raft_messages_received_total", "Raft messages that arrived", &self.raft_received),
            ("raft_messages_dropped_total", "Raft messages dropped on their way out", &self.raft_dropped),
            (
                "raft_connection_breaks_total",
                "connections that broke or could not be opened",
                &self.raft_breaks,
            ),
            ("snapshots_sent_total", "snapshots sent", &self.snapshots_sent),
            ("snapshots_failed_total", "snapshots that could not be sent", &self.snapshots_failed),
            ("snapshots_received_total", "snapshots that arrived whole", &self.snapshots_received),
        ]
    }

    /// All of it in Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text).expect("writing to a string cannot fail");
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        for (name, help, counter) in self.counters() {
            writeln!(text, "# HELP tinykv_{name} {help}\n# TYPE tinykv_{name} counter")?;
            writeln!(text, "tinykv_{name} {}", counter.get())?;
        }
        writeln!(
            text,
            "# HELP tinykv_request_errors_total requests refused\n# TYPE tinykv_request_errors_total counter"
        )?;
        for requests in &self.requests {
            let (name, region, other) = (requests.name, requests.region_errors.get(), requests.errors.get());
            writeln!(text, "tinykv_request_errors_total{{rpc=\"{name}\",kind=\"region\"}} {region}")?;
            writeln!(text, "tinykv_request_errors_total{{rpc=\"{name}\",kind=\"other\"}} {other}")?;
        }
        let name = "tinykv_request_seconds";
        writeln!(text, "# HELP {name} time from request to answer\n# TYPE {name} histogram")?;
        for requests in &self.requests {
            write_histogram(text, name, requests.name, &requests.took)?;
        }
        Ok(())
    }
}

fn write_histogram(text: &mut String, name: &str, rpc: &str, histogram: &Histogram) -> std::fmt::Result {
    let mut seen = 0;
    for (bucket, end) in histogram.buckets.iter().zip(BUCKETS) {
        seen += bucket.get();
        writeln!(text, "{name}_bucket{{rpc=\"{rpc}\",le=\"{}\"}} {seen}", end as f64 / 1e6)?;
    }
    let count = histogram.count().max(seen);
    writeln!(text, "{name}_bucket{{rpc=\"{rpc}\",le=\"+Inf\"}} {count}")?;
    writeln!(text, "{name}_sum{{rpc=\"{rpc}\"}} {}", histogram.micros.get() as f64 / 1e6)?;
    writeln!(text, "{name}_count{{rpc=\"{rpc}\"}} {count}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_ends_of_buckets() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        for micros in [40, 90, 90, 90, 90, 90, 90, 90, 90, 7000] {
            histogram.observe(Duration::from_micros(micros));
        }
        assert_eq!(histogram.quantile(0.1), Some(Duration::from_micros(50)));
        assert_eq!(histogram.quantile(0.5), Some(Duration::from_micros(100)));
        assert_eq!(histogram.quantile(0.99), Some(Duration::from_micros(12_500)));
    }

    #[test]
    fn the_text_counts_what_happened() {
        let metrics = Metrics::default();
        metrics.of("RawPut").took.observe(Duration::from_micros(300));
        metrics.of("RawPut").region_errors.add(2);
        metrics.raft_sent.add(5);
        let text = metrics.text();
        for line in [
            "tinykv_raft_messages_sent_total 5",
            "tinykv_request_errors_total{rpc=\"RawPut\",kind=\"region\"} 2",
            "tinykv_request_seconds_bucket{rpc=\"RawPut\",le=\"0.0002\"} 0",
            "tinykv_request_seconds_bucket{rpc=\"RawPut\",le=\"0.0004\"} 1",
            "tinykv_request_seconds_count{rpc=\"RawPut\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
