//! Distributions of the random numbers of a device or of a fault. All numbers derive from the seed of the
//! run.

use crate::Device;
use crate::fault::Link;
use crate::host::imports;

imports! {
    random::next_u64 => fn next_u64(host) -> u64 {
        host.random(|stream| stream.next_u64())
    }
    random::uniform => fn uniform(host) -> f64 {
        host.random(|stream| stream.uniform())
    }
    random::bytes => fn bytes(host, count: u32) -> Vec<u8> {
        let mut bytes = vec![0; count.min(MAX_RANDOM_BYTES) as usize];
        host.random(|stream| stream.fill(&mut bytes));
        bytes
    }
}

/// Maximum number of bytes that one call of `random.bytes` returns, as in the host.
#[cfg(all(not(target_arch = "wasm32"), feature = "bench"))]
const MAX_RANDOM_BYTES: u32 = 65_536;

macro_rules! distributions {
    ($of:ty) => {
        impl $of {
            /// Uniform from 0 (included) to 1 (excluded).
            pub fn uniform(&mut self) -> f64 {
                self.host().uniform()
            }

            /// Uniform from `low` (included) to `high` (excluded).
            pub fn between(&mut self, low: f64, high: f64) -> f64 {
                low + (high - low) * self.uniform()
            }

            /// 64 random bits.
            pub fn random_bits(&mut self) -> u64 {
                self.host().next_u64()
            }

            /// `count` random bytes, at most 65,536.
            pub fn random_bytes(&mut self, count: u32) -> Vec<u8> {
                self.host().bytes(count)
            }

            /// A uniform integer from 0 to `count - 1`; 0 if `count` is 0.
            pub fn below(&mut self, count: u64) -> u64 {
                // The high half of a 128-bit product: no division, and a bias below count / 2⁶⁴.
                ((u128::from(self.host().next_u64()) * u128::from(count)) >> 64) as u64
            }

            /// True with this probability: never at 0, always at 1.
            pub fn chance(&mut self, probability: f64) -> bool {
                probability > 0.0 && self.uniform() < probability
            }

            /// A normal deviate with mean 0 and standard deviation 1 (Marsaglia's polar method).
            pub fn normal(&mut self) -> f64 {
                loop {
                    let (x, y) = (self.between(-1.0, 1.0), self.between(-1.0, 1.0));
                    let square = x * x + y * y;
                    if square > 0.0 && square < 1.0 {
                        // The second deviate is discarded: keeping it would add state to snapshots.
                        return x * (-2.0 * square.ln() / square).sqrt();
                    }
                }
            }

            /// An exponential deviate with this mean: the interval between events of a Poisson process.
            pub fn exponential(&mut self, mean: f64) -> f64 {
                -mean * (1.0 - self.uniform()).ln()
            }
        }
    };
}

distributions!(Device);
distributions!(Link);

#[cfg(all(test, feature = "bench"))]
mod tests {
    use crate::bench;

    const DRAWS: usize = 100_000;

    fn mean(numbers: &[f64]) -> f64 {
        numbers.iter().sum::<f64>() / numbers.len() as f64
    }

    #[test]
    fn normal_deviates_have_mean_zero_and_variance_one() {
        let mut device = bench::device(7);
        let draws: Vec<f64> = (0..DRAWS).map(|_| device.normal()).collect();
        // Five standard errors: a correct generator fails for one in two million seeds.
        assert!(mean(&draws).abs() < 5.0 / (DRAWS as f64).sqrt());
        let squares: Vec<f64> = draws.iter().map(|x| x * x).collect();
        assert!((mean(&squares) - 1.0).abs() < 5.0 * (2.0 / DRAWS as f64).sqrt());
    }

    #[test]
    fn exponential_deviates_have_their_mean_and_no_sign() {
        let mut device = bench::device(7);
        let draws: Vec<f64> = (0..DRAWS).map(|_| device.exponential(3.0)).collect();
        assert!(draws.iter().all(|draw| *draw >= 0.0));
        assert!((mean(&draws) - 3.0).abs() < 5.0 * 3.0 / (DRAWS as f64).sqrt());
    }

    #[test]
    fn below_reaches_every_number_and_no_other() {
        let mut device = bench::device(7);
        let mut seen = [0; 3];
        for _ in 0..3_000 {
            seen[device.below(3) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (850..1150).contains(count)), "{seen:?}");
        assert_eq!(device.below(0), 0);
    }

    #[test]
    fn probabilities_of_zero_and_one_are_exact() {
        let mut device = bench::device(7);
        assert!((0..1000).all(|_| !device.chance(0.0)));
        assert!((0..1000).all(|_| device.chance(1.0)));
    }
}
