package proc

import (
	"os"
)

// followStops does nothing: programs on Windows do not stop.
func followStops(*os.Process) (end func()) { return func() {} }
