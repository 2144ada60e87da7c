//! The behaviours and fault models that travel inside the binary.

/// A behaviour or a fault model that needs no file.
#[derive(Debug, PartialEq, Eq)]
pub struct Builtin {
    /// What to call it on the command line.
    pub name: &'static str,
    /// The component.
    pub bytes: &'static [u8],
}

static BEHAVIOURS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/behaviours.rs"));
static FAULT_MODELS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/fault_models.rs"));

/// The behaviours; the default one first.
pub fn all() -> impl Iterator<Item = Builtin> {
    BEHAVIOURS.iter().map(|&(name, bytes)| Builtin { name, bytes })
}

/// The fault models.
pub fn fault_models() -> impl Iterator<Item = Builtin> {
    FAULT_MODELS.iter().map(|&(name, bytes)| Builtin { name, bytes })
}

/// A behaviour or a fault model by its name.
pub fn find(name: &str) -> Option<Builtin> {
    all().chain(fault_models()).find(|builtin| builtin.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_is_a_component_under_100_kb() {
        for builtin in all().chain(fault_models()) {
            // Magic, then version 13 and layer 1: a component, where a core module has version 1.
            assert_eq!(builtin.bytes.get(..8), Some(&b"\0asm\x0d\0\x01\0"[..]), "{}", builtin.name);
            assert!(builtin.bytes.len() < 100_000, "{} has {} bytes", builtin.name, builtin.bytes.len());
        }
    }

    #[test]
    fn the_default_behaviour_is_there() {
        assert!(find("heartbeat").is_some());
        assert!(find("heartbaet").is_none());
    }

    #[test]
    fn the_fault_models_are_there() {
        let names: Vec<_> = fault_models().map(|builtin| builtin.name).collect();
        assert_eq!(names, ["rain-fade"], "run `make behaviours` and build again");
    }
}
