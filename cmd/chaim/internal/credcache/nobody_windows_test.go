package credcache

// becomeNobody is for the tests of modes, which Windows has not.
func becomeNobody(string) {}
