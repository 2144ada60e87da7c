//! A small SVG plotting library. Equal input gives equal bytes; the output is self-contained and follows the light or dark
//! mode of the reader.
//!
//! A [`chart::Chart`] has two [`axis`]es, each with a [`scale`], and [`chart::Mark`]s; a [`bars::Bars`] has rows; a
//! [`graph::Graph`] has nodes. Each draws on a [`canvas`] and gives a [`Drawing`]. Colours are CSS classes of [`style`].

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
    /// Name for the file and for links, in lower case with hyphens.
    pub name: &'static str,
    /// Title above the plot.
    pub title: String,
    /// Text alternative for screen readers.
    pub description: String,
    width: f64,
    height: f64,
    /// Attributes with the axes, for the script that shows figures at the pointer.
    script_data: String,
    body: String,
}

impl Drawing {
    /// The SVG for a page that includes [`style::CSS`].
    pub fn inline(&self) -> String {
        self.svg("")
    }

    /// The SVG as a file with its own styles.
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
