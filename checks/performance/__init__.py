"""What the machine does under load: rates, links, clocks and heat, and whether results are right."""
