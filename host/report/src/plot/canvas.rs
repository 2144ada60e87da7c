//! Writer of SVG elements.

use std::fmt::{self, Display, Write};

use crate::escape::Escaped;

/// Horizontal alignment of a text at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// The text starts there.
    Start,
    /// The text is centred there.
    Middle,
    /// The text ends there.
    End,
}

/// Body of an SVG. Lengths are in user units, which are pixels at the natural size.
#[derive(Clone, Debug, Default)]
pub struct Canvas {
    body: String,
}

/// A coordinate, written with at most two decimals.
#[derive(Clone, Copy, Debug)]
pub struct Px(pub f64);

impl Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = (self.0 * 100.0).round() / 100.0;
        // Negative zero is written as 0.
        write!(f, "{}", if rounded == 0.0 { 0.0 } else { rounded })
    }
}

impl Canvas {
    /// Returns the SVG elements.
    pub fn finish(self) -> String {
        self.body
    }

    /// Draws a filled rectangle; `more` contains further attributes, each after a space.
    pub fn rect(&mut self, class: &str, (x, y): (f64, f64), (width, height): (f64, f64), more: &str) {
        let (x, y, width, height) = (Px(x), Px(y), Px(width), Px(height));
        self.put(format_args!(
            "<rect class=\"{class}\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"{more}/>"
        ));
    }

    /// Draws a straight line.
    pub fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let (x1, y1, x2, y2) = (Px(x1), Px(y1), Px(x2), Px(y2));
        self.put(format_args!("<line class=\"{class}\" x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"/>"));
    }

    /// Draws a line through points; the script of the page shows `name` at the pointer.
    pub fn polyline(&mut self, class: &str, points: &[(f64, f64)], name: &str) {
        let (points, name) = (joined(points), Escaped(name));
        self.put(format_args!("<polyline class=\"{class}\" points=\"{points}\" data-name=\"{name}\"/>"));
    }

    /// Draws a polygon.
    pub fn polygon(&mut self, class: &str, points: &[(f64, f64)]) {
        let points = joined(points);
        self.put(format_args!("<polygon class=\"{class}\" points=\"{points}\"/>"));
    }

    /// Draws a disc.
    pub fn disc(&mut self, class: &str, (x, y): (f64, f64), radius: f64) {
        let (x, y, radius) = (Px(x), Px(y), Px(radius));
        self.put(format_args!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"{radius}\"/>"));
    }

    /// Draws a line of text.
    pub fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: Anchor, text: &str) {
        let (x, y, text) = (Px(x), Px(y), Escaped(text));
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        self.put(format_args!("<text class=\"{class}\" x=\"{x}\" y=\"{y}\"{anchor}>{text}</text>"));
    }

    /// Draws elements with a tooltip.
    pub fn titled(&mut self, title: &str, draw: impl FnOnce(&mut Self)) {
        let title = Escaped(title);
        self.put(format_args!("<g><title>{title}</title>"));
        draw(self);
        self.put(format_args!("</g>"));
    }

    fn put(&mut self, element: fmt::Arguments<'_>) {
        let _ = writeln!(self.body, "{element}");
    }
}

fn joined(points: &[(f64, f64)]) -> String {
    let mut text = String::new();
    for (x, y) in points {
        let gap = if text.is_empty() { "" } else { " " };
        let _ = write!(text, "{gap}{},{}", Px(*x), Px(*y));
    }
    text
}

/// Estimated width of a text at font size 11, on the large side because fonts differ.
pub fn text_width(text: &str) -> f64 {
    text.chars()
        .map(|c| match c {
            'i' | 'j' | 'l' | '.' | ',' | '\'' | '|' | ':' => 3.2,
            'm' | 'w' | 'M' | 'W' | '@' | '%' => 9.6,
            'A'..='Z' => 7.6,
            c if c.is_ascii() => 6.2,
            '\u{a0}' => 3.2,
            '\u{1100}'.. => 11.5,
            _ => 7.0,
        })
        .sum()
}

/// The text, truncated with an ellipsis to at most this width.
pub fn ellipsize(text: &str, width: f64) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for c in text.chars() {
        if text_width(&short) + text_width(c.encode_utf8(&mut [0; 4])) + 7.0 > width {
            break;
        }
        short.push(c);
    }
    short + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short() {
        assert_eq!([Px(1.0), Px(-0.0001), Px(2.345_67)].map(|px| px.to_string()), ["1", "0", "2.35"]);
    }

    #[test]
    fn a_long_text_is_truncated() {
        assert_eq!(ellipsize("short", 100.0), "short");
        let cut = ellipsize("a-name-that-goes-on-and-on", 60.0);
        assert!(cut.ends_with('…') && text_width(&cut) <= 60.0, "{cut}");
    }
}
