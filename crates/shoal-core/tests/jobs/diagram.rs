//! The drawing of job states: three columns of phases, held jobs at the side, edges from the graph.
//!
//! Edges within a column and from preparing to waiting are drawn one by one; where every phase of
//! a column leads to the same place, one arrow from the column's frame stands for all of them.

use crate::graph::Graph;

const BOX: (i32, i32) = (168, 44);
const PITCH: i32 = 72;
/// Between two parallel lines.
const LANE: i32 = 16;
const TOP: i32 = 132;

struct Column {
    title: &'static str,
    x: i32,
    phases: &'static [&'static str],
}

const PREPARE: Column = Column {
    title: "Prepare",
    x: 100,
    phases: &[
        "queued",
        "discover",
        "build",
        "power_off",
        "clear_media",
        "insert_task",
        "insert_boot",
        "boot_once",
        "power_on",
    ],
};
const WAIT: Column = Column {
    title: "Wait for the machine",
    x: 500,
    phases: &["await_boot", "await_report", "await_flash", "await_installer"],
};
const CLEAN: Column = Column {
    title: "Clean up",
    x: 920,
    phases: &["settle", "clean_power", "clean_media", "clean_override", "deliver", "complete"],
};
const COLUMNS: [&Column; 3] = [&PREPARE, &WAIT, &CLEAN];
/// Below the waiting phases.
const HELD: (i32, i32) = (WAIT.x, TOP + 7 * PITCH);
const SIZE: (i32, i32) = (1220, TOP + 9 * PITCH + 40);

impl Column {
    fn row(&self, phase: &str) -> Option<i32> {
        let at = self.phases.iter().position(|it| *it == phase)?;
        i32::try_from(at).ok()
    }

    fn left(&self) -> i32 {
        self.x - 60
    }

    fn right(&self) -> i32 {
        self.x + BOX.0 + 60
    }

    fn bottom(&self) -> i32 {
        TOP + i32::try_from(self.phases.len()).unwrap() * PITCH - 8
    }
}

/// The middle of a row.
fn middle(row: i32) -> i32 {
    TOP + row * PITCH + BOX.1 / 2
}

struct Svg(Vec<String>);

pub(crate) fn draw(graph: &Graph) -> String {
    let mut svg = Svg(vec![head()]);
    for column in COLUMNS {
        svg.frame(column);
        svg.steps(graph, column);
    }
    svg.starts(graph);
    svg.held(graph);
    svg.outcomes(graph);
    for column in COLUMNS {
        for phase in column.phases {
            svg.phase(graph, phase, column.x, middle(column.row(phase).unwrap()) - BOX.1 / 2);
        }
    }
    svg.phase(graph, "held", HELD.0, HELD.1);
    svg.legend();
    svg.0.push("</svg>\n".to_owned());
    svg.0.join("\n")
}

fn head() -> String {
    let (width, height) = SIZE;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="Phases of a job and how they follow each other" font-family="sans-serif">
<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 10 5 0 10z" fill="#334155"/></marker></defs>
<rect width="{width}" height="{height}" fill="#ffffff"/>"##
    )
}

