//! Elements of DER, the encoding of certificates (ITU-T X.690).

/// Tag of a sequence.
pub const SEQUENCE: u8 = 0x30;

/// Elements, one after another.
pub struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The elements in these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes that are not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Tag and content of the next element; `None` at the end, or if it is not complete.
    #[expect(clippy::should_implement_trait, reason = "an iterator would not have `next_of` and `rest`")]
    pub fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x0f))?;
                (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// Content of the next element, which has this tag.
    pub fn next_of(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }
}

/// An element with this tag and content.
pub fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut element = vec![tag];
    let length = content.len().to_be_bytes();
    let digits = &length[length.iter().take_while(|digit| **digit == 0).count()..];
    match content.len() {
        0..=0x7f => element.push(content.len() as u8),
        _ => {
            element.push(0x80 | digits.len() as u8);
            element.extend_from_slice(digits);
        }
    }
    element.extend_from_slice(content);
    element
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_every_length_are_written_and_read() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536] {
            let bytes = [element(SEQUENCE, &vec![7; length]), element(4, &[1])].concat();
            let mut elements = Der::new(&bytes);
            assert_eq!(elements.next_of(SEQUENCE).map(<[u8]>::len), Some(length));
            assert_eq!(elements.next(), Some((4, &[1][..])));
            assert_eq!(elements.next(), None);
            for end in 0..bytes.len() - 3 {
                assert_eq!(Der::new(&bytes[..end]).next(), None);
            }
        }
    }
}
