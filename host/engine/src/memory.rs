//! Where linear memories come from: an arena, so that a hundred thousand of them fit one process.
//!
//! A system lets a process have some 65,000 mappings (`vm.max_map_count`), and a memory of its own costs an
//! instance two of them, which ends a fleet at about 32,000 devices. Here 256 memories share one mapping. Each
//! has a slot of fixed size in which it grows in place; one that outgrows its slot moves to a mapping of its own.
//! Between slots nothing guards: compiled code checks every access against the memory's size, as the engine's
//! settings tell it to (no guard, no reservation).
//!
//! Pages that were never written take no room, and those of a memory that is gone are given back to the system,
//! which also is what makes the slot all zeros for the next.
//!
//! This is one of the two places of this crate with `unsafe`: the traits are, because the engine trusts what they say.

#![allow(unsafe_code)]

use std::io;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{MmapMut, MmapOptions, MmapRaw};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

/// Bytes that a memory may have in its slot. A behaviour of ordinary size has 64 to 192 KiB.
const SLOT_BYTES: usize = 256 << 10;
/// Slots that share a mapping.
const SLOTS_PER_MAPPING: usize = 256;

/// All slots of an engine. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arena(Arc<Mutex<Vec<SlotAddress>>>);

/// A piece of a mapping. One that is on the arena's list is all zeros and belongs to no memory.
#[derive(Clone, Debug)]
struct SlotAddress {
    mapping: Arc<MmapRaw>,
    index: usize,
}

impl Arena {
    /// A slot, of a new mapping if need be.
    fn allocate_slot(&self) -> io::Result<Slot> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.is_empty() {
            let mapping = Arc::new(map(SLOT_BYTES * SLOTS_PER_MAPPING)?);
            // They are taken from the end.
            free.extend(
                (0..SLOTS_PER_MAPPING)
                    .rev()
                    .map(|index| SlotAddress { mapping: Arc::clone(&mapping), index }),
            );
        }
        let address = free.pop().ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Slot { address, used: 0, arena: self.clone() })
    }

    /// Room for a memory of this many bytes, with some to grow.
    fn allocate(&self, bytes: usize) -> io::Result<Backing> {
        match bytes {
            0..=SLOT_BYTES => self.allocate_slot().map(Backing::Slot),
            _ => map(bytes.checked_next_power_of_two().unwrap_or(bytes)).map(Backing::Dedicated),
        }
    }
}

/// Anonymous memory, all zeros, that takes room only as it is written.
fn map(bytes: usize) -> io::Result<MmapRaw> {
    let mapping = MmapOptions::new().len(bytes).no_reserve_swap().map_anon()?;
    disable_huge_pages(&mapping);
    Ok(mapping.into())
}

/// A huge page would be filled by the first byte in it, and a device has a few small ones in its slot.
#[cfg(target_os = "linux")]
fn disable_huge_pages(mapping: &MmapMut) {
    // A kernel that has no huge pages refuses, and needs no telling.
    let _ = mapping.advise(memmap2::Advice::NoHugePage);
}

#[cfg(not(target_os = "linux"))]
fn disable_huge_pages(_: &MmapMut) {}

/// A place that belongs to one memory. It goes back to the arena, cleared, when it is dropped.
#[derive(Debug)]
struct Slot {
    address: SlotAddress,
    /// Bytes that may not be zero any more.
    used: usize,
    arena: Arena,
}

impl Slot {
    fn start(&self) -> *mut u8 {
        self.address.mapping.as_mut_ptr().wrapping_add(self.address.index * SLOT_BYTES)
    }

    /// Make it all zeros, and give its pages back.
    #[cfg(target_os = "linux")]
    fn clear(&mut self) -> io::Result<()> {
        let SlotAddress { mapping, index } = &self.address;
        // SAFETY: The range lies within the mapping, and only this slot's memory, which is gone or has moved,
        // had pointers into it. Anonymous pages read as zeros afterwards.
        unsafe {
            mapping.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, index * SLOT_BYTES, self.used)
        }
    }

    /// Make it all zeros. Elsewhere than on Linux, giving pages back does not promise that.
    #[cfg(not(target_os = "linux"))]
    fn clear(&mut self) -> io::Result<()> {
        // SAFETY: `used` is at most the slot's length, and only this slot's memory, which is gone or has moved,
        // had pointers into it.
        unsafe { ptr::write_bytes(self.start(), 0, self.used) };
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // One that cannot be cleared must never be used again.
        if self.used == 0 || self.clear().is_ok() {
            self.arena.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.address.clone());
        }
    }
}