impl Svg {
    /// A line through these points, with an arrow at its end.
    fn arrow(&mut self, points: &[(i32, i32)]) {
        self.line(points, r#" marker-end="url(#tip)""#);
    }

    fn line(&mut self, points: &[(i32, i32)], tip: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
        let points = points.join(" ");
        self.0.push(format!(
            r##"<polyline points="{points}" fill="none" stroke="#334155" stroke-width="1.5"{tip}/>"##
        ));
    }

    fn text(&mut self, at: (i32, i32), style: &str, text: &str) {
        self.0.push(format!(r#"<text x="{}" y="{}" {style}>{text}</text>"#, at.0, at.1));
    }

    fn label(&mut self, at: (i32, i32), text: &str) {
        self.text(at, r##"font-size="12" fill="#475569""##, text);
    }

    fn frame(&mut self, column: &Column) {
        let (x, y) = (column.left(), TOP - 40);
        let (width, height) = (column.right() - x, column.bottom() - y);
        self.0.push(format!(
            r##"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="10" fill="#f8fafc" stroke="#cbd5e1"/>"##
        ));
        let style = r##"font-size="14" font-weight="bold" fill="#475569""##;
        self.text((x + 14, y + 22), style, column.title);
    }

    fn phase(&mut self, graph: &Graph, phase: &str, x: i32, y: i32) {
        assert!(graph.phases.contains_key(phase), "no job ever is in {phase}");
        let (fill, stroke) = match phase {
            "held" => ("#fef3c7", "#b45309"),
            "complete" => ("#dcfce7", "#15803d"),
            _ => ("#e0f2fe", "#0369a1"),
        };
        let (width, height) = BOX;
        self.0.push(format!(
            r#"<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="6" fill="{fill}" stroke="{stroke}"/>"#
        ));
        let centre = x + width / 2;
        let middled = r#"text-anchor="middle""#;
        let command = main_command(graph, phase);
        let lower = if command.is_some() { 19 } else { 27 };
        let style = format!(r##"{middled} font-size="14" font-weight="bold" fill="#0f172a""##);
        self.text((centre, y + lower), &style, phase);
        if let Some(command) = command {
            let style = format!(r##"{middled} font-size="11" fill="#475569""##);
            self.text((centre, y + 35), &style, &command);
        }
        if graph.edges.contains_key(&(phase, "held")) {
            self.0.push(format!(
                r##"<circle cx="{}" cy="{}" r="6" fill="#fef3c7" stroke="#b45309"/>"##,
                x + width - 12,
                y + 12
            ));
        }
    }

    /// Edges within a column: to the next phase straight, all others through lanes at its sides.
    fn steps(&mut self, graph: &Graph, column: &Column) {
        let mut right = Vec::new();
        let mut left = Vec::new();
        for (from, to) in graph.edges.keys() {
            let (Some(from), Some(to)) = (column.row(from), column.row(to)) else { continue };
            if to == from + 1 {
                let x = column.x + BOX.0 / 2;
                self.arrow(&[(x, middle(from) + BOX.1 / 2), (x, middle(to) - BOX.1 / 2)]);
            } else if to < from {
                left.push((from, to));
            } else {
                right.push((from, to));
            }
        }
        self.lanes(column.x, -1, &left);
        self.lanes(column.x + BOX.0, 1, &right);
    }

    /// One lane for all edges to the same phase, the shortest nearest to the boxes.
    fn lanes(&mut self, x: i32, side: i32, edges: &[(i32, i32)]) {
        let mut targets: Vec<i32> = edges.iter().map(|(_, to)| *to).collect();
        targets.sort_unstable();
        targets.dedup();
        for (number, target) in (1..).zip(targets) {
            let lane = x + side * (number * LANE - 2);
            for (from, _) in edges.iter().filter(|(_, to)| *to == target) {
                let out = (x, middle(*from) + 10);
                self.line(&[out, (lane, out.1), (lane, middle(target) - 10)], "");
            }
            self.arrow(&[(lane, middle(target) - 10), (x, middle(target) - 10)]);
        }
    }

    /// The power-on is the one door from preparing to waiting.
    fn starts(&mut self, graph: &Graph) {
        let door = PREPARE.row("power_on").unwrap();
        let lane = i32::midpoint(PREPARE.right(), WAIT.left()) - LANE;
        let start = (PREPARE.x + BOX.0, middle(door));
        for (from, to) in graph.edges.keys() {
            let (Some(from), Some(to)) = (PREPARE.row(from), WAIT.row(to)) else { continue };
            assert_eq!(from, door, "a machine is waited for that was not switched on");
            self.line(&[start, (lane, start.1), (lane, middle(to))], "");
            self.arrow(&[(lane, middle(to)), (WAIT.x, middle(to))]);
        }
        self.label((lane + 6, middle(4) + 20), "switched on");
    }

    fn held(&mut self, graph: &Graph) {
        let to_held = |column: &Column| {
            column.phases.iter().any(|phase| graph.edges.contains_key(&(*phase, "held")))
        };
        let (x, y) = HELD;
        let from_held = |column: &Column| {
            column.phases.iter().any(|phase| graph.edges.contains_key(&("held", *phase)))
        };
        if to_held(&PREPARE) {
            self.arrow(&[(PREPARE.right(), y + 12), (x, y + 12)]);
            self.label((PREPARE.right() + 60, y + 5), "needs a person");
        }
        if from_held(&PREPARE) {
            self.arrow(&[(x, y + 34), (PREPARE.right(), y + 34)]);
            self.label((PREPARE.right() + 60, y + 50), "decided: retry");
        }
        if to_held(&WAIT) {
            let middle = x + BOX.0 / 2;
            self.arrow(&[(middle, WAIT.bottom()), (middle, y)]);
            self.label((middle + 8, i32::midpoint(WAIT.bottom(), y)), "what happened is unsure");
        }
        if from_held(&CLEAN) {
            let turn = CLEAN.x + BOX.0 / 2;
            self.arrow(&[(x + BOX.0, y + 22), (turn, y + 22), (turn, CLEAN.bottom())]);
            self.label((x + BOX.0 + 12, y + 16), "decided, stopped or reported");
        }
        assert!(!to_held(&CLEAN), "a job was held although it has an outcome");
        assert!(!from_held(&WAIT), "a held job went on waiting without a new attempt");
    }

    fn outcomes(&mut self, graph: &Graph) {
        let ends = |column: &Column| {
            let leads = |phase: &str| {
                CLEAN
                    .phases
                    .iter()
                    .any(|stage| graph.edges.keys().any(|(from, to)| *from == phase && to == stage))
            };
            column.phases.iter().all(|phase| leads(phase))
        };
        assert!(ends(&PREPARE) && ends(&WAIT), "a phase from which a job cannot end");
        let top = TOP - 40;
        let (from, to) = (PREPARE.x + BOX.0 / 2, CLEAN.x + BOX.0 / 2);
        self.arrow(&[(from, top), (from, top - 36), (to, top - 36), (to, top)]);
        self.label((from + 12, top - 44), "outcome: to the first stage that is needed");
        let y = middle(1) + 36;
        self.arrow(&[(WAIT.right(), y), (CLEAN.left(), y)]);
        self.label((WAIT.right() + 16, y - 8), "outcome");
    }

    fn legend(&mut self) {
        let y = SIZE.1 - 20;
        self.0.push(format!(
            r##"<circle cx="52" cy="{}" r="6" fill="#fef3c7" stroke="#b45309"/>"##,
            y - 4
        ));
        self.label((64, y), "may be held for an operator");
        self.label((280, y), "small print: the command that is done in the phase");
        self.label((620, y), "an arrow at a frame stands for every phase in it");
    }
}

/// The command a phase is about; in waiting phases those are only precautions.
fn main_command(graph: &Graph, phase: &str) -> Option<String> {
    if WAIT.row(phase).is_some() || phase == "held" {
        return None;
    }
    graph.commands.get(phase)?.iter().find(|command| *command != "look").cloned()
}
