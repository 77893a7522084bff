//! Looking at a store from outside: metrics, health, and a page that a person can read.
//!
//! | path | what |
//! |---|---|
//! | `/` | the status page: roles, terms, log positions, requests, events; renews itself |
//! | `/metrics` | all numbers in Prometheus' text format |
//! | `/healthz` | 200 while the store serves, 503 while it starts or stops |

mod board;
mod page;

pub use board::{Board, Event, Identity};

use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse};
use axum::routing::get;

use crate::metrics::Metrics;

/// The phase in which a store answers requests.
pub const SERVING: &str = "serving";

/// What the pages show.
#[derive(Clone)]
pub struct Status {
    /// State of the store.
    pub board: Arc<Board>,
    /// Numbers of the process.
    pub metrics: Arc<Metrics>,
    /// When the process started.
    pub started: Instant,
}

/// The pages.
pub fn router(status: Status) -> Router {
    Router::new()
        .route("/", get(page))
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .with_state(status)
}

async fn page(State(status): State<Status>) -> Html<String> {
    Html(page::render(&status))
}

async fn metrics(State(status): State<Status>) -> impl IntoResponse {
    let mut text = status.metrics.text();
    write_regions(&mut text, &status.board).expect("writing to a string cannot fail");
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

async fn health(State(status): State<Status>) -> (StatusCode, String) {
    let phase = status.board.phase();
    let code = if phase == SERVING { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (code, format!("{phase}\n"))
}

fn write_regions(text: &mut String, board: &Board) -> std::fmt::Result {
    let peers = board.peers();
    let leaders = peers.iter().filter(|peer| peer.raft.role == raft::Role::Leader).count();
    writeln!(text, "# HELP tinykv_regions peers on this store\n# TYPE tinykv_regions gauge")?;
    writeln!(text, "tinykv_regions {}", peers.len())?;
    writeln!(
        text,
        "# HELP tinykv_leaders peers that lead\n# TYPE tinykv_leaders gauge\ntinykv_leaders {leaders}"
    )?;
    for (name, help) in [
        ("term", "Raft term"),
        ("commit", "last committed entry"),
        ("applied", "last applied entry"),
        ("last", "last entry of the log"),
    ] {
        writeln!(text, "# HELP tinykv_raft_{name} {help}\n# TYPE tinykv_raft_{name} gauge")?;
        for peer in &peers {
            let value = match name {
                "term" => peer.raft.term,
                "commit" => peer.raft.commit,
                "applied" => peer.apply_state.applied_index,
                _ => peer.raft.last.index,
            };
            writeln!(text, "tinykv_raft_{name}{{region=\"{}\"}} {value}", peer.region.id)?;
        }
    }
    Ok(())
}
