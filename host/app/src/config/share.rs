//! A part of a fleet that is too large for one process.

use std::fmt;
use std::str::FromStr;

/// One of several equal parts, written `2/6`. Devices are dealt out in turn, so that every part has its share of
/// each group. Names, numbers and random streams are those of the whole fleet: the parts together do what one
/// process would.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// From 0 on.
    number: u32,
    of: u32,
}

impl Share {
    /// Whether the device in this place of the whole fleet belongs to it.
    pub fn has(self, place: usize) -> bool {
        place % self.of as usize == self.number as usize
    }

    /// How many of a fleet's devices belong to it.
    pub fn of(self, devices: usize) -> usize {
        devices.saturating_sub(self.number as usize).div_ceil(self.of as usize)
    }

    /// Whether it is the whole.
    pub fn is_whole(self) -> bool {
        self.of == 1
    }
}

impl Default for Share {
    fn default() -> Self {
        Self { number: 0, of: 1 }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number + 1, self.of)
    }
}

impl FromStr for Share {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(part, of)| Some((part.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((part @ 1.., of)) if part <= of => Ok(Self { number: part - 1, of }),
            _ => Err(format!(
                "`{text}` is no share of a fleet; use PART/PARTS, such as 2/6 for the second of six"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_deal_out_every_device_once() {
        for devices in [1, 5, 6, 100] {
            let shares: Vec<Share> = (1..=6).map(|part| format!("{part}/6").parse().unwrap()).collect();
            for place in 0..devices {
                assert_eq!(shares.iter().filter(|share| share.has(place)).count(), 1);
            }
            for share in &shares {
                assert_eq!(
                    share.of(devices),
                    (0..devices).filter(|place| share.has(*place)).count(),
                    "{share}"
                );
            }
        }
        assert!((0..9).all(|place| Share::default().has(place)));
    }

    #[test]
    fn what_is_no_share_says_what_is() {
        for text in ["0/6", "7/6", "2", "2/0", "/", "a/b", "-1/2"] {
            assert!(text.parse::<Share>().unwrap_err().contains("2/6"), "{text}");
        }
    }
}
