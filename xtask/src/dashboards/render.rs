//! A dashboard in the JSON that Grafana reads.

use serde_json::{Value, json};

use super::{
    RUNBOOK,
    layout::{COLUMNS, Place, places},
    model::{Dashboard, Kind, Level, Limit, Panel, Row, Side, Target, Unit, selected},
};

/// The version of the format that this is; newer programs read it and bring it up to date.
const SCHEMA: u32 = 39;
const HEADING: u32 = 1;

/// The whole file.
#[cfg(test)]
pub(super) fn file(dashboard: &Dashboard) -> String {
    let value = json(dashboard);
    // Values made of maps with string keys always render.
    serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
}

pub(super) fn json(dashboard: &Dashboard) -> Value {
    json!({
        "uid": dashboard.uid(),
        "title": format!("Shoal / {}", dashboard.title),
        "description": dashboard.about,
        "tags": ["shoal"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": false,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "utc",
        "templating": {"list": variables()},
        "annotations": {"list": annotations()},
        "links": [{
            "type": "dashboards", "tags": ["shoal"], "title": "Shoal", "asDropdown": true,
            "includeVars": true, "keepTime": true,
        }],
        "panels": panels(&dashboard.rows),
    })
}

fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// The choice of the source, and of the controllers within it; read anew when the time range changes.
/// All of them are those that are found, and not whatever the source scrapes beside them: every
/// process exports `process_start_time_seconds`.
fn variables() -> Value {
    let choice = |name: &str, label: &str, query: &str| {
        json!({
            "name": name, "label": label, "type": "query", "datasource": datasource(),
            "query": {"query": query, "refId": "variable"}, "definition": query,
            "refresh": 2, "sort": 1, "multi": true, "includeAll": true,
            "current": {"text": "All", "value": "$__all"},
        })
    };
    json!([
        {"name": "datasource", "label": "Source", "type": "datasource", "query": "prometheus"},
        choice("job", "Job", "label_values(shoal_build_info, job)"),
        choice("instance", "Controller", "label_values(shoal_build_info{job=~\"$job\"}, instance)"),
    ])
}

/// What changed, drawn across every panel: its name, its colour, and the series whose value is the
/// time of it.
pub(super) const CHANGES: [(&str, &str, &str); 6] = [
    ("Start", "blue", "process_start_time_seconds{$S}"),
    ("Version", "purple", r#"installation_change_timestamp_seconds{$S,change="version"}"#),
    ("Reload", "orange", r#"installation_change_timestamp_seconds{$S,change="reload"}"#),
    ("Restore", "red", r#"installation_change_timestamp_seconds{$S,change="restore"}"#),
    ("Secret", "yellow", r#"installation_change_timestamp_seconds{$S,change="secret"}"#),
    ("Certificate", "green", r#"installation_change_timestamp_seconds{$S,change="certificate"}"#),
];

/// In milliseconds, as Grafana counts.
pub(super) fn change(series: &str) -> String {
    format!("{} * 1000", selected(series))
}

fn annotations() -> Value {
    let all = CHANGES.iter().map(|(name, color, series)| {
        json!({
            "name": name, "datasource": datasource(), "enable": true, "iconColor": color,
            "expr": change(series), "titleFormat": name, "textFormat": "{{instance}}",
            "step": "30s", "useValueForTime": "on",
        })
    });
    Value::Array(all.collect())
}

fn panels(rows: &[Row]) -> Value {
    let (mut panels, mut y, mut id) = (Vec::new(), 0, 0);
    let mut next = || {
        id += 1;
        id
    };
    for row in rows {
        let heading = Place { x: 0, y, w: COLUMNS, h: HEADING };
        panels.push(json!({
            "id": next(), "type": "row", "title": row.title, "collapsed": false, "panels": [],
            "gridPos": grid(heading),
        }));
        y += HEADING;
        for (panel, place) in row.panels.iter().zip(places(row.panels.len(), y, row.height())) {
            panels.push(drawn(panel, place, next()));
            y = y.max(place.y + place.h);
        }
    }
    Value::Array(panels)
}

fn grid(place: Place) -> Value {
    json!({"x": place.x, "y": place.y, "w": place.w, "h": place.h})
}

fn drawn(panel: &Panel, place: Place, id: u32) -> Value {
    let (kind, custom, options) = appearance(panel);
    // What was counted over a while is extrapolated, and half a job is none.
    let counts = panel.unit == Unit::Count && matches!(panel.kind, Kind::Numbers | Kind::Bars);
    json!({
        "id": id,
        "type": kind,
        "title": panel.title,
        "description": description(panel),
        "datasource": datasource(),
        "gridPos": grid(place),
        "targets": targets(panel),
        "fieldConfig": {
            "defaults": {
                "unit": unit_of_values(panel).word(),
                "thresholds": {"mode": "absolute", "steps": steps(&panel.limits)},
                "color": color(panel),
                "min": if matches!(panel.unit, Unit::Share | Unit::Times) { Value::Null } else { json!(0) },
                "decimals": if counts { json!(0) } else { Value::Null },
                "custom": custom,
            },
            "overrides": [],
        },
        "options": options,
    })
}

/// What a panel's values are; those of a heat map say how often, and its axis the unit.
pub(super) fn unit_of_values(panel: &Panel) -> Unit {
    if panel.kind == Kind::Heat { Unit::Count } else { panel.unit }
}

/// A number is coloured by its limits; where nobody drew any, green would say that all is well.
fn color(panel: &Panel) -> Value {
    match panel.kind {
        Kind::Numbers if panel.limits.is_empty() => json!({"mode": "fixed", "fixedColor": "text"}),
        Kind::Numbers => json!({"mode": "thresholds"}),
        Kind::Lines | Kind::Stacked | Kind::Bars | Kind::Heat => json!({"mode": "palette-classic"}),
    }
}

/// What it shows, then where it is explained.
pub(super) fn description(panel: &Panel) -> String {
    let link = |words: &str, page: &str| format!("[{words}]({RUNBOOK}/{page}.md)");
    let links: Vec<String> = match &panel.limits[..] {
        [] => vec![link("Runbook", panel.page)],
        limits => limits.iter().map(|limit| link(limit.alert, limit.alert)).collect(),
    };
    format!("{}\n\n{}", panel.about, links.join(" "))
}

fn targets(panel: &Panel) -> Value {
    let last = matches!(panel.kind, Kind::Numbers | Kind::Bars);
    let target = |(number, target): (u8, &Target)| {
        json!({
            "refId": char::from(b'A' + number).to_string(),
            "datasource": datasource(),
            "expr": target.expr,
            "legendFormat": target.legend,
            "format": if panel.kind == Kind::Heat { "heatmap" } else { "time_series" },
            "instant": last,
            "range": !last,
        })
    };
    Value::Array((0..).zip(&panel.targets).map(target).collect())
}

/// Stands for what is more than nothing, where a limit is nothing.
const LEAST_ABOVE: f64 = 0.001;

/// The colours between the limits, from the lowest value up.
fn steps(limits: &[Limit]) -> Value {
    let color = |level| if level == Level::Page { "red" } else { "orange" };
    let mut sorted: Vec<&Limit> = limits.iter().collect();
    sorted.sort_by(|a, b| a.value.total_cmp(&b.value));
    let lowest = sorted.iter().find(|limit| limit.side == Side::Below);
    let mut steps = vec![json!({
        "color": lowest.map_or("green", |limit| color(limit.level)), "value": null,
    })];
    for (number, limit) in sorted.iter().enumerate() {
        let above = match limit.side {
            Side::Above => color(limit.level),
            // What is above the last limit from below is well.
            Side::Below => sorted.get(number + 1).map_or("green", |next| color(next.level)),
        };
        // A colour holds from its value on, and an alert only above it: nothing lost is well.
        let from = match limit.side {
            Side::Above => limit.value.max(LEAST_ABOVE),
            Side::Below => limit.value,
        };
        steps.push(json!({"color": above, "value": from}));
    }
    Value::Array(steps)
}

/// The kind of panel, how its lines look, and its options.
fn appearance(panel: &Panel) -> (&'static str, Value, Value) {
    let line = |fill: u32, stacking: &str| {
        let lines = if panel.limits.is_empty() { "off" } else { "line" };
        json!({
            "drawStyle": "line", "lineWidth": 1, "fillOpacity": fill, "showPoints": "never",
            "spanNulls": false, "stacking": {"mode": stacking, "group": "A"},
            "thresholdsStyle": {"mode": lines},
        })
    };
    let legend = json!({
        "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    });
    let reduced = json!({"calcs": ["lastNotNull"], "fields": "", "values": false});
    match panel.kind {
        Kind::Lines => ("timeseries", line(10, "none"), legend),
        Kind::Stacked => ("timeseries", line(60, "normal"), legend),
        Kind::Numbers => (
            "stat",
            json!({}),
            json!({"reduceOptions": reduced, "colorMode": "value", "graphMode": "none",
                "textMode": "auto", "justifyMode": "center"}),
        ),
        Kind::Bars => (
            "bargauge",
            json!({}),
            json!({"reduceOptions": reduced, "orientation": "horizontal",
                "displayMode": "basic", "showUnfilled": true}),
        ),
        Kind::Heat => (
            "heatmap",
            json!({}),
            json!({"calculate": false, "yAxis": {"unit": panel.unit.word()},
                "cellGap": 1, "color": {"mode": "scheme", "scheme": "Blues", "steps": 32}}),
        ),
    }
}
