//! Draws what a live run kept as one page of plain SVG, in the layout of the dashboards, for somebody
//! without the program that shows them: panels without data, odd units and holes are seen at once.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::{
    all,
    layout::{Place, places},
    model::{Kind, Panel},
    render::unit_of_values,
};

/// One column and one row of the grid, in pixels.
const CELL: (u32, u32) = (60, 28);
const COLORS: [&str; 8] =
    ["#3b7dd8", "#e08a1e", "#4f9d4f", "#c0392b", "#8e5bb5", "#7a5c3e", "#d36fa8", "#6b7280"];
/// Names below a picture; more would leave no picture.
const NAMES: usize = 6;

#[derive(Deserialize)]
struct Kept {
    dashboard: String,
    title: String,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    name: String,
    points: Vec<(f64, String)>,
}

/// Reads what was kept and writes a page beside it.
pub(super) fn write(kept: &Path, page: &Path) -> Result<()> {
    let text = fs::read(kept).with_context(|| format!("read {}", kept.display()))?;
    let kept: Vec<Kept> = serde_json::from_slice(&text).context("understand what was kept")?;
    let mut html = String::from(
        "<!doctype html><meta charset=utf-8><title>Dashboards</title><style>\
         body{font:12px sans-serif;margin:8px;background:#fff}h1{margin:16px 0 4px}\
         .grid{position:relative}.panel{position:absolute;box-sizing:border-box;padding:3px}\
         .panel>div{border:1px solid #bbb;height:100%;overflow:hidden;padding:2px 4px;\
         box-sizing:border-box}.name{white-space:nowrap;overflow:hidden}</style>",
    );
    for dashboard in all() {
        let mut y = 0;
        let mut inner = String::new();
        for row in &dashboard.rows {
            let heading = Place { x: 0, y, w: 24, h: 1 };
            write!(inner, "{}<b>{}</b></div></div>", open(heading), row.title)?;
            y += 1;
            for (panel, place) in row.panels.iter().zip(places(row.panels.len(), y, row.height())) {
                let found = kept
                    .iter()
                    .find(|it| it.dashboard == dashboard.name && it.title == panel.title);
                inner.push_str(&drawn(panel, place, found)?);
                y = y.max(place.y + place.h);
            }
        }
        write!(html, "<h1>{}</h1><div class=grid style=height:{}px>", dashboard.title, y * CELL.1)?;
        html.push_str(&inner);
        html.push_str("</div>");
    }
    fs::write(page, html).with_context(|| format!("write {}", page.display()))?;
    println!("dashboards: wrote {}", page.display());
    Ok(())
}

fn open(place: Place) -> String {
    let Place { x, y, w, h } = place;
    let (x, y, w, h) = (x * CELL.0, y * CELL.1, w * CELL.0, h * CELL.1);
    format!("<div class=panel style=left:{x}px;top:{y}px;width:{w}px;height:{h}px><div>")
}

fn drawn(panel: &Panel, place: Place, kept: Option<&Kept>) -> Result<String> {
    let mut html = open(place);
    write!(html, "<b>{}</b>", escaped(panel.title))?;
    let lines = kept.map_or(&[][..], |kept| &kept.lines);
    let unit = unit_of_values(panel).word();
    if lines.is_empty() {
        html.push_str("<p style=color:#c0392b>no data</p>");
    } else if matches!(panel.kind, Kind::Numbers | Kind::Bars) {
        for line in lines {
            let last = values(line).last().map_or("-".to_owned(), |(_, value)| shown(value, unit));
            write!(html, "<div class=name><big>{last}</big> {}</div>", escaped(&line.name))?;
        }
    } else {
        let (width, height) = (place.w * CELL.0 - 20, place.h * CELL.1 - 110);
        picture(&mut html, lines, unit, (f64::from(width), f64::from(height)))?;
    }
    html.push_str("</div></div>");
    Ok(html)
}

fn picture(html: &mut String, lines: &[Line], unit: &str, size: (f64, f64)) -> Result<()> {
    let every: Vec<(f64, f64)> = lines.iter().flat_map(values).collect();
    let bound = |pick: fn(f64, f64) -> f64, begin: f64, value: fn(&(f64, f64)) -> f64| {
        every.iter().map(value).fold(begin, pick)
    };
    let (from, to) =
        (bound(f64::min, f64::INFINITY, |it| it.0), bound(f64::max, f64::NEG_INFINITY, |it| it.0));
    let (low, high) =
        (bound(f64::min, 0.0, |it| it.1), bound(f64::max, f64::MIN_POSITIVE, |it| it.1));
    write!(html, " <small>{} … {}</small>", shown(low, unit), shown(high, unit))?;
    write!(
        html,
        "<svg width={} height={} style=display:block;background:#f6f6f6>",
        size.0, size.1
    )?;
    for (line, color) in lines.iter().zip(COLORS.iter().cycle()) {
        let mut points = String::new();
        for (x, y) in values(line) {
            let x = (x - from) / (to - from).max(1.0) * size.0;
            let y = (1.0 - (y - low) / (high - low).max(f64::MIN_POSITIVE)) * (size.1 - 2.0) + 1.0;
            write!(points, "{x:.1},{y:.1} ")?;
        }
        write!(html, "<polyline fill=none stroke={color} points='{points}'/>")?;
    }
    html.push_str("</svg>");
    for (line, color) in lines.iter().zip(COLORS.iter().cycle()).take(NAMES) {
        let last = values(line).last().map_or("-".to_owned(), |(_, value)| shown(value, unit));
        write!(html, "<span style=color:{color}>■</span> {} {last} ", escaped(&line.name))?;
    }
    if lines.len() > NAMES {
        write!(html, "and {} more", lines.len() - NAMES)?;
    }
    Ok(())
}

/// What is no number is not drawn.
fn values(line: &Line) -> impl DoubleEndedIterator<Item = (f64, f64)> {
    let finite = |(at, value): &(f64, String)| {
        let value: f64 = value.parse().ok()?;
        value.is_finite().then_some((*at, value))
    };
    line.points.iter().filter_map(finite)
}

fn shown(value: f64, unit: &str) -> String {
    match unit {
        "bytes" | "Bps" if value.abs() >= 1_073_741_824.0 => {
            format!("{:.1} GiB", value / 1_073_741_824.0)
        }
        "bytes" | "Bps" if value.abs() >= 1_048_576.0 => {
            format!("{:.1} MiB", value / 1_048_576.0)
        }
        "bytes" | "Bps" => format!("{:.0} KiB", value / 1024.0),
        "percentunit" => format!("{:.1} %", value * 100.0),
        "s" if value >= 86_400.0 => format!("{:.1} d", value / 86_400.0),
        "s" if value >= 120.0 => format!("{:.1} min", value / 60.0),
        "s" if value >= 1.0 => format!("{value:.1} s"),
        "s" => format!("{:.1} ms", value * 1000.0),
        "bool_yes_no" => (if value > 0.5 { "yes" } else { "no" }).to_owned(),
        _ => format!("{value:.2}"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
