// Package runtime gives the host and the generated bindings memory, and collects garbage between calls.
//
// The host allocates arguments with cabi_realloc, and a component must not call the host meanwhile. The garbage collector reads
// the clock, so it never starts by itself: Collect, at the end of each call, runs it to its end.
package runtime

import (
	"runtime"
	"runtime/debug"
	"unsafe"
)

const (
	// Calls between two looks at the size of the heap, which take some microseconds.
	interval = 16
	// Bytes of arguments after which the size of the heap is looked at sooner.
	manyBytes = 256 << 10
	// Smallest heap that is collected.
	leastHeap = 1 << 20
)

var (
	calls     int
	arguments uintptr
	// The heap is collected when it reaches this size.
	collectAt uint64 = leastHeap
)

func init() { debug.SetGCPercent(-1) }

// Collect collects garbage if the heap has doubled. Call it at the end of each call of the host.
func Collect() {
	calls++
	if calls < interval && arguments < manyBytes {
		return
	}
	calls, arguments = 0, 0
	var heap runtime.MemStats
	runtime.ReadMemStats(&heap)
	if heap.HeapAlloc < collectAt {
		return
	}
	runtime.GC()
	runtime.ReadMemStats(&heap)
	collectAt = max(2*heap.HeapAlloc, leastHeap)
}

// Allocate returns memory, aligned to eight bytes, that is kept until it is unpinned.
func Allocate(pinner *runtime.Pinner, size, _ uintptr) unsafe.Pointer {
	memory := allocate(size)
	pinner.Pin(memory)
	return memory
}

// Unpin releases the arguments that the host has written. They need no release, because no garbage is collected before the values
// made from them refer to them.
func Unpin() {}

func allocate(size uintptr) unsafe.Pointer {
	words := make([]uint64, max((size+7)/8, 1))
	return unsafe.Pointer(unsafe.SliceData(words))
}

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	memory := allocate(size)
	arguments += size
	if old != nil {
		copy(unsafe.Slice((*byte)(memory), size), unsafe.Slice((*byte)(old), oldSize))
	}
	return memory
}
