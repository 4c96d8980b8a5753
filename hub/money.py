"""Money is whole fen everywhere; this is how people read it."""


def yuan(fen: int) -> str:
    """Whole fen as an amount: 123456 -> "¥1,234.56"."""
    return f"{'-' if fen < 0 else ''}¥{abs(fen) // 100:,}.{abs(fen) % 100:02d}"
