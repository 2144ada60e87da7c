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
const SLOT: usize = 256 << 10;
/// Slots that share a mapping.
const SLOTS: usize = 256;

/// All slots of an engine. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arena(Arc<Mutex<Vec<Place>>>);

/// A piece of a mapping. One that is on the arena's list is all zeros and belongs to no memory.
#[derive(Clone, Debug)]
struct Place {
    block: Arc<MmapRaw>,
    number: usize,
}

impl Arena {
    /// A slot, of a new mapping if need be.
    fn slot(&self) -> io::Result<Slot> {
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if free.is_empty() {
            let block = Arc::new(map(SLOT * SLOTS)?);
            // They are taken from the end.
            free.extend((0..SLOTS).rev().map(|number| Place { block: Arc::clone(&block), number }));
        }
        let place = free.pop().ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Slot { place, used: 0, arena: self.clone() })
    }

    /// Room for a memory of this many bytes, with some to grow.
    fn room(&self, bytes: usize) -> io::Result<Room> {
        match bytes {
            0..=SLOT => self.slot().map(Room::Slot),
            _ => map(bytes.checked_next_power_of_two().unwrap_or(bytes)).map(Room::Own),
        }
    }
}

/// Anonymous memory, all zeros, that takes room only as it is written.
fn map(bytes: usize) -> io::Result<MmapRaw> {
    let mapping = MmapOptions::new().len(bytes).no_reserve_swap().map_anon()?;
    keep_pages_small(&mapping);
    Ok(mapping.into())
}

/// A huge page would be filled by the first byte in it, and a device has a few small ones in its slot.
#[cfg(target_os = "linux")]
fn keep_pages_small(mapping: &MmapMut) {
    // A kernel that has no huge pages refuses, and needs no telling.
    let _ = mapping.advise(memmap2::Advice::NoHugePage);
}

#[cfg(not(target_os = "linux"))]
fn keep_pages_small(_: &MmapMut) {}

/// A place that belongs to one memory. It goes back to the arena, cleared, when it is dropped.
#[derive(Debug)]
struct Slot {
    place: Place,
    /// Bytes that may not be zero any more.
    used: usize,
    arena: Arena,
}

impl Slot {
    fn start(&self) -> *mut u8 {
        self.place.block.as_mut_ptr().wrapping_add(self.place.number * SLOT)
    }

    /// Make it all zeros, and give its pages back.
    #[cfg(target_os = "linux")]
    fn clear(&mut self) -> io::Result<()> {
        let Place { block, number } = &self.place;
        // SAFETY: The range lies within the mapping, and only this slot's memory, which is gone or has moved,
        // had pointers into it. Anonymous pages read as zeros afterwards.
        unsafe { block.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, number * SLOT, self.used) }
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
            self.arena.0.lock().unwrap_or_else(PoisonError::into_inner).push(self.place.clone());
        }
    }
}

/// What a memory lies in.
#[derive(Debug)]
enum Room {
    Slot(Slot),
    Own(MmapRaw),
}

/// One linear memory.
#[derive(Debug)]
struct Memory {
    room: Room,
    size: usize,
    arena: Arena,
}

impl Memory {
    /// Make it this large. It only ever grows.
    fn resize(&mut self, size: usize) -> io::Result<()> {
        if size > self.byte_capacity() {
            let room = self.arena.room(size)?;
            let old = std::mem::replace(&mut self.room, room);
            // SAFETY: Both are at least `self.size` long, and different mappings.
            unsafe { ptr::copy_nonoverlapping(old.start(), self.as_ptr(), self.size) };
        }
        self.size = size;
        if let Room::Slot(slot) = &mut self.room {
            slot.used = slot.used.max(size);
        }
        Ok(())
    }
}

impl Room {
    fn start(&self) -> *mut u8 {
        match self {
            Self::Slot(slot) => slot.start(),
            Self::Own(mapping) => mapping.as_mut_ptr(),
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
        match &self.room {
            Room::Slot(_) => SLOT,
            Room::Own(mapping) => mapping.len(),
        }
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        Ok(self.resize(new_size)?)
    }

    fn as_ptr(&self) -> *mut u8 {
        self.room.start()
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
        let room = self.room(minimum).map_err(|error| format!("no memory for an instance: {error}"))?;
        let mut memory = Memory { room, size: 0, arena: self.clone() };
        memory.resize(minimum).map_err(|error| error.to_string())?;
        Ok(Box::new(memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory(arena: &Arena, size: usize) -> Memory {
        let room = arena.room(size).expect("room");
        let mut memory = Memory { room, size: 0, arena: arena.clone() };
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
        let place = first.as_ptr();
        bytes(&mut first).fill(7);
        drop(first);
        let mut second = memory(&arena, SLOT);
        assert_eq!(second.as_ptr(), place, "the slot should be used again");
        assert!(bytes(&mut second).iter().all(|byte| *byte == 0));
    }

    #[test]
    fn a_memory_grows_in_its_slot_and_then_moves_with_all_its_bytes() {
        let arena = Arena::default();
        let mut memory = memory(&arena, 64 << 10);
        let place = memory.as_ptr();
        bytes(&mut memory).fill(9);
        memory.resize(SLOT).expect("room");
        assert_eq!(memory.as_ptr(), place);
        memory.resize(SLOT + 1).expect("room");
        assert_ne!(memory.as_ptr(), place);
        assert!(memory.byte_capacity() > SLOT);
        let (old, new) = bytes(&mut memory).split_at(64 << 10);
        assert!(old.iter().all(|byte| *byte == 9));
        assert!(new.iter().all(|byte| *byte == 0));
        let mut next = self::memory(&arena, SLOT);
        assert_eq!(next.as_ptr(), place, "the slot should be free again");
        assert!(bytes(&mut next).iter().all(|byte| *byte == 0));
    }

    #[test]
    fn memories_do_not_overlap() {
        let arena = Arena::default();
        let mut all: Vec<_> = (0..2 * SLOTS + 1).map(|_| memory(&arena, SLOT)).collect();
        for (number, memory) in all.iter_mut().enumerate() {
            bytes(memory).fill(number as u8);
        }
        for (number, memory) in all.iter_mut().enumerate() {
            assert!(bytes(memory).iter().all(|byte| *byte == number as u8), "memory {number}");
        }
    }
}
