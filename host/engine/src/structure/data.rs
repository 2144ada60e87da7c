//! Data segments of core modules: neighbours become one segment before a component is compiled.
//!
//! wasmtime compiles the initialization of a memory to a function that copies each segment, which takes about 20 to 35 KB of
//! memory a segment. The linkers of Go and Emscripten leave out runs of zeros, and so write a segment for every few bytes: a
//! Go program of 1.3 MB has 15,749 and took 530 MB to compile, and 20 MB with its segments merged.

use std::borrow::Cow;

use wasmparser::{Data, DataKind, Operator, Parser, Payload, TypeRef};

use super::constant;
use super::sections::{DATA, DATA_COUNT, Rewritten, Section, push_number, push_signed_number, rewrite};

/// Number of segments up to which a module stays as it is. Linkers of other languages write up to a few dozen.
const FEW_SEGMENTS: usize = 100;
/// Longest run of zeros that is filled in between two segments. A segment of its own takes more.
const MAX_GAP_BYTES: u64 = 256;

/// Counts the segments of a module that are left after merging, without merging them.
pub(super) struct Merging {
    is_large: bool,
    /// End of the segment before.
    end: Option<u64>,
}

impl Merging {
    /// Starts with a module that has this number of segments.
    pub(super) fn of(segments: u32) -> Self {
        Self { is_large: segments as usize > FEW_SEGMENTS, end: None }
    }

    /// Reads the next segment. True if it stays a segment of its own.
    pub(super) fn begins_another(&mut self, segment: &Data<'_>) -> bool {
        let DataKind::Active { offset_expr, .. } = &segment.kind else { return true };
        let start = constant(offset_expr);
        let gap = start.zip(self.end).and_then(|(start, end)| start.checked_sub(end));
        self.end = start.map(|start| start.saturating_add(segment.data.len() as u64));
        !(self.is_large && gap.is_some_and(|gap| gap <= MAX_GAP_BYTES))
    }
}

/// A run of initialized memory.
struct Run {
    start: u32,
    bytes: Vec<u8>,
}

impl Run {
    fn end(&self) -> u64 {
        u64::from(self.start) + self.bytes.len() as u64
    }
}

/// Merges the data segments of each core module that has many. An instance starts with the same memory. Other bytes, and
/// components that cannot be parsed, are returned as they are.
pub(crate) fn merge_segments(bytes: &[u8]) -> Cow<'_, [u8]> {
    let parts = Parser::new(0).parse_all(bytes);
    let is_large = |payload: &Payload<'_>| match payload {
        Payload::DataSection(section) => section.count() as usize > FEW_SEGMENTS,
        _ => false,
    };
    if !parts.map_while(Result::ok).any(|payload| is_large(&payload)) {
        return Cow::Borrowed(bytes);
    }
    rewrite(bytes, &merge_section).map_or(Cow::Borrowed(bytes), Cow::Owned)
}

fn merge_section(section: &Section<'_>) -> Option<Rewritten> {
    if section.of_component || ![DATA, DATA_COUNT].contains(&section.id) {
        return Some(Rewritten::Same);
    }
    let Some(runs) = merged_runs(section.parent) else { return Some(Rewritten::Same) };
    let mut content = Vec::new();
    push_number(runs.len() as u32, &mut content);
    if section.id == DATA {
        runs.iter().for_each(|run| push_run(run, &mut content));
    }
    Some(Rewritten::Replaced(content))
}

/// Appends an active segment of memory 0.
fn push_run(run: &Run, into: &mut Vec<u8>) {
    const I32_CONST: u8 = 0x41;
    const END: u8 = 0x0b;
    into.extend([0, I32_CONST]);
    push_signed_number(run.start as i32, into);
    into.push(END);
    push_number(run.bytes.len() as u32, into);
    into.extend(&run.bytes);
}

/// The merged segments of a module; `None` if it stays as it is: if it has few, if a segment is not at a constant address of
/// the module's own memory, if two overlap, so that their order matters, or if code uses segments by their numbers.
fn merged_runs(module: &[u8]) -> Option<Vec<Run>> {
    let mut runs = Vec::new();
    for payload in Parser::new(0).parse_all(module) {
        match payload.ok()? {
            Payload::ImportSection(section) => {
                let mut imports = section.into_imports();
                if imports.any(|import| !matches!(import, Ok(import) if !is_memory(&import.ty))) {
                    return None;
                }
            }
            Payload::CodeSectionEntry(body) => {
                let mut operators = body.get_operators_reader().ok()?;
                while !operators.eof() {
                    if matches!(
                        operators.read().ok()?,
                        Operator::MemoryInit { .. } | Operator::DataDrop { .. }
                    ) {
                        return None;
                    }
                }
            }
            Payload::DataSection(section) => {
                if section.count() as usize <= FEW_SEGMENTS {
                    return None;
                }
                for segment in section {
                    let segment = segment.ok()?;
                    let DataKind::Active { memory_index: 0, offset_expr } = &segment.kind else {
                        return None;
                    };
                    let start = u32::try_from(constant(offset_expr)?).ok()?;
                    runs.push(Run { start, bytes: segment.data.to_vec() });
                }
            }
            _ => {}
        }
    }
    merge(runs)
}

