//! Arena allocator for linear memories, so that a process can hold a hundred thousand of them.
//!
//! Linux limits a process to about 65,000 mappings (`vm.max_map_count`). A separate memory costs an instance
//! two of them, which would limit a fleet to about 32,000 devices. In the arena 256 memories share one
//! mapping. Each has a slot of fixed size in which it grows in place; a memory that outgrows its slot moves
//! to its own mapping. Slots have no guard pages between them: compiled code checks every access against the
//! size of the memory, as the engine configuration demands (no guard, no reservation).
//!
//! Pages that were never written use no physical memory. The pages of a dropped memory return to the system,
//! which also zeroes the slot for the next memory.
//!
//! This module needs `unsafe` because the wasmtime traits are unsafe: the engine relies on their
//! implementation.

#![allow(unsafe_code)]

use std::io;
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use memmap2::{MmapMut, MmapOptions, MmapRaw};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

/// Size of a slot. A typical behaviour uses 64 to 192 KiB.
const SLOT_BYTES: usize = 256 << 10;
/// Slots of one mapping.
const SLOTS_PER_MAPPING: usize = 256;

/// Free slots of an engine. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arena(Arc<Mutex<Vec<SlotAddress>>>);

/// Address of a slot. Slots on the free list are zeroed and belong to no memory.
#[derive(Clone, Debug)]
struct SlotAddress {
    mapping: Arc<MmapRaw>,
    index: usize,
}

impl Arena {
    /// Takes a free slot, from a new mapping if necessary.
    fn allocate_slot(&self) -> io::Result<Slot> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.is_empty() {
            let mapping = Arc::new(map(SLOT_BYTES * SLOTS_PER_MAPPING)?);
            // Slots are taken from the end.
            free.extend(
                (0..SLOTS_PER_MAPPING)
                    .rev()
                    .map(|index| SlotAddress { mapping: Arc::clone(&mapping), index }),
            );
        }
        let address = free.pop().ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Slot { address, used: 0, arena: self.clone() })
    }

    /// Allocates space for a memory of this size, with space to grow.
    fn allocate(&self, bytes: usize) -> io::Result<Backing> {
        match bytes {
            0..=SLOT_BYTES => self.allocate_slot().map(Backing::Slot),
            _ => map(bytes.checked_next_power_of_two().unwrap_or(bytes)).map(Backing::Dedicated),
        }
    }
}

/// Anonymous zeroed memory; pages are allocated on the first write.
fn map(bytes: usize) -> io::Result<MmapRaw> {
    let mapping = MmapOptions::new().len(bytes).no_reserve_swap().map_anon()?;
    disable_huge_pages(&mapping);
    Ok(mapping.into())
}

/// Disables huge pages: the first written byte would allocate a whole one, but a device uses only a few small
/// pages of its slot.
#[cfg(target_os = "linux")]
fn disable_huge_pages(mapping: &MmapMut) {
    // A kernel without huge pages returns an error, which does not matter.
    let _ = mapping.advise(memmap2::Advice::NoHugePage);
}

#[cfg(not(target_os = "linux"))]
fn disable_huge_pages(_: &MmapMut) {}

/// A slot in use. Dropping it clears it and returns it to the arena.
#[derive(Debug)]
struct Slot {
    address: SlotAddress,
    /// Length of the part that may be non-zero.
    used: usize,
    arena: Arena,
}

impl Slot {
    fn start(&self) -> *mut u8 {
        self.address.mapping.as_mut_ptr().wrapping_add(self.address.index * SLOT_BYTES)
    }

    /// Zeroes the slot and returns its pages to the system.
    #[cfg(target_os = "linux")]
    fn clear(&mut self) -> io::Result<()> {
        let SlotAddress { mapping, index } = &self.address;
        // SAFETY: The range lies within the mapping. Only the memory of this slot had pointers into it, and
        // that memory has been dropped or moved. Anonymous pages read as zeros afterwards.
        unsafe {
            mapping.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, index * SLOT_BYTES, self.used)
        }
    }

    /// Zeroes the slot. Only Linux guarantees that returned pages read as zeros.
    #[cfg(not(target_os = "linux"))]
    fn clear(&mut self) -> io::Result<()> {
        // SAFETY: `used` is at most the length of the slot. Only the memory of this slot had pointers into
        // it, and that memory has been dropped or moved.
        unsafe { ptr::write_bytes(self.start(), 0, self.used) };
        Ok(())
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // A slot that could not be cleared must not be reused.
        if self.used == 0 || self.clear().is_ok() {
            self.arena.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.address.clone());
        }
    }
}

/// Storage of a memory.
#[derive(Debug)]
enum Backing {
    Slot(Slot),
    Dedicated(MmapRaw),
}

/// A linear memory.
#[derive(Debug)]
struct Memory {
    backing: Backing,
    size: usize,
    arena: Arena,
}

impl Memory {
    /// Grows the memory to this size. Memories never shrink.
    fn resize(&mut self, size: usize) -> io::Result<()> {
        if size > self.byte_capacity() {
            let backing = self.arena.allocate(size)?;
            let old = std::mem::replace(&mut self.backing, backing);
            // SAFETY: Both are at least `self.size` long and belong to different mappings.
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

// SAFETY: `as_ptr` points to `byte_capacity` bytes that are readable and writable, belong to this memory
// alone, and stay in place until `grow_to` exceeds the capacity. Bytes that were never used are zero.
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

// SAFETY: New memories are zeroed, and only the engine writes to them. The engine is configured without
// guards and reservations, so it does not rely on them.
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
        // SAFETY: The memory stays borrowed as long as its bytes.
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
