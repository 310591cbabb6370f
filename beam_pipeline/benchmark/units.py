"""Quantities as people read them: three digits and a unit."""


def format_seconds(value: float) -> str:
    """Formats a time given in seconds.

    Example:
      >>> format_seconds(0.0123), format_seconds(4.56)
      ('12.3 ms', '4.56 s')
    """
    if value < 0.9995:
        return f"{_three_digits(value * 1000)} ms"
    return f"{_three_digits(value)} s"


def format_bytes(value: float) -> str:
    """Formats a size given in bytes; 1 MB is a million bytes.

    Example:
      >>> format_bytes(512), format_bytes(1_234_567)
      ('512 B', '1.23 MB')
    """
    for unit in ("B", "kB", "MB"):
        if abs(value) < 999.5:
            return f"{value:.0f} B" if unit == "B" else f"{_three_digits(value)} {unit}"
        value /= 1000
    return f"{_three_digits(value)} GB"


def format_count(value: float) -> str:
    """Formats a whole number.

    Example:
      >>> format_count(1234567)
      '1,234,567'
    """
    return f"{value:,.0f}"


def format_rate(value: float) -> str:
    """Formats a rate per second; a rate above zero is never shown as zero.

    Example:
      >>> format_rate(1234567), format_rate(0.498)
      ('1,234,567', '0.50')
    """
    return format_count(value) if value == 0 or value >= 9.995 else f"{value:.2f}"


def format_percent(share: float) -> str:
    """Formats a share from 0 to 1, never rounded to either end.

    Example:
      >>> format_percent(0.5), format_percent(0.999), format_percent(1)
      ('50 %', '>99 %', '100 %')
    """
    shown = f"{100 * share:.0f} %"
    if share < 1 and shown == "100 %":
        return ">99 %"
    return "<1 %" if share > 0 and shown == "0 %" else shown


def _three_digits(value: float) -> str:
    if abs(value) < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if abs(value) < 99.95 else f"{value:,.0f}"
