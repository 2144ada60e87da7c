//! Sections of modules and components in the binary format, and copies in which some of them are replaced.

/// Identifier of custom sections.
pub(super) const CUSTOM: u8 = 0;
/// Identifier of the code of a module.
pub(super) const CODE: u8 = 10;
/// Identifier of the data of a module.
pub(super) const DATA: u8 = 11;
/// Identifier of the number of data segments of a module.
pub(super) const DATA_COUNT: u8 = 12;
/// Identifiers of modules and components within components.
const CORE_MODULE: u8 = 1;
const COMPONENT: u8 = 4;

/// Length of magic number and version.
const HEADER_LEN: usize = 8;
/// Layer of a component in the header.
const COMPONENT_LAYER: [u8; 2] = [1, 0];

/// A section that is being copied. Modules and components within a component are copied section by section instead.
pub(super) struct Section<'a> {
    /// Identifier of its kind.
    pub(super) id: u8,
    /// True for a section of a component, false for one of a core module.
    pub(super) of_component: bool,
    /// The module or component that it belongs to, from its header on.
    pub(super) parent: &'a [u8],
    /// Content without identifier and length.
    pub(super) content: &'a [u8],
}

/// A section in the copy.
pub(super) enum Rewritten {
    /// As it is.
    Same,
    /// Left out.
    Removed,
    /// With this content.
    Replaced(Vec<u8>),
}

/// Copies a module or component. `None` if it ends within a section, or if `section` returns that.
pub(super) fn rewrite(bytes: &[u8], section: &dyn Fn(&Section<'_>) -> Option<Rewritten>) -> Option<Vec<u8>> {
    let (header, mut rest) = bytes.split_at_checked(HEADER_LEN)?;
    let of_component = header.ends_with(&COMPONENT_LAYER);
    let mut copied = header.to_vec();
    while let Some((id, after_id)) = rest.split_first() {
        let (length, after_length) = read_number(after_id)?;
        let (content, after) = after_length.split_at_checked(length as usize)?;
        if of_component && [CORE_MODULE, COMPONENT].contains(id) {
            push_section(*id, &rewrite(content, section)?, &mut copied);
        } else {
            match section(&Section { id: *id, of_component, parent: bytes, content })? {
                Rewritten::Same => push_section(*id, content, &mut copied),
                Rewritten::Removed => {}
                Rewritten::Replaced(content) => push_section(*id, &content, &mut copied),
            }
        }
        rest = after;
    }
    Some(copied)
}

fn push_section(id: u8, content: &[u8], into: &mut Vec<u8>) {
    into.push(id);
    // Components have at most 32 MiB, and no copy is much longer.
    push_number(content.len() as u32, into);
    into.extend(content);
}

/// Reads an unsigned number in LEB128.
pub(super) fn read_number(bytes: &[u8]) -> Option<(u32, &[u8])> {
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
pub(super) fn push_number(mut number: u32, into: &mut Vec<u8>) {
    while number >= 0x80 {
        into.push(number as u8 | 0x80);
        number >>= 7;
    }
    into.push(number as u8);
}

/// Appends a signed number in LEB128.
pub(super) fn push_signed_number(mut number: i32, into: &mut Vec<u8>) {
    loop {
        let (low, sign) = (number as u8 & 0x7f, number & 0x40 != 0);
        number >>= 7;
        if (number == 0 && !sign) || (number == -1 && sign) {
            return into.push(low);
        }
        into.push(low | 0x80);
    }
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
    fn signed_numbers_are_written_as_a_parser_reads_them() {
        for number in [0, 1, 63, 64, 127, 128, -1, -64, -65, 1 << 20, i32::MAX, i32::MIN] {
            let mut bytes = Vec::new();
            push_signed_number(number, &mut bytes);
            let read = wasmparser::BinaryReader::new(&bytes, 0).read_var_i32().unwrap();
            assert_eq!(read, number);
        }
    }
}
