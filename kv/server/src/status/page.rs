//! The status page: one HTML document without any other resource.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use kv::raftstore::context::PeerStatus;
use proto::metapb::Store;

use super::{SERVING, Status};
use crate::metrics::Requests;

/// Most events shown.
const EVENTS_SHOWN: usize = 40;

/// The page as it is now.
pub fn render(status: &Status) -> String {
    let mut html = String::with_capacity(16 << 10);
    write_page(&mut html, status).expect("writing to a string cannot fail");
    html
}

fn write_page(html: &mut String, status: &Status) -> std::fmt::Result {
    let (identity, phase, peers) = (status.board.identity(), status.board.phase(), status.board.peers());
    let title = match identity.store.id {
        0 => "Store".to_owned(),
        id => format!("Store {id}"),
    };
    write!(
        html,
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta http-equiv=refresh content=2>\
         <meta name=viewport content='width=device-width'><title>{title} · TinyKV</title>\
         <style>{}</style></head><body><header><h1>{title}</h1>\
         <span class='pill {}'>{}</span>",
        include_str!("page.css"),
        if phase == SERVING { "good" } else { "warn" },
        escape(&phase)
    )?;
    let up = age(status.started.elapsed());
    write!(
        html,
        "<p>{} · cluster {} · up {up}</p></header>",
        escape(&identity.store.address),
        identity.cluster_id
    )?;
    write_tiles(html, status, &peers)?;
    write_stores(html, &status.board.stores(), identity.store.id)?;
    write_regions(html, &peers)?;
    html.push_str("<div class=columns>");
    write_requests(html, status)?;
    write_events(html, status)?;
    html.push_str("</div><footer><a href=/metrics>metrics</a> · <a href=/healthz>health</a> · renewed every 2 s</footer></body></html>");
    Ok(())
}

fn write_tiles(html: &mut String, status: &Status, peers: &[PeerStatus]) -> std::fmt::Result {
    let leads = peers.iter().filter(|peer| peer.raft.role == raft::Role::Leader).count();
    let behind =
        peers.iter().map(|peer| peer.raft.commit.saturating_sub(peer.apply_state.applied_index)).sum::<u64>();
    let served = status.metrics.requests.iter().map(|requests| requests.took.count()).sum::<u64>();
    let metrics = &status.metrics;
    let tiles = [
        ("regions", peers.len() as u64),
        ("led from here", leads as u64),
        ("to be applied", behind),
        ("requests", served),
        ("raft messages out", metrics.raft_sent.get()),
        ("raft messages in", metrics.raft_received.get()),
        ("messages dropped", metrics.raft_dropped.get()),
        ("snapshots out / in", metrics.snapshots_sent.get()),
    ];
    html.push_str("<section class=tiles>");
    for (name, value) in tiles {
        let value = if name.starts_with("snapshots") {
            format!("{value} / {}", metrics.snapshots_received.get())
        } else {
            grouped(value)
        };
        write!(html, "<div><b>{value}</b><span>{name}</span></div>")?;
    }
    html.push_str("</section>");
    Ok(())
}

fn write_stores(html: &mut String, stores: &[Store], own: u64) -> std::fmt::Result {
    if stores.is_empty() {
        return Ok(());
    }
    html.push_str("<nav>stores: ");
    for store in stores {
        let address = escape(&store.address);
        if store.id == own {
            write!(html, "<b>{} ({address})</b> ", store.id)?;
        } else if store.status_address.is_empty() {
            write!(html, "<span>{} ({address})</span> ", store.id)?;
        } else {
            write!(
                html,
                "<a href='http://{}/'>{} ({address})</a> ",
                escape(&store.status_address),
                store.id
            )?;
        }
    }
    html.push_str("</nav>");
    Ok(())
}

fn write_regions(html: &mut String, peers: &[PeerStatus]) -> std::fmt::Result {
    html.push_str(
        "<section><h2>Regions</h2><table><thead><tr><th class=n>region<th>keys<th>role<th>leader<th class=n>term\
         <th class=n>epoch<th class=n>first<th class=n>applied<th class=n>committed<th class=n>last<th>log</thead><tbody>",
    );
    for peer in peers {
        write_region(html, peer)?;
    }
    if peers.is_empty() {
        html.push_str("<tr><td colspan=11 class=none>no region yet</tr>");
    }
    html.push_str("</tbody></table></section>");
    Ok(())
}

