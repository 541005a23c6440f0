package setup

// inShell is a command line for a shell.
func inShell(line string) []string { return []string{"cmd.exe", "/c", line} }

var story = []step{
	{"A program gets a profile for as long as it runs.", `chaim exec sredev -- cmd /c set AWS_PROFILE`, false},
	{"It is gone with the program.", `chaim list`, false},
	{"Or a profile is kept until its keys expire.", `chaim account sredev mpu -d 4h`, false},
	{"This is what is held.", `chaim list`, false},
	{"What programs that died have left is removed.", `chaim sweep`, false},
}
