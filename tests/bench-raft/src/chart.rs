//! Draws the growth figures as one SVG picture, light or dark as the viewer likes it.

use std::fmt::Write as _;

use crate::growth::Panel;
use crate::measure::Contender;

const WIDTH: f64 = 380.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 52.0;

const STYLE: &str = "
:root { color-scheme: light dark; }
.paper { fill: #fcfcfa; } text { font: 12px system-ui, sans-serif; fill: #1b2026; } .title { font-weight: 600; font-size: 14px; }
.faint { fill: #667080; } .grid { stroke: #d9dce0; } .line { fill: none; stroke-width: 2.5; }
.ours { stroke: #1f5fbf; } .peer { stroke: #c05a00; stroke-dasharray: 7 4; } .batched { stroke: #7d4fc4; stroke-dasharray: 2 4; stroke-linecap: round; }
.dot { stroke-dasharray: none; fill: #fcfcfa; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  .paper { fill: #14171b; } text { fill: #e7eaee; } .faint { fill: #97a1af; } .grid { stroke: #323942; } .dot { fill: #14171b; }
  .ours { stroke: #7fb0ff; } .peer { stroke: #f0a060; } .batched { stroke: #b698f0; }
}";

/// The picture of all panels, side by side.
pub fn draw(panels: &[Panel]) -> String {
    let width = WIDTH * panels.len() as f64;
    let height = HEIGHT + 34.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>Processor time for an entry, in nanoseconds: ours and raft-rs</title>\n<style>{STYLE}</style>\n\
         <rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n"
    );
    for (k, panel) in panels.iter().enumerate() {
        draw_panel(&mut svg, panel, k as f64 * WIDTH);
    }
    for (k, contender) in Contender::ALL.into_iter().enumerate() {
        let x = LEFT + k as f64 * 170.0;
        let y = HEIGHT + 12.0;
        put(
            &mut svg,
            &format!(
                "<line class=\"line {}\" x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>",
                class(contender),
                x + 34.0
            ),
        );
        put(&mut svg, &format!("<text x=\"{}\" y=\"{}\">{}</text>", x + 42.0, y + 4.0, contender.name()));
    }
    svg + "</svg>\n"
}

fn draw_panel(svg: &mut String, panel: &Panel, left: f64) {
    let (x0, x1) = (left + LEFT, left + WIDTH - RIGHT);
    let (y0, y1) = (HEIGHT - BOTTOM, TOP);
    let highest = panel.lines.iter().flat_map(|(_, line)| line).fold(1.0_f64, |high, &ns| high.max(ns));
    let step = grid_step(highest);
    let top = (highest / step).ceil() * step;
    let y = |ns: f64| y0 - (y0 - y1) * ns / top;
    let x = |k: usize| x0 + 12.0 + (x1 - x0 - 24.0) * k as f64 / (panel.names.len() - 1) as f64;
    put(svg, &format!("<text class=\"title\" x=\"{x0}\" y=\"22\">{}</text>", panel.title));
    put(svg, &format!("<text class=\"faint\" x=\"{x0}\" y=\"38\">nanoseconds</text>"));
    for k in 0..=(top / step).round() as usize {
        let (ns, y) = (k as f64 * step, y(k as f64 * step));
        put(svg, &format!("<line class=\"grid\" x1=\"{x0}\" y1=\"{y:.1}\" x2=\"{x1}\" y2=\"{y:.1}\"/>"));
        put(
            svg,
            &format!(
                "<text class=\"faint\" text-anchor=\"end\" x=\"{}\" y=\"{:.1}\">{ns}</text>",
                x0 - 8.0,
                y + 4.0
            ),
        );
    }
    for (k, name) in panel.names.iter().enumerate() {
        put(
            svg,
            &format!("<text text-anchor=\"middle\" x=\"{:.1}\" y=\"{}\">{name}</text>", x(k), y0 + 18.0),
        );
    }
    put(
        svg,
        &format!(
            "<text class=\"faint\" text-anchor=\"middle\" x=\"{}\" y=\"{}\">{}</text>",
            (x0 + x1) / 2.0,
            y0 + 36.0,
            panel.axis
        ),
    );
    for (contender, line) in &panel.lines {
        let points: Vec<String> =
            line.iter().enumerate().map(|(k, &ns)| format!("{:.1},{:.1}", x(k), y(ns))).collect();
        put(
            svg,
            &format!("<polyline class=\"line {}\" points=\"{}\"/>", class(*contender), points.join(" ")),
        );
        for (k, &ns) in line.iter().enumerate() {
            put(
                svg,
                &format!(
                    "<circle class=\"dot {}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3.5\"/>",
                    class(*contender),
                    x(k),
                    y(ns)
                ),
            );
        }
    }
}

/// A round distance between grid lines, for four to ten of them.
fn grid_step(highest: f64) -> f64 {
    let power = 10_f64.powf((highest / 4.0).log10().floor());
    [5.0, 2.0, 1.0].into_iter().map(|m| m * power).find(|step| highest / step >= 4.0).unwrap_or(power)
}

fn class(contender: Contender) -> &'static str {
    match contender {
        Contender::Ours => "ours",
        Contender::Peer => "peer",
        Contender::PeerBatched => "batched",
    }
}

fn put(svg: &mut String, element: &str) {
    writeln!(svg, "{element}").expect("writing to a string never fails");
}
