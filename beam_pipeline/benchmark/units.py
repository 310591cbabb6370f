"""Quantities as people read them: three digits and a unit."""


def seconds(value: float) -> str:
    """Seconds -> ``12.3 ms``, ``4.56 s``, ``789 s``."""
    if value < 0.9995:
        return f"{_digits(value * 1000)} ms"
    return f"{_digits(value)} s"


def size(value: float) -> str:
    """Bytes -> ``512 B``, ``1.23 MB``; 1 MB is a million bytes."""
    for unit in ("B", "kB", "MB"):
        if abs(value) < 999.5:
            return f"{value:.0f} B" if unit == "B" else f"{_digits(value)} {unit}"
        value /= 1000
    return f"{_digits(value)} GB"


def whole(value: float) -> str:
    """A number -> ``1,234,567``."""
    return f"{value:,.0f}"


def percent(share: float) -> str:
    """0 to 1 -> ``0 %`` to ``100 %``; never rounded to either end."""
    shown = f"{100 * share:.0f} %"
    if share < 1 and shown == "100 %":
        return ">99 %"
    return "<1 %" if share > 0 and shown == "0 %" else shown


def _digits(value: float) -> str:
    if abs(value) < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if abs(value) < 99.95 else f"{value:,.0f}"
