"""`noema devices`."""

from __future__ import annotations

import json
from dataclasses import replace

import click


@click.command("devices", short_help="List what can run here, and why not the rest.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--measure", is_flag=True, help="Measure the CPU's speed again (about 3 s).")
def devices_command(as_json: bool, measure: bool) -> None:
    """List every device that programs can run on here, and why the others can't.

    Measured speeds of the CPU are kept, by kind of processor, in the cache folder.
    """
    from noema.machine import roofs
    from noema.runtime.device import list_devices

    devices = list_devices()
    measured = roofs(measure=False, refresh=measure)
    if measure and measured is None:
        raise click.ClickException("the CPU could not be measured here")
    if measured is not None:
        speeds = {f"{name} Gop/s": f"{speed:.0f}" for name, speed in measured.gflops.items()}
        speeds["memory GB/s"] = f"{measured.bandwidth:.1f}"
        devices = [
            replace(d, details={**d.details, **speeds}) if d.kind == "cpu" else d for d in devices
        ]
    if as_json:
        click.echo(json.dumps([d.to_json() for d in devices], indent=2))
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("device", "", "what"):
        table.add_column(heading)
    for device in devices:
        facts = "\n".join(f"[dim]{k}: {escape(v)}[/]" for k, v in device.details.items() if v)
        text = escape(device.description if device.available else device.reason)
        mark = "[green]yes[/]" if device.available else "[red]no[/]"
        table.add_row(device.name, mark, f"{text}\n{facts}" if facts else text)
    Console().print(table)
