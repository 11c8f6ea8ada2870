"""Shows how the golden day differs from what is committed, and with a reason takes the new one over.

python -m tests.golden.accept                      # show; exit code 1 when anything differs
python -m tests.golden.accept --reason "why"       # show, write, and note the reason in CHANGES.md
"""

import argparse
import sys

from tests.golden.artefacts import HERE, PARTS, committed, differences, make, write

CHANGES = HERE / "CHANGES.md"


def main() -> int:
    """Exit code 0 when nothing differs, or all was shown and taken over."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--reason", help="why these differences are right; without it nothing is written")
    args = parser.parse_args()
    changed: list[str] = []
    for part in args.parts or PARTS:
        found = make(part)
        for name, lines in differences(committed(part), found).items():
            added = sum(line.startswith("+") for line in lines[2:])
            removed = sum(line.startswith("-") for line in lines[2:])
            changed.append(f"{part}/{name}: {added} lines added, {removed} removed")
            print("\n".join(lines), end="\n\n")
        if args.reason:
            write(part, found)
    print("\n".join(changed) if changed else "The golden day is the same.")
    if not changed:
        return 0
    if not args.reason:
        print(f"{len(changed)} artefacts differ; nothing is written. If that is right, say why with --reason.")
        return 1
    with CHANGES.open("a", encoding="utf-8") as file:
        file.write(f"\n## {args.reason}\n\n" + "".join(f"- {line}\n" for line in changed))
    print(f"Written, and noted in {CHANGES.relative_to(HERE.parent.parent)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
