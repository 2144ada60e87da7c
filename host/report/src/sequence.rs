//! Sequence diagram: messages between devices and the broker over time, as SVG.

use super::plot::canvas::{Anchor, Canvas, ellipsize};
use super::plot::style;

/// One row of the diagram.
#[derive(Clone, Debug, PartialEq)]
pub struct SequenceStep {
    /// Time, as text.
    pub time: String,
    /// Position of the lane in which it begins.
    pub from: usize,
    /// Position of the lane in which an arrow ends; `None` for an event of one lane.
    pub to: Option<usize>,
    /// The event in words.
    pub text: String,
    /// Kind of the step.
    pub kind: StepKind,
}

/// Kinds of steps, which have colours of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// A message.
    Message,
    /// A message that was lost.
    Lost,
    /// A fault, or the loss of a connection.
    Fault,
    /// A change of state.
    Change,
    /// The violation.
    Violation,
}

const LEFT: f64 = 90.0;
const LANE: f64 = 190.0;
const ROW: f64 = 34.0;
const TOP: f64 = 44.0;

/// The diagram as a complete SVG file. Times run down; each lane is a vertical line.
pub fn svg(title: &str, lanes: &[String], steps: &[SequenceStep]) -> String {
    let width = LEFT + LANE * lanes.len().max(1) as f64 + 20.0;
    let height = TOP + ROW * (steps.len() as f64 + 1.0);
    let x = |lane: usize| LEFT + LANE * (lane as f64 + 0.5);
    let mut canvas = Canvas::default();
    canvas.rect("paper", (0.0, 0.0), (width, height), "");
    canvas.text("title", (8.0, 16.0), Anchor::Start, &ellipsize(title, width - 16.0));
    for (lane, name) in lanes.iter().enumerate() {
        canvas.text("title", (x(lane), 36.0), Anchor::Middle, &ellipsize(name, LANE - 10.0));
        canvas.line("axis", (x(lane), TOP), (x(lane), height - 8.0));
    }
    for (row, step) in steps.iter().enumerate() {
        let y = TOP + ROW * (row as f64 + 0.8);
        canvas.text("quiet", (LEFT - 8.0, y + 4.0), Anchor::End, &step.time);
        canvas.titled(&format!("{} {}", step.time, step.text), |canvas| draw(canvas, step, &x, y));
    }
    let body = canvas.finish();
    let css = style::CSS;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
         height=\"{height}\">\n<style>{css}</style>\n{body}</svg>\n"
    )
}

fn draw(canvas: &mut Canvas, step: &SequenceStep, x: &impl Fn(usize) -> f64, y: f64) {
    let series = match step.kind {
        StepKind::Message => 0,
        StepKind::Lost => 4,
        StepKind::Fault => 1,
        StepKind::Change => 2,
        StepKind::Violation => 3,
    };
    let (line, fill) = (format!("mark s{series}"), format!("f s{series}"));
    let from = x(step.from);
    match step.to {
        Some(to) if to != step.from => {
            let to = x(to);
            let sign = if to > from { 1.0 } else { -1.0 };
            let end = if step.kind == StepKind::Lost { from + (to - from) * 0.55 } else { to };
            canvas.line(&line, (from, y), (end - sign * 7.0, y));
            if step.kind == StepKind::Lost {
                canvas.line(&line, (end - 5.0, y - 5.0), (end + 5.0, y + 5.0));
                canvas.line(&line, (end - 5.0, y + 5.0), (end + 5.0, y - 5.0));
            } else {
                canvas.polygon(&fill, &[(end, y), (end - sign * 8.0, y - 4.0), (end - sign * 8.0, y + 4.0)]);
            }
            let room = (to - from).abs() - 16.0;
            canvas.text("", ((from + to) / 2.0, y - 5.0), Anchor::Middle, &ellipsize(&step.text, room));
        }
        _ => {
            canvas.disc(&fill, (from, y), 4.5);
            canvas.text("", (from + 9.0, y + 4.0), Anchor::Start, &ellipsize(&step.text, LANE - 14.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_and_steps_are_drawn_in_order_and_texts_are_escaped() {
        let step = |from, to, kind, text: &str| SequenceStep {
            time: "1.5 s".into(),
            from,
            to,
            text: text.into(),
            kind,
        };
        let lanes = ["a-0".to_owned(), "broker".to_owned()];
        let steps = [
            step(0, Some(1), StepKind::Message, "lock <1>"),
            step(1, Some(0), StepKind::Lost, "lost"),
            step(0, None, StepKind::Violation, "two holders"),
        ];
        let svg = svg("one-holder", &lanes, &steps);
        assert!(svg.contains("lock &lt;1&gt;") && svg.contains("a-0") && svg.ends_with("</svg>\n"), "{svg}");
        assert_eq!(svg.matches("<polygon").count(), 1, "a lost message has no head");
        assert!(svg.find("lock").unwrap() < svg.find("two holders").unwrap());
    }
}
