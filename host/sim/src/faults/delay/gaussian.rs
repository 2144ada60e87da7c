//! The standard normal distribution, with equal bits on every platform.
//!
//! Apart from the four operations and the square root, which IEEE 754 defines to the last bit, only `libm`
//! functions are used, which consist of these operations.

#![expect(clippy::excessive_precision, reason = "the coefficients have the published digits")]

use std::f64::consts::SQRT_2;

/// Cumulative distribution function.
pub(super) fn cumulative(x: f64) -> f64 {
    0.5 * libm::erfc(-x / SQRT_2)
}

/// Quantile at the share `p`, to about 16 digits: algorithm AS 241 (Wichura, "The percentage points of the
/// normal distribution", Applied Statistics 37, 1988). Shares of 0 and 1 are replaced by the nearest shares
/// within.
pub(super) fn quantile(p: f64) -> f64 {
    let p = p.clamp(f64::MIN_POSITIVE, 1.0 - f64::EPSILON / 2.0);
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * ratio(&CENTRE, r);
    }
    let tail = if q < 0.0 { p } else { 1.0 - p };
    let r = (-libm::log(tail)).sqrt();
    let x = if r <= 5.0 { ratio(&FLANK, r - 1.6) } else { ratio(&FAR, r - 5.0) };
    if q < 0.0 { -x } else { x }
}

/// Coefficients of the numerator and the denominator, that of the highest power last.
type Coefficients = [[f64; 8]; 2];

fn ratio(coefficients: &Coefficients, x: f64) -> f64 {
    let [above, below] = coefficients.map(|row| row.iter().rev().fold(0.0, |sum, term| sum * x + term));
    above / below
}

const CENTRE: Coefficients = [
    [
        3.387_132_872_796_366_608,
        1.331_416_678_917_843_774_5e2,
        1.971_590_950_306_551_442_7e3,
        1.373_169_376_550_946_112_5e4,
        4.592_195_393_154_987_145_7e4,
        6.726_577_092_700_870_085_3e4,
        3.343_057_558_358_812_810_5e4,
        2.509_080_928_730_122_672_7e3,
    ],
    [
        1.0,
        4.231_333_070_160_091_125_2e1,
        6.871_870_074_920_579_083e2,
        5.394_196_021_424_751_107_7e3,
        2.121_379_430_158_659_586_7e4,
        3.930_789_580_009_271_061e4,
        2.872_908_573_572_194_267_4e4,
        5.226_495_278_852_854_561e3,
    ],
];

const FLANK: Coefficients = [
    [
        1.423_437_110_749_683_577_34,
        4.630_337_846_156_545_295_9,
        5.769_497_221_460_691_405_5,
        3.647_848_324_763_204_605_04,
        1.270_458_252_452_368_382_58,
        2.417_807_251_774_506_117_7e-1,
        2.272_384_498_926_918_458_33e-2,
        7.745_450_142_783_414_076_4e-4,
    ],
    [
        1.0,
        2.053_191_626_637_758_821_87,
        1.676_384_830_183_803_849_4,
        6.897_673_349_851_000_045_5e-1,
        1.481_039_764_274_800_745_9e-1,
        1.519_866_656_361_645_719_66e-2,
        5.475_938_084_995_344_946e-4,
        1.050_750_071_644_416_843_24e-9,
    ],
];

const FAR: Coefficients = [
    [
        6.657_904_643_501_103_777_2,
        5.463_784_911_164_114_369_9,
        1.784_826_539_917_291_335_8,
        2.965_605_718_285_048_912_3e-1,
        2.653_218_952_657_612_309_3e-2,
        1.242_660_947_388_078_438_6e-3,
        2.711_555_568_743_487_578_15e-5,
        2.010_334_399_292_288_132_65e-7,
    ],
    [
        1.0,
        5.998_322_065_558_879_376_9e-1,
        1.369_298_809_227_358_053_1e-1,
        1.487_536_129_085_061_485_25e-2,
        7.868_691_311_456_132_591e-4,
        1.846_318_317_510_054_681_8e-5,
        1.421_511_758_316_445_888_7e-7,
        2.044_263_103_389_939_785_64e-15,
    ],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_table() {
        for (share, expected) in [
            (0.5, 0.0),
            (0.75, 0.674_489_750_196_081_7),
            (0.975, 1.959_963_984_540_054),
            (0.001, -3.090_232_306_167_813_5),
            (1e-20, -9.262_340_089_798_408),
        ] {
            let found = quantile(share);
            assert!((found - expected).abs() <= 1e-15 * expected.abs().max(1.0) * 4.0, "{share}: {found}");
        }
    }

    #[test]
    fn the_share_below_a_quantile_is_the_share() {
        for n in 1..1_000 {
            let share = f64::from(n) / 1_000.0;
            assert!((cumulative(quantile(share)) - share).abs() < 1e-15, "{share}");
        }
    }

    #[test]
    fn the_ends_are_finite() {
        assert!(quantile(0.0).is_finite() && quantile(1.0).is_finite());
    }
}
