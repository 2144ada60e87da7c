//! Drawing: a small plotting library whose output is the same bytes for the same input, needs nothing from
//! outside, and follows the reader's light or dark mode.
//!
//! A [`chart::Chart`] has two [`axis`]es, on a [`scale`], and [`chart::Mark`]s; a [`bars::Bars`] has rows;
//! a [`graph::Graph`] has nodes. All become a [`Drawing`] on a [`canvas`]. Colours are classes, which [`style`] explains.

pub mod axis;
pub mod bars;
pub mod canvas;
pub mod chart;
pub mod graph;
pub mod lanes;
pub mod layout;
pub mod legend;
pub mod scale;
pub mod style;

use super::escape::Escaped;

/// A finished plot.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    /// A name for its file and for links: lower case and hyphens.
    pub name: &'static str,
    /// What it shows.
    pub title: String,
    /// What there is to see, for those who cannot.
    pub description: String,
    width: f64,
    height: f64,
    /// What a script needs to read figures off the lines.
    script_data: String,
    body: String,
}

impl Drawing {
    /// As a part of a page whose styles hold [`style::CSS`].
    pub fn inline(&self) -> String {
        self.svg("")
    }

    /// As a file of its own.
    pub fn standalone(&self) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n",
            self.svg(&format!("<style>{}</style>\n", style::CSS))
        )
    }

    fn svg(&self, style: &str) -> String {
        let Self { name, title, description, width, height, script_data, body } = self;
        let (title, description) = (Escaped(title), Escaped(description));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"plot\" viewBox=\"0 0 {width} {height}\" \
             role=\"img\" aria-labelledby=\"{name}-title {name}-desc\"{script_data}>\n\
             <title id=\"{name}-title\">{title}</title>\n<desc id=\"{name}-desc\">{description}</desc>\n\
             {style}<rect class=\"paper\" width=\"{width}\" height=\"{height}\"/>\n{body}</svg>"
        )
    }
}
