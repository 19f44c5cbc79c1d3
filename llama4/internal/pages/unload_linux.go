package pages

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Unload gives back the pages of a mapping that data lies in. They are read again
// from the file when somebody looks. It reports whether data lies there.
func Unload(mapping, data []byte) bool {
	if len(mapping) == 0 || len(data) == 0 {
		return false
	}
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(mapping)))
	from := uintptr(unsafe.Pointer(unsafe.SliceData(data))) - begin
	if from >= uintptr(len(mapping)) || uintptr(len(mapping))-from < uintptr(len(data)) {
		return false // elsewhere, such as a copy that had to be aligned
	}
	page := uintptr(os.Getpagesize())
	to := min((from+uintptr(len(data))+page-1)/page*page, uintptr(len(mapping)))
	// Advice only: where it fails, the pages stay.
	_ = unix.Madvise(mapping[from/page*page:to], unix.MADV_DONTNEED)
	return true
}
