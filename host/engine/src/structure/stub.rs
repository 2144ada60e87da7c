//! A copy of a component whose functions have no code: it has the same types, imports and exports, and takes no time to
//! compile.

use super::sections::{CODE, CUSTOM, Rewritten, push_number, read_number, rewrite};
use crate::error::LoadError;

/// A body without locals: `unreachable`, `end`, after its length.
const EMPTY_BODY: [u8; 4] = [3, 0, 0x00, 0x0b];

/// Replaces all function bodies of a component that has been validated. Custom sections are left out.
pub(crate) fn without_code(bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    copy(bytes).ok_or_else(|| LoadError::Damaged { detail: "a section ends too early".to_owned() })
}

fn copy(bytes: &[u8]) -> Option<Vec<u8>> {
    rewrite(bytes, &|section| match (section.id, section.of_component) {
        (CUSTOM, _) => Some(Rewritten::Removed),
        (CODE, false) => empty_code(section.content).map(Rewritten::Replaced),
        _ => Some(Rewritten::Same),
    })
}

/// A code section with as many functions.
fn empty_code(section: &[u8]) -> Option<Vec<u8>> {
    let (functions, _) = read_number(section)?;
    let mut code = Vec::new();
    push_number(functions, &mut code);
    (0..functions).for_each(|_| code.extend(EMPTY_BODY));
    Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_has_all_functions_without_their_code() {
        let module = "(core module $m (func (export \"f\") (result i32) (i32.add (i32.const 1) (i32.const 2))) (func))";
        let component = wat::parse_str(format!("(component {module} (component {module}))")).unwrap();
        let copied = without_code(&component).unwrap();
        assert!(copied.len() < component.len());
        let is_valid = |bytes: &[u8]| crate::structure::validate(bytes).is_ok();
        assert!(is_valid(&component) && is_valid(&copied));
        let functions = |bytes: &[u8]| {
            let payloads = wasmparser::Parser::new(0).parse_all(bytes).filter_map(Result::ok);
            payloads.filter(|payload| matches!(payload, wasmparser::Payload::CodeSectionEntry(_))).count()
        };
        assert_eq!((functions(&component), functions(&copied)), (4, 4));
        assert!(without_code(&component[..component.len() - 1]).is_err());
    }
}
