#!/usr/bin/env python3
"""Fails where the lock file has a crate that deny.toml bans.

cargo-deny looks at what is built; Cargo also locks optional dependencies that nothing
builds, and what is locked can come to be built unseen. A stand-in from this repository
has no source and is fine.
"""

import sys
import tomllib
from pathlib import Path

root = Path(__file__).resolve().parent.parent


def load(name: str) -> dict:
    return tomllib.loads((root / name).read_text())


def main() -> int:
    banned = {ban["name"] for ban in load("deny.toml")["bans"]["deny"]}
    locked = load("Cargo.lock")["package"]
    found = [
        f"{package['name']} {package['version']} from {package['source']}"
        for package in locked
        if package["name"] in banned and "source" in package
    ]
    for package in found:
        print(f"banned by deny.toml and locked: {package}")
    print(f"{len(locked)} crates locked, {len(found)} of them banned")
    return 1 if found or not banned else 0


sys.exit(main())
