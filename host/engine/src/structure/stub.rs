//! A copy of a component whose functions have no code: it has the same types, imports and exports, and takes no time to
//! compile.

use crate::error::LoadError;

/// Identifiers of sections: custom sections, modules and components within components, and the code of modules.
const CUSTOM: u8 = 0;
const CORE_MODULE: u8 = 1;
const COMPONENT: u8 = 4;
const CODE: u8 = 10;

/// Length of magic number and version.
const HEADER_LEN: usize = 8;
/// Layer of a component in the header.
const COMPONENT_LAYER: [u8; 2] = [1, 0];
/// A body without locals: `unreachable`, `end`, after its length.
const EMPTY_BODY: [u8; 4] = [3, 0, 0x00, 0x0b];

/// Replaces all function bodies of a component that has been validated. Custom sections are left out.
pub(crate) fn without_code(bytes: &[u8]) -> Result<Vec<u8>, LoadError> {
    copy(bytes).ok_or_else(|| LoadError::Damaged { detail: "a section ends too early".to_owned() })
}

fn copy(bytes: &[u8]) -> Option<Vec<u8>> {
    let (header, mut rest) = bytes.split_at_checked(HEADER_LEN)?;
    let is_component = header.ends_with(&COMPONENT_LAYER);
    let mut copied = header.to_vec();
    while let Some((id, after_id)) = rest.split_first() {
        let (length, after_length) = read_number(after_id)?;
        let (section, after) = after_length.split_at_checked(length as usize)?;
        match (*id, is_component) {
            (CUSTOM, _) => {}
            (CORE_MODULE | COMPONENT, true) => push_section(*id, &copy(section)?, &mut copied),
            (CODE, false) => push_section(*id, &empty_code(section)?, &mut copied),
            _ => push_section(*id, section, &mut copied),
        }
        rest = after;
    }
    Some(copied)
}

/// A code section with as many functions.
fn empty_code(section: &[u8]) -> Option<Vec<u8>> {
    let (functions, _) = read_number(section)?;
    let mut code = Vec::new();
    push_number(functions, &mut code);
    (0..functions).for_each(|_| code.extend(EMPTY_BODY));
    Some(code)
}

fn push_section(id: u8, section: &[u8], into: &mut Vec<u8>) {
    into.push(id);
    // A section was as long as 32 bits can say, and has become shorter.
    push_number(section.len() as u32, into);
    into.extend(section);
}

/// Reads an unsigned number in LEB128.
fn read_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut number = 0_u32;
    for (index, byte) in bytes.iter().enumerate().take(5) {
        number |= u32::from(byte & 0x7f).checked_shl(7 * index as u32)?;
        if byte & 0x80 == 0 {
            return Some((number, &bytes[index + 1..]));
        }
    }
    None
}

/// Appends an unsigned number in LEB128.
fn push_number(mut number: u32, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for number in [0, 1, 127, 128, 300, 65_535, 1 << 28, u32::MAX] {
            let mut bytes = Vec::new();
            push_number(number, &mut bytes);
            bytes.push(7);
            assert_eq!(read_number(&bytes), Some((number, &[7][..])));
        }
        assert_eq!(read_number(&[0x80, 0x80]), None);
        assert_eq!(read_number(&[0x80; 9]), None);
    }

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