/// What a memory lies in.
#[derive(Debug)]
enum Backing {
    Slot(Slot),
    Dedicated(MmapRaw),
}

/// One linear memory.
#[derive(Debug)]
struct Memory {
    backing: Backing,
    size: usize,
    arena: Arena,
}

impl Memory {
    /// Make it this large. It only ever grows.
    fn resize(&mut self, size: usize) -> io::Result<()> {
        if size > self.byte_capacity() {
            let backing = self.arena.allocate(size)?;
            let old = std::mem::replace(&mut self.backing, backing);
            // SAFETY: Both are at least `self.size` long, and different mappings.
            unsafe { ptr::copy_nonoverlapping(old.start(), self.as_ptr(), self.size) };
        }
        self.size = size;
        if let Backing::Slot(slot) = &mut self.backing {
            slot.used = slot.used.max(size);
        }
        Ok(())
    }
}

impl Backing {
    fn start(&self) -> *mut u8 {
        match self {
            Self::Slot(slot) => slot.start(),
            Self::Dedicated(mapping) => mapping.as_mut_ptr(),
        }
    }
}

// SAFETY: `as_ptr` points to `byte_capacity` bytes that can be read and written, belong to this memory alone, and
// stay where they are until `grow_to` goes beyond the capacity. Bytes beyond those ever used are zeros.
unsafe impl LinearMemory for Memory {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        match &self.backing {
            Backing::Slot(_) => SLOT_BYTES,
            Backing::Dedicated(mapping) => mapping.len(),
        }
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        Ok(self.resize(new_size)?)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.backing.start()
    }
}

// SAFETY: Memories are all zeros at first, and nobody but the engine ever writes to them. The engine is set up
// without guards and reservations, so that it expects none of them.
unsafe impl MemoryCreator for Arena {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        if reserved.is_some_and(|bytes| bytes > 0) || guard > 0 {
            return Err(format!("the engine wants {reserved:?} bytes reserved and {guard} bytes of guard"));
        }
        let backing =
            self.allocate(minimum).map_err(|error| format!("no memory for an instance: {error}"))?;
        let mut memory = Memory { backing, size: 0, arena: self.clone() };
        memory.resize(minimum).map_err(|error| error.to_string())?;
        Ok(Box::new(memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(arena: &Arena, size: usize) -> Memory {
        let backing = arena.allocate(size).expect("room");
        let mut memory = Memory { backing, size: 0, arena: arena.clone() };
        memory.resize(size).expect("room");
        memory
    }

    fn bytes(memory: &mut Memory) -> &mut [u8] {
        // SAFETY: The memory is borrowed for as long as its bytes are.
        unsafe { std::slice::from_raw_parts_mut(memory.as_ptr(), memory.size) }
    }

    #[test]
    fn a_slot_that_is_used_again_is_all_zeros() {
        let arena = Arena::default();
        let mut first = memory(&arena, 128 << 10);
        let address = first.as_ptr();
        bytes(&mut first).fill(7);
        drop(first);
        let mut second = memory(&arena, SLOT_BYTES);
        assert_eq!(second.as_ptr(), address, "the slot should be used again");
        assert!(bytes(&mut second).iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_memory_grows_in_its_slot_and_then_moves_with_all_its_bytes() {
        let arena = Arena::default();
        let mut memory = memory(&arena, 64 << 10);
        let address = memory.as_ptr();
        bytes(&mut memory).fill(9);
        memory.resize(SLOT_BYTES).expect("room");
        assert_eq!(memory.as_ptr(), address);
        memory.resize(SLOT_BYTES + 1).expect("room");
        assert_ne!(memory.as_ptr(), address);
        assert!(memory.byte_capacity() > SLOT_BYTES);
        let (old, new) = bytes(&mut memory).split_at(64 << 10);
        assert!(old.iter().all(|byte| *byte == 9));
        assert!(new.iter().all(|byte| *byte == 0));
        let mut next = self::memory(&arena, SLOT_BYTES);
        assert_eq!(next.as_ptr(), address, "the slot should be free again");
        assert!(bytes(&mut next).iter().all(|byte| *byte == 0));
    }

    #[test]
    fn memories_do_not_overlap() {
        let arena = Arena::default();
        let mut all: Vec<_> = (0..2 * SLOTS_PER_MAPPING + 1).map(|_| memory(&arena, SLOT_BYTES)).collect();
        for (index, memory) in all.iter_mut().enumerate() {
            bytes(memory).fill(index as u8);
        }
        for (index, memory) in all.iter_mut().enumerate() {
            assert!(bytes(memory).iter().all(|byte| *byte == index as u8), "memory {index}");
        }
    }
}
