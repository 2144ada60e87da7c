//! Delivery statistics of the sink for each origin.

use wasmote_sdk::json::Value;
use wasmote_sdk::object;
use wasmote_sdk::sorted_map::SortedMap;

/// Maximum number of origins with statistics.
const MAX_ORIGINS: usize = 4_096;

struct Origin {
    first: u64,
    highest: u64,
    delivered: u64,
    /// Bit mask of delivered packets among the 64 up to the highest number, which is bit 0.
    window: u64,
}

#[derive(Default)]
pub struct Deliveries(SortedMap<Origin>);

impl Deliveries {
    /// Records a packet. False if it is a duplicate, or too old for the window.
    pub fn enter(&mut self, origin: &str, number: u64) -> bool {
        let Some(origin) = self.0.get_mut(origin) else {
            if self.0.len() < MAX_ORIGINS {
                self.0.insert(origin, Origin { first: number, highest: number, delivered: 1, window: 1 });
            }
            return true;
        };
        if number > origin.highest {
            let ahead = number - origin.highest;
            origin.window = if ahead < 64 { origin.window << ahead | 1 } else { 1 };
            origin.highest = number;
        } else {
            let behind = origin.highest - number;
            if behind >= 64 || origin.window >> behind & 1 == 1 {
                return false;
            }
            origin.window |= 1 << behind;
            origin.first = origin.first.min(number);
        }
        origin.delivered += 1;
        true
    }

    /// Delivered packets, as a share of all that the origins have numbered since the first delivery.
    pub fn ratio(&self) -> Option<f64> {
        let delivered: u64 = self.0.iter().map(|(_, origin)| origin.delivered).sum();
        let numbered: f64 =
            self.0.iter().map(|(_, origin)| (origin.highest - origin.first) as f64 + 1.0).sum();
        (delivered > 0).then(|| delivered as f64 / numbered)
    }

    pub fn save(&self) -> Value {
        let row = |(id, origin): (&String, &Origin)| {
            object! {
                "origin": id,
                "first": origin.first,
                "highest": origin.highest,
                "delivered": origin.delivered,
                "window": Value::from(vec![(origin.window >> 32) as u32, origin.window as u32]),
            }
        };
        self.0.iter().map(row).collect()
    }

    pub fn load(&mut self, saved: Option<&Value>) {
        for row in saved.and_then(Value::list).unwrap_or_default().iter().take(MAX_ORIGINS) {
            if let Some((id, origin)) = load_row(row) {
                self.0.insert(&id, origin);
            }
        }
    }
}

fn load_row(row: &Value) -> Option<(String, Origin)> {
    let whole = |name: &str| row.get(name)?.unsigned();
    let [high, low] = row.get("window")?.list()? else { return None };
    let origin = Origin {
        first: whole("first")?,
        highest: whole("highest")?,
        delivered: whole("delivered")?,
        window: high.unsigned()? << 32 | low.unsigned()?,
    };
    let sound = origin.first <= origin.highest;
    sound.then_some((row.get("origin")?.text()?.into(), origin))
}
