//! Page of a finding.

use std::fmt::Write;

use wasmote_report::escape::Escaped;

use super::steps::Diagram;
use super::{MINIMAL, Report};

const CSS: &str = "\
:root{color-scheme:light dark;--rule:#8884;--bad:#b3360a}\
body{font:15px/1.5 system-ui,sans-serif;max-width:1200px;margin:0 auto;padding:24px 16px}\
h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:28px 0 8px}\
.bad{color:var(--bad);font-weight:600}pre{overflow:auto;border:1px solid var(--rule);border-radius:6px;padding:12px}\
table{border-collapse:collapse;font-size:13px}td,th{border-bottom:1px solid var(--rule);padding:3px 12px 3px 0;\
text-align:left;vertical-align:top}td:first-child{white-space:nowrap;font-variant-numeric:tabular-nums}\
.wide{overflow-x:auto}";

/// The page, which needs no network.
pub(super) fn page(report: &Report, plan: &str, diagram: &Diagram, svg: &str) -> String {
    let failure = &report.failure;
    let title = Escaped(&failure.signature.to_string()).to_string();
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{title}</title>\n\
         <style>{CSS}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    );
    let _ = writeln!(
        text,
        "<p class=\"bad\">At {:.3} s: {}</p>\n<p>Run {} of the hunt failed first in this way, with {}. The smallest plan has {}, \
         {} and lasts {}. It was found with {} further runs.</p>\n\
         <p>To see it again: <code>wasmote experiment run {MINIMAL}</code> in this folder.</p>",
        failure.at_s,
        Escaped(&failure.message),
        report.run,
        parts(report.drawn.faults, report.drawn.actions),
        parts(report.minimal.faults, report.minimal.actions),
        plural(report.devices, "device"),
        Escaped(&report.duration),
        report.tried,
    );
    let _ = writeln!(text, "<h2>Sequence</h2>\n<div class=\"wide\">{svg}</div>");
    let _ = writeln!(text, "<h2>Steps</h2>");
    if diagram.left_out > 0 {
        let _ = writeln!(text, "<p>{} earlier events are in run/events.ndjson.</p>", diagram.left_out);
    }
    text += "<table>\n<tr><th>time</th><th>where</th><th>what</th></tr>\n";
    for step in &diagram.steps {
        let to = step.to.map(|to| format!(" → {}", diagram.lanes[to])).unwrap_or_default();
        let place = format!("{}{to}", diagram.lanes[step.from]);
        let _ = writeln!(
            text,
            "<tr><td>{}</td><td>{}</td><td>{}</td></tr>",
            Escaped(&step.time),
            Escaped(&place),
            Escaped(&step.text)
        );
    }
    let _ = writeln!(text, "</table>\n<h2>{MINIMAL}</h2>\n<pre>{}</pre>\n</body>\n</html>", Escaped(plan));
    text
}

fn parts(faults: usize, actions: usize) -> String {
    format!("{} and {}", plural(faults, "fault"), plural(actions, "action"))
}

fn plural(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}
