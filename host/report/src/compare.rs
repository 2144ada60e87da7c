//! Comparisons of experiments: their figures side by side, with the confidence intervals of the differences.

pub mod agreement;
pub mod html;
pub mod json;
pub mod notices;
pub mod plans;
pub mod rows;
pub mod text;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cohort::{Cohort, by_point};
use super::error::Error;
use super::figures::{Figure, PlotInput, all};
use super::results::Results;
use super::{svg, write};
use rows::Row;

/// Two or more experiments. The first is the baseline of all differences.
#[derive(Clone, Debug)]
pub struct Comparison {
    experiments: Vec<ComparedExperiment>,
}

/// One experiment of a comparison.
#[derive(Clone, Debug)]
pub struct ComparedExperiment {
    /// Letter of the experiment: `A`, `B`, ...
    pub letter: String,
    /// Letter and name: that of the plan, or that of the folder if two plans have the same name.
    pub name: String,
    /// Name of the folder, without its path.
    pub folder: String,
    /// Content of the folder.
    pub results: Results,
    /// The plan in the folder; `None` if it cannot be read. Figures do not need it.
    pub plan: Option<Value>,
}

/// Field name of the experiments in legends.
const LABEL_FIELD: &str = "experiment";

impl Comparison {
    /// Compares results.
    ///
    /// # Errors
    /// There are fewer than two, or one of them has no run that ended.
    pub fn new(all: Vec<Results>) -> Result<Self, Error> {
        if all.len() < 2 {
            return Err(Error::TooFew);
        }
        if let Some(empty) = all.iter().find(|results| results.runs.is_empty()) {
            return Err(Error::Empty { dir: empty.dir.clone() });
        }
        let plans: BTreeSet<String> = all.iter().map(|results| results.manifest.plan.name.clone()).collect();
        let plans_differ = plans.len() == all.len();
        let experiment = |(index, results): (usize, Results)| {
            let (letter, folder) = (letter(index), folder_name(&results.dir));
            let name = if plans_differ { &results.manifest.plan.name } else { &folder };
            let plan = plans::read(&results.dir);
            ComparedExperiment { name: format!("{letter}: {name}"), letter, folder, plan, results }
        };
        Ok(Self { experiments: all.into_iter().enumerate().map(experiment).collect() })
    }

    /// The experiments, in the order given.
    pub fn experiments(&self) -> &[ComparedExperiment] {
        &self.experiments
    }

    /// A row for each metric at each point, with the differences.
    pub fn rows(&self) -> Vec<Row> {
        rows::rows(&self.experiments)
    }

    /// The comparison as text for a terminal.
    pub fn text(&self) -> String {
        text::text(&self.experiments, &self.rows())
    }

    /// The comparison as JSON.
    pub fn json(&self) -> Value {
        json::json(&self.experiments, &self.rows())
    }

    /// Plots that show all experiments together.
    pub fn figures(&self) -> Vec<Figure> {
        let cohorts: Vec<Cohort<'_>> =
            self.experiments.iter().flat_map(ComparedExperiment::cohorts).collect();
        all(PlotInput { cohorts: &cohorts, labels: LABEL_FIELD })
    }

    /// The comparison as an HTML page.
    pub fn html(&self) -> String {
        html::page(&self.experiments, &self.rows(), &self.figures())
    }

    /// Writes `comparison.html` and `plots/*.svg` into a folder, and creates it if necessary.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, Error> {
        write::folder(folder)?;
        svg::write(&folder.join("plots"), &self.figures())?;
        let file = folder.join("comparison.html");
        write::file(&file, &self.html())?;
        Ok(file)
    }
}

impl ComparedExperiment {
    /// The cohorts, with the letter of the experiment in their labels.
    fn cohorts(&self) -> Vec<Cohort<'_>> {
        let mut cohorts = by_point(&self.results);
        let several = cohorts.len() > 1;
        for cohort in &mut cohorts {
            cohort.label = match several {
                true => format!("{}: {}", self.letter, cohort.label),
                false => cohort.mark_label(&self.name),
            };
            cohort.point.insert(LABEL_FIELD.to_owned(), Value::String(self.name.clone()));
        }
        cohorts
    }
}

fn letter(index: usize) -> String {
    match u8::try_from(index) {
        Ok(index @ 0..26) => char::from(b'A' + index).to_string(),
        _ => format!("#{}", index + 1),
    }
}

fn folder_name(dir: &Path) -> String {
    let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
    whole.file_name().map_or("results".to_owned(), |name| name.to_string_lossy().into_owned())
}