fn write_region(html: &mut String, peer: &PeerStatus) -> std::fmt::Result {
    let (raft, applied) = (&peer.raft, peer.apply_state.applied_index);
    let role = if peer.applying_snapshot {
        "installing".to_owned()
    } else {
        format!("{:?}", raft.role).to_lowercase()
    };
    let leader = peer.region.peers.iter().find(|other| other.id == raft.leader_id);
    let leader = leader.map_or_else(|| "none".to_owned(), |leader| format!("store {}", leader.store_id));
    let epoch = peer.region.region_epoch.unwrap_or_default();
    write!(
        html,
        "<tr><td class=n>{}<td class=keys>{} … {}<td><span class='pill {role}'>{role}</span><td>{leader}<td class=n>{}\
         <td class=n>{}.{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td>",
        peer.region.id,
        bound(&peer.region.start_key, "first"),
        bound(&peer.region.end_key, "last"),
        raft.term,
        epoch.version,
        epoch.conf_ver,
        raft.first_index,
        grouped(applied),
        grouped(raft.commit),
        grouped(raft.last.index),
    )?;
    write_log(html, raft.first_index, applied, raft.commit, raft.last.index)
}

/// The log as a bar: what is applied, committed, and only appended.
fn write_log(html: &mut String, first: u64, applied: u64, commit: u64, last: u64) -> std::fmt::Result {
    let length = (last + 1).saturating_sub(first).max(1) as f64;
    let share = |from: u64, to: u64| 100.0 * to.saturating_sub(from) as f64 / length;
    let before = first.saturating_sub(1);
    write!(
        html,
        "<div class=log title='applied, committed, appended'><i class=applied style='width:{:.1}%'></i>\
         <i class=committed style='width:{:.1}%'></i><i class=appended style='width:{:.1}%'></i></div>",
        share(before, applied.max(before)),
        share(applied.max(before), commit),
        share(commit.max(before), last),
    )
}

fn write_requests(html: &mut String, status: &Status) -> std::fmt::Result {
    html.push_str(
        "<section><h2>Requests since start</h2><table><thead><tr><th>rpc<th class=n>answered<th class=n>try elsewhere\
         <th class=n>refused<th class=n>p50 ≤<th class=n>p99 ≤</thead><tbody>",
    );
    let mut is_empty = true;
    for requests in status.metrics.requests.iter().filter(|requests| requests.took.count() > 0) {
        is_empty = false;
        write_request(html, requests)?;
    }
    if is_empty {
        html.push_str("<tr><td colspan=6 class=none>none yet</tr>");
    }
    html.push_str("</tbody></table></section>");
    Ok(())
}

fn write_request(html: &mut String, requests: &Requests) -> std::fmt::Result {
    write!(
        html,
        "<tr><td>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}<td class=n>{}",
        requests.name,
        grouped(requests.took.count()),
        grouped(requests.region_errors.get()),
        grouped(requests.errors.get()),
        latency(requests.took.quantile(0.5)),
        latency(requests.took.quantile(0.99)),
    )
}

fn write_events(html: &mut String, status: &Status) -> std::fmt::Result {
    html.push_str("<section><h2>Recent events</h2><ol>");
    let now = SystemTime::now();
    for event in status.board.events().into_iter().take(EVENTS_SHOWN) {
        let ago = now.duration_since(event.at).unwrap_or_default();
        write!(html, "<li><time>{} ago</time>{}", age(ago), escape(&event.text))?;
    }
    html.push_str("</ol></section>");
    Ok(())
}

fn bound(key: &[u8], end: &str) -> String {
    if key.is_empty() {
        return format!("<em>{end}</em>");
    }
    let text = key.escape_ascii().to_string();
    let short: String = text.chars().take(24).collect();
    format!("<code>{}{}</code>", escape(&short), if short.len() < text.len() { "…" } else { "" })
}

fn latency(time: Option<Duration>) -> String {
    match time {
        None => String::new(),
        Some(time) if time > Duration::from_secs(10) => "5 s +".to_owned(),
        Some(time) if time < Duration::from_millis(1) => format!("{} µs", time.as_micros()),
        Some(time) => format!("{} ms", time.as_micros() as f64 / 1000.0),
    }
}

fn age(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push('\u{202f}');
        }
        grouped.push(digit);
    }
    grouped
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&#39;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_groups() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
    }

    #[test]
    fn what_clients_name_is_no_markup() {
        assert_eq!(bound(b"<b>&'\xff", "first"), "<code>&lt;b&gt;&amp;\\&#39;\\xff</code>");
        assert_eq!(bound(b"", "first"), "<em>first</em>");
    }
}
