"""English dates that nobody reads the wrong way round: 3 Feb 2026, not 02/03/2026."""

DATE_FORMAT = "j F Y"
SHORT_DATE_FORMAT = "j M Y"
