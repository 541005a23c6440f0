package proc

import (
	"os"
	"strconv"
	"strings"
)

// aloneInGroup returns the name of a process, and whether it is the only one in the process group that it leads.
func aloneInGroup(leader int) (name string, isAlone bool) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return "", false
	}
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		itsName, group, isKnown := statOf(entry.Name())
		switch {
		case pid == leader:
			name, isAlone = itsName, isKnown && group == leader
		case isKnown && group == leader:
			return "", false
		}
	}
	return name, isAlone
}

// statOf returns the name and the process group of a process: https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
func statOf(pid string) (name string, group int, isKnown bool) {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return "", 0, false // it has ended
	}
	_, rest, _ := strings.Cut(string(text), "(")
	end := strings.LastIndexByte(rest, ')') // the name may have one too
	if end < 0 {
		return "", 0, false
	}
	fields := strings.Fields(rest[end+1:])
	if len(fields) < 3 {
		return "", 0, false
	}
	group, err = strconv.Atoi(fields[2])
	return rest[:end], group, err == nil
}
