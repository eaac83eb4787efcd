"""Layer: command line.  The command `info`: what fastproc found here, as aligned lines.

It needs nothing but NumPy, since it is what one asks for when something else does not work.
"""

from __future__ import annotations

from fastproc.cli import machine, units


def run() -> int:
    """Print the facts."""
    rows = lines()
    width = max(len(label) for label, _ in rows)
    for label, value in rows:
        print(f"{label:<{width}}  {value}".rstrip())
    return 0


def lines() -> list[tuple[str, str]]:
    """Return labels and values; a second line of the same item has no label."""
    facts, versions = machine.facts(), machine.versions()
    available = ", ".join(facts["cpu_levels_available"])
    affinity = facts["cores_by_affinity"]
    by_affinity = "" if affinity is None else f", {affinity} by affinity"
    environment = [f"{name}={value}" for name, value in facts["environment"].items()]
    rows = [
        ("fastproc", versions["fastproc"]),
        ("Python", versions["python"]),
        ("NumPy", versions["numpy"]),
        ("system", f"{facts['system']}, {facts['architecture']}"),
        ("CPU", facts["cpu"] or "unknown"),
        ("CPU level", f"{facts['cpu_level']} (available: {available})"),
        ("cores", f"{facts['cores']}{by_affinity}, {facts['cores_allowed']} allowed"),
        ("default workers", str(facts["default_workers"])),
        ("start method", facts["start_method"]),
        ("memory", _size(facts["memory_bytes"], "unknown")),
        ("memory limit", _size(facts["memory_limit_bytes"], "none by cgroup")),
        ("segments", facts["segments"]),
        ("transport", facts["transport"]),
        ("segment cache", _size(facts["segment_cache_bytes"], "none")),
    ]
    for index, setting in enumerate(environment or ["nothing of fastproc is set"]):
        rows.append(("environment" if index == 0 else "", setting))
    return rows


def _size(n_bytes: int | None, if_none: str) -> str:
    return if_none if n_bytes is None else units.size(n_bytes)
