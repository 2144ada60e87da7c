//! Plots as SVG files, for papers and slides.

use std::path::{Path, PathBuf};

use super::error::Error;
use super::figures::Figure;
use super::write;

/// Writes each plot to a file with its name.
///
/// # Errors
/// The folder cannot be written to.
pub fn write(folder: &Path, figures: &[Figure]) -> Result<Vec<PathBuf>, Error> {
    if figures.is_empty() {
        return Ok(Vec::new());
    }
    write::folder(folder)?;
    figures
        .iter()
        .map(|figure| {
            let file = folder.join(figure.drawing.name).with_extension("svg");
            write::file(&file, &figure.drawing.standalone())?;
            Ok(file)
        })
        .collect()
}
