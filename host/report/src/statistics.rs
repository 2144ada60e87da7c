//! Means over seeds and differences of means, with confidence intervals.

/// Two-sided 95 % quantiles of Student's t distribution by degrees of freedom. Source: NIST/SEMATECH e-Handbook
/// of Statistical Methods, section 1.3.6.7.2, "Critical Values of the Student's t Distribution", column 0.975.
const T_975: [(f64, f64); 36] = [
    (1.0, 12.706),
    (2.0, 4.303),
    (3.0, 3.182),
    (4.0, 2.776),
    (5.0, 2.571),
    (6.0, 2.447),
    (7.0, 2.365),
    (8.0, 2.306),
    (9.0, 2.262),
    (10.0, 2.228),
    (11.0, 2.201),
    (12.0, 2.179),
    (13.0, 2.160),
    (14.0, 2.145),
    (15.0, 2.131),
    (16.0, 2.120),
    (17.0, 2.110),
    (18.0, 2.101),
    (19.0, 2.093),
    (20.0, 2.086),
    (21.0, 2.080),
    (22.0, 2.074),
    (23.0, 2.069),
    (24.0, 2.064),
    (25.0, 2.060),
    (26.0, 2.056),
    (27.0, 2.052),
    (28.0, 2.048),
    (29.0, 2.045),
    (30.0, 2.042),
    (40.0, 2.021),
    (50.0, 2.009),
    (60.0, 2.000),
    (80.0, 1.990),
    (100.0, 1.984),
    (f64::INFINITY, 1.960),
];

/// A mean over seeds with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// Number of values.
    pub count: usize,
    /// Mean of the values.
    pub mean: f64,
    /// Half the width of the 95 % confidence interval; `None` for a single value.
    pub half_width: Option<f64>,
    variance: f64,
}

impl Estimate {
    /// Computes the estimate from values of independent runs; `None` without values.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        let n = count as f64;
        let mean = values.iter().sum::<f64>() / n;
        if count == 1 {
            return Some(Self { count, mean, half_width: None, variance: 0.0 });
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let variance = squares / (n - 1.0);
        let half_width = Some(t_quantile(n - 1.0) * (variance / n).sqrt());
        Some(Self { count, mean, half_width, variance })
    }

    /// The ends of the interval; both are the mean of a single value.
    pub fn interval(&self) -> (f64, f64) {
        let half = self.half_width.unwrap_or(0.0);
        (self.mean - half, self.mean + half)
    }

    /// The variance of the mean.
    fn error(&self) -> f64 {
        self.variance / self.count as f64
    }
}

/// A difference of two means with its confidence interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// Second mean minus first mean.
    pub value: f64,
    /// Half the width of Welch's 95 % confidence interval; `None` unless both means have two or more values.
    pub half_width: Option<f64>,
}

impl Difference {
    /// Computes `b - a`. The variances may differ; the degrees of freedom follow Welch and Satterthwaite.
    pub fn between(a: &Estimate, b: &Estimate) -> Self {
        let value = b.mean - a.mean;
        if a.count < 2 || b.count < 2 {
            return Self { value, half_width: None };
        }
        let (ea, eb) = (a.error(), b.error());
        let error = ea + eb;
        if error == 0.0 {
            return Self { value, half_width: Some(0.0) };
        }
        let spread = ea * ea / (a.count as f64 - 1.0) + eb * eb / (b.count as f64 - 1.0);
        Self { value, half_width: Some(t_quantile(error * error / spread) * error.sqrt()) }
    }

    /// True if the interval does not contain zero; `None` without an interval.
    pub fn is_significant(&self) -> Option<bool> {
        self.half_width.map(|half| self.value.abs() > half)
    }
}

/// The two-sided 95 % quantile of Student's t. Between the entries of the table, its logarithm is interpolated linearly
/// over the reciprocal of the degrees of freedom. The error is at most about 0.6 % above 2 degrees of
/// freedom.
pub fn t_quantile(degrees: f64) -> f64 {
    let upper = T_975.partition_point(|&(known, _)| known < degrees).clamp(1, T_975.len() - 1);
    let ((below, t_below), (above, t_above)) = (T_975[upper - 1], T_975[upper]);
    let share = (1.0 / below - 1.0 / degrees.max(1.0)) / (1.0 / below - 1.0 / above);
    (t_below.ln() + share * (t_above.ln() - t_below.ln())).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quantile_equals_the_table_and_is_interpolated_between() {
        for (degrees, t) in T_975 {
            assert!((t_quantile(degrees) - t).abs() < 1e-9, "{degrees}");
        }
        // Exact values by numerical integration of the density.
        for (degrees, t) in [(2.5, 3.5747), (4.5, 2.6589), (35.0, 2.0301), (1000.0, 1.9623)] {
            let found = t_quantile(degrees);
            assert!((found / t - 1.0).abs() < 0.006, "{degrees}: {found}, not {t}");
        }
        assert!((t_quantile(1.5) / 6.0167 - 1.0).abs() < 0.03);
    }

    #[test]
    fn an_interval_equals_the_textbook_value() {
        let found = Estimate::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).unwrap();
        assert_eq!(found.mean, 3.0);
        assert!((found.half_width.unwrap() - 2.776 * (0.5f64).sqrt()).abs() < 1e-12);
        assert_eq!(Estimate::of(&[7.0]).unwrap().half_width, None);
        assert_eq!(Estimate::of(&[]), None);
    }

    #[test]
    fn welchs_interval_weighs_both_variances() {
        let a = Estimate::of(&[10.0, 12.0, 14.0]).unwrap();
        let b = Estimate::of(&[20.0, 20.0, 20.0, 20.0]).unwrap();
        let found = Difference::between(&a, &b);
        // b has no variance, so the interval is that of a with two degrees of freedom.
        assert_eq!(found.value, 8.0);
        assert!((found.half_width.unwrap() - 4.303 * (4.0f64 / 3.0).sqrt()).abs() < 1e-9);
        assert_eq!(found.is_significant(), Some(true));
        let one = Estimate::of(&[1.0]).unwrap();
        assert_eq!(Difference::between(&a, &one).half_width, None);
    }
}
