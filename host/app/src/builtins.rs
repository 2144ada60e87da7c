//! The behaviours that travel inside the binary.

/// A behaviour that needs no file.
#[derive(Debug, PartialEq, Eq)]
pub struct Builtin {
    /// What to call it on the command line.
    pub name: &'static str,
    /// The component.
    pub bytes: &'static [u8],
}

static TABLE: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/builtins.rs"));

/// All of them; the default one first.
pub fn all() -> impl Iterator<Item = Builtin> {
    TABLE.iter().map(|&(name, bytes)| Builtin { name, bytes })
}

/// One by its name.
pub fn find(name: &str) -> Option<Builtin> {
    all().find(|builtin| builtin.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_builtin_is_a_component_under_100_kb() {
        for builtin in all() {
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
}
