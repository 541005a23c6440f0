"""Rewrites a file for each line of input, "path section key value", as the Python original did."""

import configparser
import sys

for line in sys.stdin:
    path, section, key, value = line.split()
    parser = configparser.RawConfigParser()
    parser.read(path)
    parser.set(section, key, value)
    with open(path, "w") as file:
        parser.write(file)
    print("done", flush=True)
