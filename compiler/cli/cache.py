"""`noema cache`."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

import click

from noema.cache import Cache, CacheEntry
from noema.errors import ArtifactError

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("cache", short_help="Look at, check or clear the compile cache.")
def cache_command() -> None:
    """Look at, check or clear the compile cache.

    Its folder is NOEMA_CACHE_DIR (default ~/.cache/noema); its bound is NOEMA_CACHE_SIZE (default
    10G; 0 turns it off).
    """


@cache_command.command("info")
@_json_option
def info_command(as_json: bool) -> None:
    """Show the folder, the bound and how much is used."""
    cache = Cache.default()
    stats = cache.stats()
    if as_json:
        _print_json(
            {
                "path": str(cache.root),
                "entries": stats.entries,
                "bytes": stats.nbytes,
                "max_bytes": stats.max_bytes,
                "quarantined": stats.quarantined,
            }
        )
        return
    click.echo(f"{cache.root}")
    click.echo(
        f"{_count(stats.entries)}, {_size_text(stats.nbytes)} of {_size_text(stats.max_bytes)}"
    )
    if stats.quarantined:
        click.echo(f"{stats.quarantined} damaged, set aside")


@cache_command.command("path")
@_json_option
def path_command(as_json: bool) -> None:
    """Print the cache's folder."""
    root = str(Cache.default().root)
    if as_json:
        _print_json({"path": root})
    else:
        click.echo(root)


@cache_command.command("list")
@_json_option
def list_command(as_json: bool) -> None:
    """List the entries, last used first."""
    entries = Cache.default().entries()
    if as_json:
        _print_json({"entries": [entry.to_json() for entry in entries]})
        return
    for entry in entries:
        used = time.strftime("%Y-%m-%d %H:%M", time.localtime(entry.used))
        label = entry.label.encode("unicode_escape").decode("ascii")
        click.echo(f"{entry.key[:12]}  {_size_text(entry.nbytes):>10}  {used}  {label}".rstrip())


@cache_command.command("clear")
@_json_option
def clear_command(as_json: bool) -> None:
    """Remove every entry."""
    entries, nbytes = Cache.default().clear()
    if as_json:
        _print_json({"removed": entries, "bytes": nbytes})
    else:
        click.echo(f"removed {_count(entries)}, {_size_text(nbytes)}")


@cache_command.command("verify")
@_json_option
def verify_command(as_json: bool) -> None:
    """Check the digest of every entry; damaged ones are set aside and compiled again when needed.

    Exits with 8 if there were any.
    """
    intact, damaged = Cache.default().verify()
    if as_json:
        _print_json({"intact": len(intact), "damaged": [entry.to_json() for entry in damaged]})
    else:
        click.echo(f"{_count(len(intact))} intact, {len(damaged)} damaged")
        for entry in damaged:
            click.echo(f"  {_named(entry)}")
    if damaged:
        click.get_current_context().exit(ArtifactError.exit_code)


def _named(entry: CacheEntry) -> str:
    label = entry.label.encode("unicode_escape").decode("ascii")
    return f"{entry.key[:12]} {label}".rstrip()


def _print_json(record: Mapping[str, object]) -> None:
    click.echo(json.dumps(record, indent=2))


def _count(entries: int) -> str:
    return f"{entries} entr{'y' if entries == 1 else 'ies'}"


def _size_text(nbytes: int) -> str:
    """A size in the largest unit (of 1024) that leaves at least 1."""
    size = float(nbytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.4g} {unit}"
        size /= 1024
    return f"{size:.4g} TiB"