fn is_memory(import: &TypeRef) -> bool {
    matches!(import, TypeRef::Memory(_))
}

/// Merges runs with short gaps between them; `None` if two overlap.
fn merge(mut runs: Vec<Run>) -> Option<Vec<Run>> {
    runs.sort_by_key(|run| run.start);
    let mut merged: Vec<Run> = Vec::new();
    for run in runs {
        match merged.last_mut() {
            Some(last) if last.end() > u64::from(run.start) => return None,
            Some(last) if u64::from(run.start) - last.end() <= MAX_GAP_BYTES => {
                last.bytes.resize((run.start - last.start) as usize, 0);
                last.bytes.extend(run.bytes);
            }
            _ => merged.push(run),
        }
    }
    Some(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A component with a core module that has these fields and `count` segments of two bytes, one in every `every` bytes.
    fn component(fields: &str, count: usize, every: usize) -> Vec<u8> {
        let segment = |index| format!("(data (i32.const {}) \"ab\")", 16 + index * every);
        let segments: String = (0..count).map(segment).collect();
        wat::parse_str(format!("(component (core module {fields} {segments}))")).unwrap()
    }

    /// Segments of the core modules: start and bytes.
    fn segments(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
        assert!(crate::structure::validate(bytes).is_ok());
        let mut found = Vec::new();
        for payload in Parser::new(0).parse_all(bytes) {
            if let Payload::DataSection(section) = payload.unwrap() {
                for segment in section {
                    let segment = segment.unwrap();
                    let DataKind::Active { offset_expr, .. } = &segment.kind else { panic!("it is passive") };
                    found.push((constant(offset_expr).unwrap(), segment.data.to_vec()));
                }
            }
        }
        found
    }

    /// The first bytes of the memory that these segments initialize.
    fn memory(bytes: &[u8]) -> Vec<u8> {
        let mut memory = vec![0; 1 << 16];
        for (start, data) in segments(bytes) {
            memory[start as usize..][..data.len()].copy_from_slice(&data);
        }
        memory
    }

    #[test]
    fn neighbours_become_one_segment_with_the_same_memory() {
        let many = component("(memory 1) (func)", 1_000, 20);
        let merged = merge_segments(&many);
        assert_eq!((segments(&many).len(), segments(&merged).len()), (1_000, 1));
        assert!(memory(&many) == memory(&merged));
    }

    #[test]
    fn segments_in_any_order_and_those_far_away_keep_their_places() {
        let fields = "(memory 1) (data (i32.const 60000) \"far\") (data (i32.const 2) \"first\")";
        let many = component(fields, 200, 100);
        let merged = merge_segments(&many);
        let places: Vec<u64> = segments(&merged).into_iter().map(|(start, _)| start).collect();
        assert_eq!(places, [2, 60_000]);
        assert!(memory(&many) == memory(&merged));
    }

    #[test]
    fn modules_whose_segments_have_a_meaning_of_their_own_stay_as_they_are() {
        let own = "(memory 1)";
        for (fields, count, every) in [
            (own, FEW_SEGMENTS, 8),
            // Overlapping segments: the order decides.
            ("(memory 1) (data (i32.const 17) \"over\")", 200, 8),
            ("(memory 1) (data $passive \"p\")", 200, 8),
            ("(import \"m\" \"memory\" (memory 1))", 200, 8),
            ("(memory 1) (global $g i32 (i32.const 1)) (data (global.get $g) \"x\")", 200, 8),
            ("(memory 1) (func (memory.init 5 (i32.const 0) (i32.const 0) (i32.const 0)))", 200, 8),
            ("(memory 1) (func (data.drop 5))", 200, 8),
            // Long gaps are not filled in.
            (own, 200, 300),
        ] {
            let bytes = component(fields, count, every);
            let merged = merge_segments(&bytes);
            if every > MAX_GAP_BYTES as usize {
                assert_eq!(segments(&merged), segments(&bytes));
            } else {
                assert!(*merged == *bytes, "{fields}");
            }
        }
        assert!(matches!(merge_segments(b"no component"), Cow::Borrowed(_)));
    }

    #[test]
    fn the_count_of_segments_follows() {
        let with_count = "(memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)))";
        let many = component(with_count, 300, 8);
        let merged = merge_segments(&many);
        assert_eq!(segments(&merged).len(), 1);
    }
}
