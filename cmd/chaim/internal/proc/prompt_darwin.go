package proc

import "golang.org/x/sys/unix"

// aloneInGroup returns the name of a process, and whether it is the only one in the process group that it leads.
func aloneInGroup(leader int) (name string, isAlone bool) {
	members, err := unix.SysctlKinfoProcSlice("kern.proc.pgrp", leader)
	if err != nil || len(members) != 1 || int(members[0].Proc.P_pid) != leader {
		return "", false
	}
	return unix.ByteSliceToString(members[0].Proc.P_comm[:]), true
}
