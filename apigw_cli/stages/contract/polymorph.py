"""Discriminators: the property by which clients and servers pick the alternative that a value is."""

from __future__ import annotations

from collections.abc import Iterator

from apigw_cli.stages.contract.delta import Delta, delta
from apigw_cli.stages.contract.shape import Shape


def discriminators(old: Shape, new: Shape) -> Iterator[Delta]:
    """How the discriminators of two shapes differ: present, by which property, and what each name stands for."""
    before, after = old.discriminator, new.discriminator
    if before is None or after is None:
        if before is not after:
            action = "removed" if after is None else "added"
            names = before.name if before else None, after.name if after else None
            text = f"discriminator {names[0] or names[1]} {action}"
            yield delta(f"discriminator-{action}", text, old, new, "discriminator", *names)
        return
    if before.name != after.name:
        text = f"discriminator {before.name} → {after.name}"
        yield delta("discriminator-property-name-changed", text, old, new, "discriminator", before.name, after.name)
    yield from _mappings(before.mapping, after.mapping, old, new)


def _mappings(before: dict[str, str], after: dict[str, str], old: Shape, new: Shape) -> Iterator[Delta]:
    if not before or not after:  # one side leaves it to the components' names
        return
    for name in sorted(before.keys() | after.keys()):
        was, now = before.get(name), after.get(name)
        if was != now:
            action = "deleted" if now is None else "added" if was is None else "changed"
            text = f"discriminator value {name}: {was or 'none'} → {now or 'none'}"
            yield delta(f"discriminator-mapping-{action}", text, old, new, "discriminator", was, now)
