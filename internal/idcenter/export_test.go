package idcenter

// ForgetShared forgets what the Centers of this process share: a bubble of synctest cannot use the channels of another one.
func ForgetShared() { allShared.Clear() }
