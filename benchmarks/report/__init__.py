"""From raw figures to ratios and a Markdown report."""
