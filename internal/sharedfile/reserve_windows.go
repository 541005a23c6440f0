package sharedfile

import (
	"os"
	"unsafe"

	"golang.org/x/sys/windows"
)

const errFull, errQuota = windows.ERROR_DISK_FULL, windows.ERROR_DISK_QUOTA_EXCEEDED

// reserve keeps the length of the file. Windows also frees the space when the file is closed.
// https://learn.microsoft.com/en-us/windows/win32/api/winbase/ns-winbase-file_allocation_info
func reserve(f *os.File, size int64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size += info.Size()
	return windows.SetFileInformationByHandle(windows.Handle(f.Fd()), windows.FileAllocationInfo, (*byte)(unsafe.Pointer(&size)), uint32(unsafe.Sizeof(size)))
}
