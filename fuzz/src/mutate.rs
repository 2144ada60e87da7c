//! Mutations of inputs, determined by a seed.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Longest input that is made by mutations.
const MAX_LENGTH: usize = 16 << 10;

/// Values at which checks of lengths and counts tend to fail.
const EDGES: [&[u8]; 16] = [
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\x80\x80\x80\x80\x01",
    b"\0\0\0\0",
    b"-1",
    b"0",
    b"1e308",
    b"NaN",
    b"18446744073709551615",
    b"18446744073709551616",
    "\u{feff}".as_bytes(),
    "\u{1b}[2J".as_bytes(),
];

/// Source of mutated inputs.
pub struct Mutator {
    rng: ChaCha8Rng,
    corpus: Vec<Vec<u8>>,
    /// Words of the corpus, which are fields and values of text formats.
    words: Vec<Vec<u8>>,
}

impl Mutator {
    /// Mutator of a corpus, which has at least one input.
    pub fn new(seed: u64, corpus: Vec<Vec<u8>>) -> Self {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-.+#$".contains(byte);
        let mut words: Vec<Vec<u8>> = corpus
            .iter()
            .flat_map(|input| input.split(|byte| !is_word(byte)))
            .filter(|word| (1..=40).contains(&word.len()))
            .map(<[u8]>::to_vec)
            .collect();
        words.sort();
        words.dedup();
        words.extend(EDGES.map(<[u8]>::to_vec));
        Self { rng: ChaCha8Rng::seed_from_u64(seed), corpus, words }
    }

    /// The next input: one of the corpus with one mutation or a few.
    pub fn next_input(&mut self) -> Vec<u8> {
        let at = self.below(self.corpus.len());
        let mut bytes = self.corpus[at].clone();
        self.mutate(&mut bytes);
        // Many mutations at once make most texts invalid.
        while self.below(2) == 0 {
            self.mutate(&mut bytes);
        }
        bytes.truncate(MAX_LENGTH);
        bytes
    }

    fn below(&mut self, end: usize) -> usize {
        (self.rng.next_u64() % end.max(1) as u64) as usize
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }

    /// A range within an input, of at most `longest` bytes.
    fn range(&mut self, length: usize, longest: usize) -> std::ops::Range<usize> {
        let from = self.below(length + 1);
        let to = from + self.below((length - from).min(longest) + 1);
        from..to
    }

    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        match self.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 if at < bytes.len() => bytes[at] = self.byte(),
            2 => bytes.insert(at, self.byte()),
            3 => drop(bytes.drain(self.range(bytes.len(), 16))),
            4 => {
                let copied = bytes[self.range(bytes.len(), 64)].to_vec();
                bytes.splice(at..at, copied);
            }
            5 => {
                let index = self.below(self.words.len());
                let word = self.words[index].clone();
                let end = at + self.below((bytes.len() - at).min(word.len()) + 1);
                bytes.splice(at..end, word);
            }
            6 => {
                let index = self.below(self.corpus.len());
                let other = self.corpus[index].clone();
                let part = other[self.range(other.len(), 256)].to_vec();
                bytes.splice(at..at, part);
            }
            7 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(self.below(9) as u8).wrapping_sub(4),
            8 => bytes.truncate(at),
            _ => bytes.push(self.byte()),
        }
    }
}
