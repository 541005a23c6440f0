# Writes random values of those kinds that a gateway answers with: each as its repr and as JSON that tells its parts.
import json, random, sys

random.seed(int(sys.argv[1]))
letters = ["a", "O'Brien", '"', "\\", "\n", "\t", "\x00", "\x7f", "\u00e9", "\u20ac", "\U0001f600", "\u2028", " ", "{", ","]


def value(depth):
    kind = random.randrange(10 if depth < 4 else 7)
    if kind == 0:
        return None
    if kind == 1:
        return random.random() < 0.5
    if kind == 2:
        return random.choice([0, 1, -1, 10**6, 2**63 - 1, -(2**63), random.getrandbits(200)])
    if kind == 3:
        return random.choice([0.0, -0.5, 1e16, 1.5e-7, random.random() * 10 ** random.randrange(-20, 20)])
    if kind < 6:
        return "".join(random.choice(letters) for _ in range(random.randrange(8)))
    if kind == 6:
        return bytes(random.randrange(256) for _ in range(random.randrange(6)))
    if kind == 7:
        return [value(depth + 1) for _ in range(random.randrange(4))]
    if kind == 8:
        return tuple(value(depth + 1) for _ in range(random.randrange(4)))
    return {random.choice(["a", "b", "c'", 'd"', 1]): value(depth + 1) for _ in range(random.randrange(4))}


def told(v):
    if isinstance(v, dict):
        return ["dict", [[told(k), told(x)] for k, x in v.items()]]
    if isinstance(v, (list, tuple)):
        return [type(v).__name__, [told(x) for x in v]]
    if isinstance(v, bytes):
        return ["bytes", v.hex()]
    if isinstance(v, float):
        return ["float", v.hex()]
    if isinstance(v, str):
        return ["str", v]
    return [type(v).__name__, str(v)]


print(json.dumps([[repr(v), told(v)] for v in (value(0) for _ in range(2000))]))
